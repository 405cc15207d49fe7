/**
 * A key's data contract: what the chain knows of it, equal to `core/src/vk_data.rs`.
 *
 * @module verify/contract
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { Fr, R, bytes, number } from "./field.js";

/** The hash that names a key's layout: columns, queries and gates. */
export const layoutHash = (protocol) => number(keccak_256(new TextEncoder().encode(protocol.layout)));

const swapped = ([a, b, c, d]) => [b, a, d, c];

function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The code of the contract that a key stands in.
 *
 * @param {import("./protocol.js").Protocol} p
 * @returns {string} 0x and hex digits
 */
export function contractCode(p) {
  const omega = p.omega % R;
  const words = [
    layoutHash(p),
    BigInt(p.k),
    p.omega,
    Fr.inv(omega),
    Fr.inv(2n ** BigInt(p.k) % R),
    p.digest,
    BigInt(p.instances),
    ...p.g1,
    ...swapped(p.g2),
    ...swapped(p.tauG2),
    ...p.fixed.flat(),
  ];
  return "0x00" + words.map((w) => hex(bytes(w))).join("");
}

/**
 * Whether a key is the one in a contract: then it may come from anywhere.
 *
 * @param {import("./protocol.js").Protocol} protocol
 * @param {string} code answer of `eth_getCode` at the model's `vk`
 */
export const matchesContract = (protocol, code) =>
  protocol.omega % R !== 0n && contractCode(protocol) === code.toLowerCase();

/** The first coordinate of tau G2 in the development reference string, whose secret is public: `prover/src/srs.rs`. */
const DEVELOPMENT_TAU = 0x07c9306f20efa1bc343cd63142355ac72c8eff8612247d53c3068ece61974d47n;

/** Whether anybody can forge proofs of this key. */
export const isForgeable = (protocol) => protocol.tauG2[0] === DEVELOPMENT_TAU;

/** The digest that a merged key must have: of all else that it is, below the field's order. */
export function mergedDigest(p) {
  const size = (n) => bytes(BigInt(n)).slice(24);
  const points = [...p.g1, ...p.g2, ...p.tauG2, ...p.fixed.flat()].map(bytes);
  const hash = keccak_256.create();
  for (const part of [bytes(layoutHash(p)), size(p.k), size(p.instances), bytes(p.omega), ...points]) hash.update(part);
  const digest = hash.digest();
  digest[0] &= 0x1f;
  return number(digest);
}
