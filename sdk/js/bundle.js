/**
 * Orders that are signed together: `core/src/bundle.rs`. Up to 64 with consecutive nonces of one word of 64, over whose
 * inputs and tags stands a tree each. A level is hashed in pairs from the left; a last node without a partner goes up as
 * it is.
 *
 * @module bundle
 */
import { concat, keccak256 } from "ethers";

/** Nonces of one word: most orders of a bundle. */
export const MAX_SIZE = 64;

const parent = (left, right) => keccak256(concat([left, right]));

function above(level) {
  const pairs = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => [level[2 * i], level[2 * i + 1]]);
  return pairs.map(([left, right]) => (right === undefined ? left : parent(left, right)));
}

/**
 * The root over leaves.
 *
 * @param {string[]} leaves
 */
export function root(leaves) {
  let level = leaves;
  while (level.length > 1) level = above(level);
  return level[0];
}

/** The partners on the way from a leaf to the root, the lowest first. */
export function path(leaves, index) {
  const partners = [];
  for (let [level, at] = [leaves, index]; level.length > 1; [level, at] = [above(level), at >> 1]) {
    if (level[at ^ 1] !== undefined) partners.push(level[at ^ 1]);
  }
  return partners;
}

/**
 * The root that a leaf and its path lead to.
 *
 * @throws {RangeError} where no tree of this size has such a path
 */
export function climb(leaf, size, index, path) {
  if (index >= size || size > MAX_SIZE) throw new RangeError(`a bundle of ${size} has no order ${index}`);
  let [node, at, used] = [leaf, index, 0];
  for (let width = size; width > 1; width = Math.ceil(width / 2)) {
    if ((at ^ 1) < width) {
      const partner = path[used++];
      if (partner === undefined) throw new RangeError("the path is too short");
      node = at % 2 === 0 ? parent(node, partner) : parent(partner, node);
    }
    at >>= 1;
  }
  if (used !== path.length) throw new RangeError("the path is too long");
  return node;
}
