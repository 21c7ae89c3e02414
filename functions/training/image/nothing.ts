import type { Random } from '../random.ts';

/**
 * Pictures of nothing that a network tells apart: what it is to refuse. Drawn here, so that no data is needed: plain and noisy ones, patterns,
 * shapes, strokes, and pictures of the classes in pieces, whose surfaces are right and whose outlines are not.
 */
type Canvas = Float32Array;

/** `count` pictures [count, side, side, channels]; `pixels` are those of the classes, in the same shape. */
export function nothing(count: number, side: number, channels: number, pixels: Uint8Array, random: Random): Uint8Array {
  const size = side * side * channels;
  const found = new Uint8Array(count * size);
  const known = pixels.length / size;
  for (let picture = 0; picture < count; picture += 1) {
    const out = found.subarray(picture * size, (picture + 1) * size);
    if (known > 0 && random.next() < PIECES) {
      const piece = () => pixels.subarray(random.below(known) * size).subarray(0, size);
      inPieces(out, piece, side, channels, random);
      continue;
    }
    const drawn = draw(side, random);
    const tint = Array.from({ length: channels }, () => (channels === 1 ? 1 : 0.5 + 0.5 * random.next()));
    for (let at = 0; at < side * side; at += 1)
      for (let channel = 0; channel < channels; channel += 1)
        out[at * channels + channel] = Math.round(255 * Math.min(1, Math.max(0, drawn[at]! * tint[channel]!)));
  }
  return found;
}

/** The share that is made of pictures of the classes. */
const PIECES = 0.25;

function draw(side: number, random: Random): Canvas {
  const canvas: Canvas = new Float32Array(side * side);
  const kinds = [
    ...[
      blank,
      noise,
      noise,
      noise,
      slope,
      slope,
      stripes,
      stripes,
      shapes,
      shapes,
      shapes,
      turned,
      turned,
      turned,
      built,
      built,
      built,
    ],
    ...[strokes, strokes, face, face, letters, letters, scene, panel, panel, panel, panel, panel],
  ];
  kinds[random.below(kinds.length)]!(canvas, side, random);
  // What of a cloud or of light is different enough, as if it were a subject.
  if (random.next() < 0.2) cut(canvas, random);
  // As the subject of a photograph is shown: it fills the frame.
  if (random.next() < 0.5) fill(canvas, side, random);
  // As photographs have it, now and then; and light on dark as well as dark on light.
  if (random.next() < 0.3) grain(canvas, 0.1 * random.next(), random);
  if (random.next() < 0.2) blur(canvas, side, 1);
  if (random.next() < 0.25) for (let at = 0; at < canvas.length; at += 1) canvas[at] = 1 - canvas[at]!;
  return canvas;
}

function blank(canvas: Canvas, _side: number, random: Random): void {
  canvas.fill(random.next() < 0.3 ? random.below(2) : random.next());
  if (random.next() < 0.5) grain(canvas, 0.05 * random.next(), random);
}

function noise(canvas: Canvas, side: number, random: Random): void {
  const [middle, width] = [random.next(), 0.1 + 0.5 * random.next()];
  const isSparse = random.next() < 0.3;
  for (let at = 0; at < canvas.length; at += 1)
    canvas[at] = isSparse ? Number(random.next() < 0.15) : middle + width * random.normal();
  const rounds = random.below(4);
  for (let round = 0; round < rounds; round += 1) blur(canvas, side, 1 + random.below(3));
  if (rounds > 0) stretch(canvas);
}

function slope(canvas: Canvas, side: number, random: Random): void {
  const angle = 2 * Math.PI * random.next();
  const [x0, y0] = [side * random.next(), side * random.next()];
  const isRound = random.next() < 0.4;
  each(canvas, side, (x, y) =>
    isRound
      ? Math.hypot(x - x0, y - y0) / side
      : 0.5 + ((x - side / 2) * Math.cos(angle) + (y - side / 2) * Math.sin(angle)) / side,
  );
}

function stripes(canvas: Canvas, side: number, random: Random): void {
  const angle = Math.PI * random.next();
  const [period, other] = [2 + 8 * random.next(), 2 + 8 * random.next()];
  const [isSharp, isChecked, isRound] = [random.next() < 0.5, random.next() < 0.5, random.next() < 0.2];
  each(canvas, side, (x, y) => {
    const along = isRound ? Math.hypot(x - side / 2, y - side / 2) : x * Math.cos(angle) + y * Math.sin(angle);
    const across = -x * Math.sin(angle) + y * Math.cos(angle);
    const wave = Math.sin((2 * Math.PI * along) / period) * (isChecked ? Math.sin((2 * Math.PI * across) / other) : 1);
    return isSharp ? Number(wave > 0) : 0.5 + 0.5 * wave;
  });
}

/** Circles, boxes, triangles and stars, filled or outlined. */
function shapes(canvas: Canvas, side: number, random: Random): void {
  const count = 1 + random.below(4);
  for (let shape = 0; shape < count; shape += 1) {
    const size = side * (0.12 + 0.36 * random.next());
    const [x0, y0] = count === 1 ? [side / 2, side / 2] : [side * random.next(), side * random.next()];
    const corners = [0, 0, 3, 4, 5, 6, 8][random.below(7)]!;
    const [turn, stretch, star] = [
      2 * Math.PI * random.next(),
      0.4 + 0.6 * random.next(),
      random.next() < 0.4 ? 0.5 : 1,
    ];
    const outline = random.next() < 0.35 ? 1 + 2 * random.next() : 0;
    const tone = 0.3 + 0.7 * random.next();
    paint(canvas, side, tone, (x, y) => {
      const [u, v] = [x - x0, (y - y0) / stretch];
      const angle = Math.atan2(v, u) + turn;
      const part = corners > 0 ? (2 * Math.PI) / corners : 1;
      const within = corners > 0 ? Math.abs((((angle % part) + part) % part) / part - 0.5) * 2 : 1;
      const radius = size * (corners > 0 ? star + (1 - star) * within : 1) * (corners === 4 ? 0.75 + 0.25 * within : 1);
      const away = Math.hypot(u, v) - radius;
      return outline > 0 ? Math.abs(away) - outline / 2 : away;
    });
  }
}

/** What was turned on a wheel, as bottles, cups and lamps are: as wide on the left as on the right, and shaded; some have a handle. */
function turned(canvas: Canvas, side: number, random: Random): void {
  const knots = Array.from({ length: 3 + random.below(4) }, () => side * (0.05 + 0.35 * random.next() ** 1.5));
  const [top, bottom] = [side * 0.25 * random.next(), side * (0.75 + 0.25 * random.next())];
  const isSmooth = random.next() < 0.6;
  const radius = (y: number) => {
    const at = ((y - top) / (bottom - top)) * (knots.length - 1);
    const before = Math.min(knots.length - 1, Math.max(0, Math.floor(at)));
    const after = Math.min(knots.length - 1, before + 1);
    return isSmooth ? knots[before]! + (at - before) * (knots[after]! - knots[before]!) : knots[before]!;
  };
  const [tone, light] = [0.3 + 0.7 * random.next(), 0.5 * random.next()];
  const inside = (x: number, y: number) => Math.max(Math.abs(x - side / 2) - radius(y), top - y, y - bottom);
  if (random.next() < 0.3) {
    const [x, y, size] = [side / 2 + radius(side / 2), side / 2, side * (0.08 + 0.12 * random.next())];
    paint(canvas, side, tone, (px, py) => Math.abs(Math.hypot(px - x, py - y) - size) - 1);
  }
  paint(canvas, side, tone, inside);
  const shadow = canvas.slice();
  each(canvas, side, (x, y) => {
    const at = Math.floor(y) * side + Math.floor(x);
    return shadow[at]! * (1 - light * Math.min(1, Math.abs(x - side * 0.4) / (side * 0.3)));
  });
}

/** Boxes and rounds that are joined: chairs, cars, houses, machines. */
function built(canvas: Canvas, side: number, random: Random): void {
  const count = 3 + random.below(5);
  let [x, y] = [side / 2, side / 2];
  for (let part = 0; part < count; part += 1) {
    const [wide, high] = [side * (0.03 + 0.3 * random.next() ** 1.5), side * (0.03 + 0.3 * random.next() ** 1.5)];
    const [u, v, isRound] = [x, y, random.next() < 0.35];
    paint(canvas, side, 0.15 + 0.85 * random.next(), (px, py) =>
      isRound
        ? Math.hypot(px - u, py - v) - Math.min(wide, high)
        : Math.max(Math.abs(px - u) - wide, Math.abs(py - v) - high),
    );
    // The next one stands at an edge of this one, or at the same place of another.
    if (random.next() < 0.7) [x, y] = [u + wide * (2 * random.below(2) - 1), v + high * (random.below(3) - 1)];
    else [x, y] = [side * (0.2 + 0.6 * random.next()), side * (0.2 + 0.6 * random.next())];
  }
}

/** A flat thing with something on it: a book, a screen, a keyboard, a sign, a box, a plate. */
function panel(canvas: Canvas, side: number, random: Random): void {
  const [wide, high] = [side * (0.2 + 0.3 * random.next()), side * (0.12 + 0.38 * random.next())];
  const [x0, y0] = [side / 2, side / 2];
  const turn = random.next() < 0.3 ? 0.5 * random.normal() : 0;
  const corner = Math.min(wide, high) * (random.next() < 0.25 ? 1 : random.next() ** 2);
  const turned = (x: number, y: number): [number, number] => [
    (x - x0) * Math.cos(turn) + (y - y0) * Math.sin(turn),
    (y - y0) * Math.cos(turn) - (x - x0) * Math.sin(turn),
  ];
  const away = (u: number, v: number, a: number, b: number, round: number) =>
    Math.hypot(Math.max(0, Math.abs(u) - a + round), Math.max(0, Math.abs(v) - b + round)) - round;
  const tone = 0.35 + 0.65 * random.next();
  paint(canvas, side, tone, (x, y) => away(...turned(x, y), wide, high, corner));
  const inner = random.next() < 0.5 ? tone * random.next() : Math.min(1, tone + 0.5 * random.next());
  const [columns, rows] = [1 + random.below(7), 1 + random.below(6)];
  const kind = random.below(5);
  if (kind === 0) {
    // Cells: keys, windows, a grid.
    const [a, b] = [(0.75 * wide) / columns, (0.75 * high) / rows];
    for (let column = 0; column < columns; column += 1)
      for (let row = 0; row < rows; row += 1) {
        const [u0, v0] = [((2 * column + 1) / columns - 1) * wide * 0.85, ((2 * row + 1) / rows - 1) * high * 0.85];
        paint(canvas, side, inner, (x, y) => {
          const [u, v] = turned(x, y);
          return away(u - u0, v - v0, a * 0.8, b * 0.8, corner > 2 ? Math.min(a, b) * 0.6 : 0);
        });
      }
  } else if (kind === 1) {
    // Lines of writing.
    for (let row = 0; row < rows + 1; row += 1) {
      const v0 = ((2 * row + 1) / (rows + 1) - 1) * high * 0.85;
      const [from, to] = [-wide * 0.8, wide * (0.8 - random.next())];
      paint(canvas, side, inner, (x, y) => {
        const [u, v] = turned(x, y);
        return Math.max(Math.abs(v - v0) - Math.max(0.4, (0.4 * high) / (rows + 1)), from - u, u - to);
      });
    }
  } else if (kind === 2) {
    // A screen, a label.
    const [a, b] = [wide * (0.5 + 0.4 * random.next()), high * (0.4 + 0.5 * random.next())];
    paint(canvas, side, inner, (x, y) => away(...turned(x, y), a, b, corner / 2));
    if (random.next() < 0.5) paint(canvas, side, tone, (x, y) => away(...turned(x, y), a * 0.6, b * 0.25, 0));
  } else if (kind === 3) {
    // Rounds: a lens, dials, dots.
    const count = 1 + random.below(5);
    for (let dot = 0; dot < count; dot += 1) {
      const [u0, v0] = count === 1 ? [0, 0] : [wide * (random.next() - 0.5) * 1.4, high * (random.next() - 0.5) * 1.4];
      const radius = Math.min(wide, high) * (count === 1 ? 0.4 + 0.4 * random.next() : 0.15 + 0.2 * random.next());
      const ring = random.next() < 0.4;
      paint(canvas, side, inner, (x, y) => {
        const [u, v] = turned(x, y);
        const far = Math.hypot(u - u0, v - v0) - radius;
        return ring ? Math.abs(far) - 0.8 : far;
      });
    }
  } else {
    // Its edges.
    const thick = 0.5 + random.next();
    paint(canvas, side, inner, (x, y) => Math.abs(away(...turned(x, y), wide, high, corner) + thick) - thick);
    if (random.next() < 0.5) paint(canvas, side, inner, (x, y) => Math.abs(turned(x, y)[0]) - thick);
    if (random.next() < 0.5) paint(canvas, side, inner, (x, y) => Math.abs(turned(x, y)[1]) - thick);
  }
  if (random.next() < 0.25) {
    // What it stands on.
    const foot = wide * (0.2 + 0.5 * random.next());
    paint(canvas, side, tone * 0.8, (x, y) => Math.max(Math.abs(x - x0) - foot, Math.abs(y - y0 - high - 1) - 1));
  }
}

/** Lines and bows, as of a hand. */
function strokes(canvas: Canvas, side: number, random: Random): void {
  const count = 1 + random.below(5);
  for (let stroke = 0; stroke < count; stroke += 1) {
    const at = () => side * (0.1 + 0.8 * random.next());
    const points: [number, number][] = [
      [at(), at()],
      [at(), at()],
      [at(), at()],
    ];
    line(canvas, side, points, 1 + 3 * random.next(), 0.5 + 0.5 * random.next());
  }
}

function face(canvas: Canvas, side: number, random: Random): void {
  const [x, y] = [side / 2, side / 2];
  const [wide, high] = [side * (0.25 + 0.2 * random.next()), side * (0.3 + 0.18 * random.next())];
  const tone = 0.4 + 0.6 * random.next();
  const isOutline = random.next() < 0.4;
  const oval = (u: number, v: number, a: number, b: number) => (px: number, py: number) =>
    (Math.hypot((px - u) / a, (py - v) / b) - 1) * Math.min(a, b);
  const round = oval(x, y, wide, high);
  paint(canvas, side, tone, (px, py) => (isOutline ? Math.abs(round(px, py)) - 0.8 : round(px, py)));
  const dark = isOutline ? tone : tone * 0.3 * random.next();
  const [apart, up, eye] = [
    wide * (0.35 + 0.15 * random.next()),
    high * (0.2 + 0.2 * random.next()),
    side * (0.03 + 0.05 * random.next()),
  ];
  for (const sign of [-1, 1])
    paint(canvas, side, dark, oval(x + sign * apart, y - up, eye, eye * (0.6 + 0.8 * random.next())));
  const [mouth, smile] = [wide * (0.3 + 0.4 * random.next()), high * 0.3 * random.normal()];
  const low = y + high * (0.4 + 0.15 * random.next());
  line(
    canvas,
    side,
    [
      [x - mouth, low],
      [x, low + smile],
      [x + mouth, low],
    ],
    1 + 1.5 * random.next(),
    dark,
  );
  if (random.next() < 0.5)
    line(
      canvas,
      side,
      [
        [x, y - up / 2],
        [x + 1, y],
        [x - 1, y + high * 0.15],
      ],
      1,
      dark,
    );
  if (random.next() < 0.4)
    for (const sign of [-1, 1])
      paint(canvas, side, tone, oval(x + sign * wide * 0.8, y - high * 0.9, wide * 0.3, high * 0.35));
}

/** Rows of what looks like letters; or a few large ones. */
function letters(canvas: Canvas, side: number, random: Random): void {
  const rows = 1 + random.below(4);
  const height = (0.8 * side) / rows;
  for (let row = 0; row < rows; row += 1) {
    const top = side * 0.1 + row * height;
    for (let left = side * 0.08; left < side * 0.9; ) {
      const width = height * (0.35 + 0.35 * random.next());
      if (random.next() < 0.85) {
        const count = 1 + random.below(3);
        for (let stroke = 0; stroke < count; stroke += 1) {
          const corner = (): [number, number] => [
            left + width * 0.8 * (random.below(3) / 2),
            top + height * 0.7 * (random.below(3) / 2),
          ];
          line(
            canvas,
            side,
            [corner(), corner(), corner()],
            Math.max(0.8, height * 0.1 * (0.6 + random.next())),
            0.8 + 0.2 * random.next(),
          );
        }
      }
      left += width;
    }
  }
}

/** A ground, and things on it. */
function scene(canvas: Canvas, side: number, random: Random): void {
  const level = side * (0.4 + 0.4 * random.next());
  const [above, below] = [random.next(), random.next()];
  each(canvas, side, (_, y) => (y < level ? above : below));
  const things = 1 + random.below(4);
  for (let thing = 0; thing < things; thing += 1) {
    const [x, wide, high] = [
      side * random.next(),
      side * (0.04 + 0.15 * random.next()),
      side * (0.1 + 0.4 * random.next()),
    ];
    const tone = random.next();
    const isTree = random.next() < 0.4;
    paint(canvas, side, tone, (px, py) =>
      isTree
        ? Math.min(
            Math.hypot(px - x, py - level + high) - wide * 1.3,
            Math.max(Math.abs(px - x) - 1, level - high - py, py - level),
          )
        : Math.max(Math.abs(px - x) - wide, level - high - py, py - level - 1),
    );
  }
}

/** Tiles of one or several pictures in another order; halves that don't belong together; one far too near. */
function inPieces(out: Uint8Array, piece: () => Uint8Array, side: number, channels: number, random: Random): void {
  const kind = random.below(3);
  const first = piece();
  const copy = (from: Uint8Array, row: number, column: number, to: number) => {
    for (let channel = 0; channel < channels; channel += 1)
      out[to * channels + channel] = from[(row * side + column) * channels + channel]!;
  };
  if (kind === 0) {
    const tiles = [2, 4, 4, 7][random.below(4)]!;
    const size = Math.ceil(side / tiles);
    const order = random.shuffle(Array.from({ length: tiles * tiles }, (_, index) => index));
    const second = random.next() < 0.5 ? first : piece();
    for (let row = 0; row < side; row += 1)
      for (let column = 0; column < side; column += 1) {
        const from = order[Math.floor(row / size) * tiles + Math.floor(column / size)]!;
        const [r, c] = [Math.floor(from / tiles) * size + (row % size), (from % tiles) * size + (column % size)];
        copy(from % 2 === 0 ? first : second, Math.min(side - 1, r), Math.min(side - 1, c), row * side + column);
      }
  } else if (kind === 1) {
    const second = piece();
    const isAcross = random.next() < 0.5;
    for (let row = 0; row < side; row += 1)
      for (let column = 0; column < side; column += 1) {
        // The second upside down, so that halves of one kind are none either.
        const isFirst = (isAcross ? row : column) < side / 2;
        copy(isFirst ? first : second, isFirst ? row : side - 1 - row, column, row * side + column);
      }
  } else {
    const zoom = 2.5 + 3 * random.next();
    const [top, left] = [random.next() * side * (1 - 1 / zoom), random.next() * side * (1 - 1 / zoom)];
    for (let row = 0; row < side; row += 1)
      for (let column = 0; column < side; column += 1)
        copy(first, Math.floor(top + row / zoom), Math.floor(left + column / zoom), row * side + column);
  }
}

/** What is under a level is ground. */
function cut(canvas: Canvas, random: Random): void {
  const level = canvas.toSorted()[Math.floor(canvas.length * (0.1 + 0.8 * random.next()))]!;
  for (let at = 0; at < canvas.length; at += 1)
    canvas[at] = canvas[at]! <= level ? 0 : 0.3 + (0.7 * (canvas[at]! - level)) / Math.max(0.05, 1 - level);
}

/** What is there, in its frame; and now and then nothing of it darker than a subject is shown. */
function fill(canvas: Canvas, side: number, random: Random): void {
  let [left, right, top, bottom] = [side, -1, side, -1];
  for (const [at, value] of canvas.entries()) {
    if (value < 0.08) continue;
    const [x, y] = [at % side, Math.floor(at / side)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  const [width, height] = [right - left + 1, bottom - top + 1];
  if (width < 4 || height < 4) return;
  const from = canvas.slice();
  const scale = Math.max(width, height) / side;
  const [offsetX, offsetY] = [(side - width / scale) / 2, (side - height / scale) / 2];
  const floor = random.next() < 0.5 ? 0.3 : 0;
  each(canvas, side, (x, y) => {
    const [u, v] = [left + (x - offsetX) * scale, top + (y - offsetY) * scale];
    if (u < left || v < top || u >= right + 1 || v >= bottom + 1) return 0;
    const value = from[Math.floor(v) * side + Math.floor(u)]!;
    return value < 0.08 ? value : floor + (1 - floor) * value;
  });
}

function each(canvas: Canvas, side: number, value: (x: number, y: number) => number): void {
  for (let y = 0; y < side; y += 1) for (let x = 0; x < side; x += 1) canvas[y * side + x] = value(x + 0.5, y + 0.5);
}

/** Lays a tone on what is inside; `away`: pixels from the edge, negative inside. */
function paint(canvas: Canvas, side: number, tone: number, away: (x: number, y: number) => number): void {
  for (let y = 0; y < side; y += 1)
    for (let x = 0; x < side; x += 1) {
      const covered = Math.min(1, Math.max(0, 0.5 - away(x + 0.5, y + 0.5)));
      const at = y * side + x;
      if (covered > 0) canvas[at] = canvas[at]! + covered * (tone - canvas[at]!);
    }
}

/** A bow from the first point to the last, drawn to the one between. */
function line(canvas: Canvas, side: number, [from, by, to]: [number, number][], width: number, tone: number): void {
  const steps = 24;
  const points = Array.from({ length: steps + 1 }, (_, step) => {
    const t = step / steps;
    return [0, 1].map((axis) => (1 - t) ** 2 * from![axis]! + 2 * t * (1 - t) * by![axis]! + t * t * to![axis]!);
  });
  paint(canvas, side, tone, (x, y) => {
    let least = Number.POSITIVE_INFINITY;
    for (const [u, v] of points) least = Math.min(least, (x - u!) ** 2 + (y - v!) ** 2);
    return Math.sqrt(least) - width / 2;
  });
}

function grain(canvas: Canvas, strength: number, random: Random): void {
  for (let at = 0; at < canvas.length; at += 1) canvas[at] = canvas[at]! + strength * random.normal();
}

function blur(canvas: Canvas, side: number, radius: number): void {
  for (const [dx, dy] of [
    [1, 0],
    [0, 1],
  ] as const) {
    const from = canvas.slice();
    for (let y = 0; y < side; y += 1)
      for (let x = 0; x < side; x += 1) {
        let [sum, count] = [0, 0];
        for (let by = -radius; by <= radius; by += 1) {
          const [u, v] = [x + by * dx, y + by * dy];
          if (u < 0 || v < 0 || u >= side || v >= side) continue;
          [sum, count] = [sum + from[v * side + u]!, count + 1];
        }
        canvas[y * side + x] = sum / count;
      }
  }
}

function stretch(canvas: Canvas): void {
  const [low, high] = [canvas.reduce((a, b) => Math.min(a, b)), canvas.reduce((a, b) => Math.max(a, b))];
  for (let at = 0; at < canvas.length; at += 1) canvas[at] = (canvas[at]! - low) / Math.max(1e-6, high - low);
}
