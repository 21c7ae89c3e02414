import type { Image, Registry } from '../services/registry.ts';
import { type Composed, compose, type NewLayer } from './image.ts';
import { labelOf, type ReleasedModel, type ReleaseLabel } from './label.ts';

/** A model package that was checked, in a folder of its own. */
export interface ModelPackage {
  folder: string;
  /** Of its `model.json`. */
  manifest: {
    name: string;
    version: string;
    metrics: Record<string, number>;
    golden: readonly { input: unknown; output: unknown }[];
  };
  /** SHA-256 of model.onnx. */
  checksum: string;
}

interface Push {
  /** What is pushed under. */
  tags: string[];
  /** The source commit, where there is one. */
  commit: string;
  version: string;
  progress(sent: number, of: number): void;
}

/** Puts models into an image, each in the place of the one of its name, and pushes it. */
export async function pushModels(
  registry: Registry,
  current: Image,
  packages: readonly ModelPackage[],
  push: Push,
): Promise<Composed> {
  const own = packages.map(
    ({ manifest: { name, version, metrics, golden }, checksum }): ReleasedModel => ({
      name,
      version,
      checksum,
      metrics,
      golden: golden.flatMap(({ input, output }) =>
        typeof output === 'object' && output !== null && 'label' in output
          ? [{ input, output: { label: String(output.label) } }]
          : [],
      ),
    }),
  );
  const others = (labelOf(current)?.models ?? []).filter((other) => own.every(({ name }) => name !== other.name));
  const label = { commit: push.commit, models: [...others, ...own].sort((a, b) => (a.name < b.name ? -1 : 1)) };
  const layers = packages.map(({ folder, manifest: { name, version } }) => ({
    kind: `model ${name}`,
    folders: { [`models/${name}/${version}`]: folder },
  }));
  return await pushLayers(registry, current, layers, label, push);
}

/** Pushes an image with layers put in, and what is known of it. */
export async function pushLayers(
  registry: Registry,
  current: Image,
  layers: readonly NewLayer[],
  label: ReleaseLabel,
  { tags, version, progress }: Omit<Push, 'commit'>,
): Promise<Composed> {
  return await compose(registry, current, layers, label, {
    tags,
    annotations: {
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.revision': label.commit,
      'org.opencontainers.image.title': 'maru-inference',
      ...Object.fromEntries(label.models.map((model) => [`dev.maru.model.${model.name}`, model.version])),
    },
    progress,
  });
}
