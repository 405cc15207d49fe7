/**
 * Salted Poseidon commitments to a task's input and output, equal to `core/src/commitment.rs` by
 * the vectors in `core/testdata/commitment.json`.
 *
 * @module commitment
 */
import { poseidon5 } from "poseidon-lite/poseidon5";

/** Order of the scalar field of BN254. */
export const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

const DOMAIN_INPUT = 1n;
const DOMAIN_OUTPUT = 2n;
const WORD_BYTES = 31;
const FIRST_RATE = 5;
const NEXT_RATE = 4;

/**
 * Packs int8 values into words of 31 balanced digits, least significant first.
 *
 * @param {Int8Array | number[]} values integers from -128 to 127
 * @returns {bigint[]} field elements
 */
export function words(values) {
  const out = [];
  for (let at = 0; at < values.length; at += WORD_BYTES) {
    let word = 0n;
    for (let i = Math.min(at + WORD_BYTES, values.length) - 1; i >= at; i--) {
      if (!Number.isInteger(values[i]) || values[i] < -128 || values[i] > 127) {
        throw new RangeError(`value ${i} is ${values[i]}, expected an integer from -128 to 127`);
      }
      word = word * 256n + BigInt(values[i]);
    }
    out.push(((word % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER);
  }
  return out;
}

function commit(tag, salt, values) {
  if (salt < 0n || salt >= FIELD_ORDER) throw new RangeError("the salt is not below the field's order");
  const elements = [tag, salt, ...words(values)];
  while (elements.length < FIRST_RATE || (elements.length - FIRST_RATE) % NEXT_RATE !== 0) elements.push(0n);
  let state = poseidon5(elements.slice(0, FIRST_RATE));
  for (let at = FIRST_RATE; at < elements.length; at += NEXT_RATE) {
    state = poseidon5([state, ...elements.slice(at, at + NEXT_RATE)]);
  }
  return state;
}

/**
 * Commits to an input.
 *
 * @param {Int8Array | number[]} values the quantised input
 * @param {bigint} salt a random field element; who knows it can test guesses of the input
 * @returns {bigint}
 */
export function inputCommitment(values, salt) {
  return commit(DOMAIN_INPUT + (BigInt(values.length) << 32n), salt, values);
}

/**
 * Commits to an output with the salt of its input.
 *
 * @param {Int8Array | number[]} values the quantised output
 * @param {bigint} salt salt of the input
 * @returns {bigint}
 */
export function outputCommitment(values, salt) {
  return commit(DOMAIN_OUTPUT + (BigInt(values.length) << 32n), salt, values);
}
