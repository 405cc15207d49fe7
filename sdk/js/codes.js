/**
 * What the int8 codes of inputs and outputs stand for, equal to `import/src/codes.rs`: value = offset + scale code, in
 * numbers of 32 bits. There is one pair for all values, one per channel, or one per value: value `i` of `n` has pair
 * `i pairs / n`.
 *
 * @module codes
 */
const { fround } = Math;

/** @typedef {{scale: number[], offset: number[]}} Codes */

/**
 * Scale and offset of value `i` of `n`.
 *
 * @param {Codes} codes
 * @param {number} i
 * @param {number} n
 * @returns {[scale: number, offset: number]}
 */
export function pairOf({ scale, offset }, i, n) {
  const at = Math.floor((i * scale.length) / n);
  return [fround(scale[at]), fround(offset[at])];
}

/**
 * The nearest codes, halves up, saturated.
 *
 * @param {Codes} codes
 * @param {ArrayLike<number>} values
 * @returns {number[]}
 * @throws {RangeError} where a value is no finite number
 */
export function quantise(codes, values) {
  return Array.from(values, (value, i) => {
    if (!Number.isFinite(value)) throw new RangeError(`value ${i} is ${value}, no finite number`);
    const [scale, offset] = pairOf(codes, i, values.length);
    const steps = fround(fround(fround(value) - offset) / scale);
    return Math.max(-128, Math.min(127, Math.floor(fround(steps + 0.5))));
  });
}

/**
 * What codes stand for.
 *
 * @param {Codes} codes
 * @param {ArrayLike<number>} answer
 * @returns {number[]}
 */
export function dequantise(codes, answer) {
  return Array.from(answer, (code, i) => {
    const [scale, offset] = pairOf(codes, i, answer.length);
    return fround(offset + fround(scale * code));
  });
}
