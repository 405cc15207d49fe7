/** The Keccak transcript, reading side, equal to `verifier/src/transcript.rs`. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { R, bytes, isScalar, number, point } from "./field.js";
import { Refusal } from "./refusal.js";

/** Reads a proof and draws challenges from all that was read or absorbed before. */
export class Transcript {
  #state = new Uint8Array(32);
  #buffer = [];
  #at = 0;

  /** @param {Uint8Array} proof */
  constructor(proof) {
    this.proof = proof;
  }

  /** Appends a word: a number below 2^256. */
  absorb(x) {
    this.#buffer.push(bytes(x));
  }

  challenge() {
    const hash = keccak_256.create().update(this.#state);
    if (this.#buffer.length === 0) hash.update(Uint8Array.of(1));
    for (const part of this.#buffer) hash.update(part);
    this.#state = hash.digest();
    this.#buffer = [];
    return number(this.#state) % R;
  }

  #word() {
    const part = this.proof.subarray(this.#at, this.#at + 32);
    if (part.length < 32) throw new Refusal("proof", "the proof ends early");
    this.#at += 32;
    this.#buffer.push(part);
    return number(part);
  }

  point() {
    const offset = this.#at;
    const p = point(this.#word(), this.#word());
    if (p === null) throw new Refusal("proof", `the point at byte ${offset} is invalid`);
    return p;
  }

  points(n) {
    return Array.from({ length: n }, () => this.point());
  }

  scalar() {
    const offset = this.#at;
    const x = this.#word();
    if (!isScalar(x)) throw new Refusal("proof", `the scalar at byte ${offset} is not below the field's order`);
    return x;
  }

  scalars(n) {
    return Array.from({ length: n }, () => this.scalar());
  }
}
