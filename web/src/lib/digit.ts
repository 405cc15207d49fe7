/**
 * A drawn digit as the digits model reads it. Its data are bitmaps of 32 by 32 that a digit fills from top to bottom,
 * counted in blocks of 4 by 4: 64 numbers from 0 to 16, row by row. A drawing is brought to that size, and its lines
 * to the width at which it has as much ink as the data have.
 */
export const SIDE = 32;
const BLOCK = 4;
/** Blocks of a row. */
export const BLOCKS = SIDE / BLOCK;
/** Pixels that a digit of the data has on average. */
const INK = 310;
/** Most columns that it takes. */
const WIDTH = 24;
/** Least and greatest half width of a line, in pixels. */
const [THIN, THICK] = [0.7, 5];
const HALVINGS = 8;

export type Point = readonly [x: number, y: number];
/** A line that was drawn without lifting the pen; in any unit, downwards. */
export type Stroke = Point[];

/** Whether a model takes such an input: 64 numbers, for which the codes have room, and ten classes. */
export const isDigits = (model: { input_len: number; classes: number }) => model.input_len === BLOCKS * BLOCKS && model.classes === 10;

/** The 64 counts of a drawing; all 0 where nothing is drawn. */
export function counts(strokes: Stroke[]): number[] {
  const drawn = strokes.filter((stroke) => stroke.length > 0);
  if (drawn.length === 0) return Array(BLOCKS * BLOCKS).fill(0);
  let [low, high] = [THIN, THICK];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (bitmap(drawn, middle).filter(Boolean).length < INK) low = middle;
    else high = middle;
  }
  return blocks(bitmap(drawn, low));
}

/** How many pixels of each block are set. */
export function blocks(pixels: boolean[]): number[] {
  const sums = Array<number>(BLOCKS * BLOCKS).fill(0);
  pixels.forEach((isSet, i) => {
    const [row, column] = [Math.floor(i / SIDE / BLOCK), Math.floor((i % SIDE) / BLOCK)];
    if (isSet) sums[row * BLOCKS + column]! += 1;
  });
  return sums;
}

/** The pixels within `radius` of the lines, once these are as high as the bitmap and in its middle. */
function bitmap(strokes: Stroke[], radius: number): boolean[] {
  const fitted = fit(strokes, radius);
  return Array.from({ length: SIDE * SIDE }, (_, i) => {
    const pixel: Point = [(i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5];
    return fitted.some((stroke) => stroke.some((end, j) => distance(pixel, stroke[Math.max(0, j - 1)]!, end) <= radius));
  });
}

function fit(strokes: Stroke[], radius: number): Stroke[] {
  const points = strokes.flat();
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const [width, height] = [right - left, bottom - top];
  const [widest, highest] = [WIDTH - 2 * radius, SIDE - 2 * radius];
  // A flat line has no height to be stretched.
  const down = Math.min(highest / Math.max(height, 1e-9), (4 * widest) / Math.max(width, height, 1e-9));
  const across = Math.min(down, widest / Math.max(width, 1e-9));
  const place = ([x, y]: Point): Point => [
    SIDE / 2 + (x - (left + right) / 2) * across,
    SIDE / 2 + (y - (top + bottom) / 2) * down,
  ];
  return strokes.map((stroke) => stroke.map(place));
}

const range = (values: number[]): [number, number] => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];

/** From a point to the line between two others. */
function distance([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}
