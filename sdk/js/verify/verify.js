/**
 * Verifies batch proofs: a verdict of its own, equal to that of `verifier/src/verify.rs` and of the Solidity verifier.
 *
 * @module verify
 */
import { Fr, combine, invert, isScalar, pairingsAgree, point, pointG2, pointOrInfinity } from "./field.js";
import { evaluateGates } from "./gates.js";
import { mergedLength, readMerged } from "./merged.js";
import { plainLength, readPlain } from "./plain.js";
import { Refusal } from "./refusal.js";
import { readStatement } from "./statement.js";
import { Transcript } from "./transcript.js";

export { contractCode, isForgeable, matchesContract } from "./contract.js";
export { readProtocol } from "./protocol.js";
export { Refusal } from "./refusal.js";
export { readStatement } from "./statement.js";

function keyOf(p) {
  const need = (x, what) => {
    if (x === null) throw new Refusal("key", `the verifying key has an invalid ${what}`);
    return x;
  };
  const isGenerator = isScalar(p.omega) && Fr.pow(p.omega, 2n ** BigInt(p.k - 1)) === Fr.neg(1n);
  need(isGenerator ? p.omega : null, "generator");
  need(p.constants.every(isScalar) ? p.constants : null, "constant");
  return {
    omega: p.omega,
    omegaInverse: Fr.inv(p.omega),
    g1: need(point(...p.g1), "G1 generator"),
    g2: need(pointG2(p.g2), "G2 generator"),
    tauG2: need(pointG2(p.tauG2), "power of tau"),
    fixed: p.fixed.map(([x, y]) => need(pointOrInfinity(x, y), "fixed commitment")),
  };
}

/** A key and public inputs. */
class Claim {
  constructor(protocol, key, instances) {
    Object.assign(this, { protocol, key, instances });
  }

  /** The quotient's value, which the gates determine. */
  quotient(values, y) {
    const vanishing = Fr.sub(values.xn, 1n);
    const instance = this.#instance(values.x, vanishing);
    const [inverse] = invert(vanishing);
    return Fr.mul(evaluateGates(this.protocol, { ...values, instance }, y), inverse);
  }

  /** The instance column's value: `sum_i v_i omega^i (x^n - 1) / (n (x - omega^i))`. */
  #instance(x, vanishing) {
    const points = [1n];
    for (const _ of this.instances) points.push(Fr.mul(points.at(-1), this.key.omega));
    const inverses = invert(2n ** BigInt(this.protocol.k), ...this.instances.map((_, i) => Fr.sub(x, points[i])));
    const term = (value, i) => Fr.mul(Fr.mul(value, points[i]), inverses[i + 1]);
    const sum = this.instances.reduce((sum, value, i) => Fr.add(sum, term(value, i)), 0n);
    return Fr.mul(Fr.mul(sum, vanishing), inverses[0]);
  }
}

/**
 * Verifies that a proof proves the public inputs under a verifying key, and that an honest batch can have them.
 *
 * @param {import("./protocol.js").Protocol} protocol of {@link readProtocol}
 * @param {bigint[]} instances the public inputs
 * @param {Uint8Array} proof
 * @returns {import("./statement.js").Statement} what is proven
 * @throws {Refusal} with the reason
 */
export function verify(protocol, instances, proof) {
  const isMerged = protocol.places !== null;
  const length = isMerged ? mergedLength(protocol) : plainLength(protocol);
  if (instances.length !== protocol.instances) {
    throw new Refusal("statement", `${instances.length} public inputs, expected ${protocol.instances}`);
  }
  const large = instances.findIndex((x) => typeof x !== "bigint" || !isScalar(x));
  if (large >= 0) throw new Refusal("statement", `public input ${large} is not below the field's order`);
  const statement = readStatement(instances);
  if (proof.length !== length) {
    throw new Refusal("proof", `the proof has ${proof.length} bytes, expected ${length}`);
  }
  const key = keyOf(protocol);
  const t = new Transcript(proof);
  t.absorb(protocol.digest);
  for (const x of instances) t.absorb(x);
  const claim = new Claim(protocol, key, instances);
  const { left, right } = isMerged ? readMerged(claim, t) : readPlain(claim, t);
  if (!pairingsAgree(left, key.tauG2, combine(right), key.g2)) {
    throw new Refusal("pairing", "the pairing check fails: the proof does not match its public inputs");
  }
  return statement;
}
