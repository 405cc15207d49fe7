/**
 * Proofs whose openings are merged: `docs/book/protocol.md`, `verifier/src/merged.rs`.
 */
import { Fr, R, invert } from "./field.js";
import { groupsOf } from "./openings.js";

/** Bytes of a proof. */
export function mergedLength(p) {
  const sent = groupsOf(p).filter((g) => g.part !== "fixed").length;
  return 64 * (sent + 2) + 32 * (p.adviceQueries.length + p.fixedQueries.length + 1);
}

/** Reads a proof; gives `left` and terms that add up to `right`, which a pairing compares. */
export function readMerged(claim, t) {
  const { protocol: p, key } = claim;
  const groups = groupsOf(p);
  const challenges = [];
  let commitments = [];
  p.phases.forEach((phase, i) => {
    commitments.push(...t.points(groups.filter((g) => g.part === `phase ${i + 1}`).length));
    for (const challenge of phase.challenges) challenges[challenge] = t.challenge();
  });
  const y = t.challenge();
  commitments = [...commitments, ...key.fixed, t.point()];
  const x = t.challenge();
  const values = t.scalars(p.adviceQueries.length + p.fixedQueries.length + 1);
  const advice = values.slice(0, p.adviceQueries.length);
  const fixed = values.slice(p.adviceQueries.length, -1);
  const n = 2n ** BigInt(p.k);
  const quotient = claim.quotient({ challenges, advice, fixed, x, xn: Fr.pow(x, n) }, y);
  values.push(Fr.sub(quotient, Fr.mul(Fr.pow(x, n - 2n), values.at(-1))));
  return reduce(p.places, groups, commitments, values, [x, Fr.mul(x, key.omegaInverse)], key.g1, t);
}

function reduce(places, groups, commitments, values, [x, previous], g1, t) {
  const v = t.challenge();
  const first = t.point();
  const u = t.challenge();
  const second = t.point();
  const power = Fr.pow(u, BigInt(places));
  const [toX, toPrevious] = [Fr.sub(power, x), Fr.sub(power, previous)];
  const [gap] = invert(Fr.sub(x, previous));
  const fold = (group, value) => group.places.reduceRight((sum, place) => (sum * u + value(place)) % R, 0n);
  const terms = [];
  let constant = 0n;
  let powerV = 1n;
  groups.forEach((group, i) => {
    const here = fold(group, (place) => values[place.here]);
    let [scale, value] = [Fr.mul(powerV, toPrevious), here];
    if (group.isPair) {
      const before = fold(group, (place) => values[place.before]);
      scale = powerV;
      value = Fr.mul(Fr.sub(Fr.mul(toPrevious, here), Fr.mul(toX, before)), gap);
    }
    constant = Fr.add(constant, Fr.mul(scale, value));
    terms.push([scale, commitments[i]]);
    powerV = Fr.mul(powerV, v);
  });
  terms.push([Fr.neg(constant), g1], [Fr.neg(Fr.mul(toX, toPrevious)), first], [u, second]);
  return { left: second, right: terms };
}
