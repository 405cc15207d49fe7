/** The int8 codes of inputs and outputs as pages show them. */
import { pairOf, type Codes } from "@sdk/codes.js";

export { dequantise, quantise, type Codes } from "@sdk/codes.js";

const LEAST = -128;
const MOST = 127;

/** The least and the greatest number that a code stands for, for value `i` of `n`. */
export function rangeOf(codes: Codes, i: number, n: number): [least: number, greatest: number] {
  const [scale, offset] = pairOf(codes, i, n);
  return [offset + scale * LEAST, offset + scale * MOST];
}

/** The place of the greatest of the first `classes` numbers: the first of equals. */
export const classOf = (answer: number[], classes: number): number =>
  answer.slice(0, classes).reduce((best, value, i) => (value > answer[best]! ? i : best), 0);
