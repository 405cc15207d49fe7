/**
 * What the int8 codes of inputs and outputs stand for: value = offset + scale · code. There is one pair for all values,
 * one per channel, or one per value: value `i` of `n` has pair `i · pairs / n`, as in `import/src/codes.rs`.
 */
export interface Codes {
  scale: number[];
  offset: number[];
}

const LEAST = -128;
const MOST = 127;

function pair({ scale, offset }: Codes, i: number, n: number): [scale: number, offset: number] {
  const at = Math.floor((i * scale.length) / n);
  return [scale[at]!, offset[at]!];
}

/** The nearest codes, halves up, saturated. */
export const quantise = (codes: Codes, values: number[]): number[] =>
  values.map((value, i) => {
    const [scale, offset] = pair(codes, i, values.length);
    return Math.max(LEAST, Math.min(MOST, Math.floor((value - offset) / scale + 0.5)));
  });

export const dequantise = (codes: Codes, answer: number[]): number[] =>
  answer.map((code, i) => {
    const [scale, offset] = pair(codes, i, answer.length);
    return offset + scale * code;
  });

/** The least and the greatest number that a code stands for, for value `i` of `n`. */
export function rangeOf(codes: Codes, i: number, n: number): [least: number, greatest: number] {
  const [scale, offset] = pair(codes, i, n);
  return [offset + scale * LEAST, offset + scale * MOST];
}

/** The place of the greatest of the first `classes` numbers: the first of equals. */
export const classOf = (answer: number[], classes: number): number =>
  answer.slice(0, classes).reduce((best, value, i) => (value > answer[best]! ? i : best), 0);
