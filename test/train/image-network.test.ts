import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Network } from '../../functions/training/image/network.ts';
import { Random } from '../../functions/training/random.ts';

/** The gradient of a network of pictures, held against what a small step does. */
const shape = { side: 8, channels: 1, filters: [16, 16] as [number, number], hidden: 8, classes: 3 };
const COUNT = 4;
const OPTIONS = { dropHidden: 0 };

function fresh() {
  const network = new Network(shape, COUNT, 7, new Random(3));
  const random = new Random(5);
  for (let picture = 0; picture < COUNT; picture += 1) network.write(picture, () => random.normal());
  const targets = new Float32Array(COUNT * 3);
  for (let row = 0; row < COUNT; row += 1) targets[row * 3 + (row % 3)] = 1;
  return { network, targets };
}

test('each gradient is what a small step does', () => {
  const { network, targets } = fresh();
  network.step(COUNT, targets, COUNT, OPTIONS);
  const gradients = network.gradients().map((one) => Float32Array.from(one));
  const random = new Random(9);
  for (const [place, gradient] of gradients.entries()) {
    const length = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    assert.ok(length > 0, `${place}`);
    // Along the gradient and along a direction by chance.
    for (const direction of [
      gradient.map((value) => value / length),
      gradient.map(() => random.normal() / Math.sqrt(gradient.length)),
    ]) {
      const loss = (step: number) => {
        const { network: moved } = fresh();
        const weights = moved.weights()[place]!;
        for (let at = 0; at < direction.length; at += 1) weights[at]! += step * direction[at]!;
        return moved.step(COUNT, targets, COUNT, OPTIONS) / COUNT;
      };
      const by = 2e-3;
      const seen = (loss(by) - loss(-by)) / (2 * by);
      const said = gradient.reduce((sum, value, at) => sum + value * direction[at]!, 0);
      assert.ok(Math.abs(seen - said) < 0.02 * length + 2e-3, `parameter ${place}: ${seen} is not ${said}`);
    }
  }
});
