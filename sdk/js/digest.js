/**
 * Openings of a batch's digest, equal to `core/src/digest.rs` by the vectors in
 * `core/testdata/commitment.json`.
 *
 * @module digest
 */
import { poseidon5 } from "poseidon-lite/poseidon5";
import { FIELD_ORDER } from "./commitment.js";

const ARITY = 5;
const LABELS_PER_WORD = 15;

/** Leaves that hold words of labels: fifteen labels to a word, and zeros up to a multiple of four. */
export function labelLeaves(slots) {
  return 4 * Math.ceil(slots / (4 * LABELS_PER_WORD));
}

/** Elements of the tree that have children. */
export function branches(slots) {
  return slots / 2 + labelLeaves(slots) / 4;
}

/**
 * All elements of the tree: inner nodes from the root on, then the leaves.
 *
 * @param {bigint[]} leaves input commitments, words of labels, the score, output commitments
 * @returns {bigint[]}
 */
export function tree(leaves) {
  const pairs = (leaves.length - 1) / 2;
  const slots = pairs - 2 * Math.ceil(pairs / 62);
  if (slots < 2 || slots % 2 !== 0 || 2 * slots + labelLeaves(slots) + 1 !== leaves.length) {
    throw new RangeError(`${leaves.length} leaves are not those of an even number of slots`);
  }
  const elements = [...Array(branches(slots)).fill(0n), ...leaves];
  for (let node = branches(slots) - 1; node >= 0; node--) {
    elements[node] = poseidon5(elements.slice(ARITY * node + 1, ARITY * node + 1 + ARITY));
  }
  return elements;
}

const isElement = (x) => typeof x === "bigint" && x >= 0n && x < FIELD_ORDER;

/**
 * Whether the batch of `slots` with digest `root` has `value` as a leaf: slot `i`'s input commitment is leaf
 * `i`; words of labels are leaves from `slots` on, `s = slots + labelLeaves(slots)` is the score, and slot `i`'s
 * output commitment is leaf `s + 1 + i`.
 *
 * @param {bigint} root the digest, public input 3 of a proof that was verified
 * @param {number} slots slots of the batch, known from deriving its key: under another number an opening means nothing
 * @param {number} leaf its number
 * @param {bigint} value its value
 * @param {bigint[][]} path from below, the four other children of each node above the leaf
 * @returns {boolean}
 */
export function opens(root, slots, leaf, value, path) {
  if (!Number.isSafeInteger(slots) || slots < 2 || slots % 2 !== 0) return false;
  if (!Number.isSafeInteger(leaf) || leaf < 0 || leaf > 2 * slots + labelLeaves(slots)) return false;
  if (![root, value, ...path.flat()].every(isElement)) return false;
  let at = branches(slots) + leaf;
  for (const others of path) {
    if (at === 0 || others.length !== ARITY - 1) return false;
    const children = others.toSpliced((at - 1) % ARITY, 0, value);
    [at, value] = [Math.floor((at - 1) / ARITY), poseidon5(children)];
  }
  return at === 0 && value === root;
}
