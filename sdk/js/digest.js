/**
 * Openings of a batch's digest, equal to `core/src/digest.rs` by the vectors in
 * `core/testdata/commitment.json`.
 *
 * @module digest
 */
import { poseidon5 } from "poseidon-lite";
import { FIELD_ORDER } from "./commitment.js";

const ARITY = 5;

/**
 * All elements of the tree: inner nodes from the root on, then the leaves.
 *
 * @param {bigint[]} leaves input commitments, the score, output commitments
 * @returns {bigint[]}
 */
export function tree(leaves) {
  const slots = (leaves.length - 1) / 2;
  if (slots < 2 || slots % 2 !== 0) throw new RangeError(`${leaves.length} leaves are not those of an even number of slots`);
  const elements = [...Array(slots / 2).fill(0n), ...leaves];
  for (let node = slots / 2 - 1; node >= 0; node--) {
    elements[node] = poseidon5(elements.slice(ARITY * node + 1, ARITY * node + 1 + ARITY));
  }
  return elements;
}

const isElement = (x) => typeof x === "bigint" && x >= 0n && x < FIELD_ORDER;

/**
 * Whether the batch of `slots` with digest `root` has `value` as a leaf: slot `i`'s input commitment is leaf
 * `i`, the score is leaf `slots`, slot `i`'s output commitment is leaf `slots + 1 + i`.
 *
 * @param {bigint} root the digest, public input 3 of a proof that was verified
 * @param {number} slots slots of the batch, from the verifying key: under another number an opening means nothing
 * @param {number} leaf its number
 * @param {bigint} value its value
 * @param {bigint[][]} path from below, the four other children of each node above the leaf
 * @returns {boolean}
 */
export function opens(root, slots, leaf, value, path) {
  if (!Number.isSafeInteger(slots) || slots < 2 || slots % 2 !== 0) return false;
  if (!Number.isSafeInteger(leaf) || leaf < 0 || leaf > 2 * slots) return false;
  if (![root, value, ...path.flat()].every(isElement)) return false;
  let at = slots / 2 + leaf;
  for (const others of path) {
    if (at === 0 || others.length !== ARITY - 1) return false;
    const children = others.toSpliced((at - 1) % ARITY, 0, value);
    [at, value] = [Math.floor((at - 1) / ARITY), poseidon5(children)];
  }
  return at === 0 && value === root;
}
