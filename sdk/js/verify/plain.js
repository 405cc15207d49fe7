/**
 * Proofs with a commitment for each column: `docs/book/protocol.md`, `verifier/src/shplonk.rs`.
 */
import { Fr, invert } from "./field.js";

const adviceColumns = (p) => p.phases.reduce((sum, phase) => sum + phase.advice.length, 0);

/** Bytes of a proof. */
export function plainLength(p) {
  const points = adviceColumns(p) + p.pieces + 3;
  return 64 * points + 32 * (p.adviceQueries.length + p.fixedQueries.length + 1);
}

/** Values grouped by column, in the order in which columns are first queried. */
function columns(queries, values, commitments) {
  const all = new Map();
  queries.forEach(({ column, rotation }, i) => {
    if (!all.has(column)) all.set(column, { terms: [[1n, commitments[column]]], values: [] });
    all.get(column).values.push([rotation, values[i]]);
  });
  return [...all.values()];
}

/** Reads a proof; gives `left` and terms that add up to `right`, which a pairing compares. */
export function readPlain(claim, t) {
  const { protocol: p, key } = claim;
  const advicePoints = [];
  const challenges = [];
  for (const phase of p.phases) {
    for (const column of phase.advice) advicePoints[column] = t.point();
    for (const challenge of phase.challenges) challenges[challenge] = t.challenge();
  }
  // Of arguments that the layout does not use.
  for (let i = 0; i < 3; i++) t.challenge();
  const random = t.point();
  const y = t.challenge();
  const pieces = t.points(p.pieces);
  const x = t.challenge();
  const advice = t.scalars(p.adviceQueries.length);
  const fixed = t.scalars(p.fixedQueries.length);
  const randomValue = t.scalar();
  const xn = Fr.pow(x, 2n ** BigInt(p.k));
  const quotient = claim.quotient({ challenges, advice, fixed, x, xn }, y);

  const openings = [
    ...columns(p.adviceQueries, advice, advicePoints),
    ...columns(p.fixedQueries, fixed, key.fixed),
    { terms: pieces.map((piece, i) => [Fr.pow(xn, BigInt(i)), piece]), values: [[0, quotient]] },
    { terms: [[1n, random]], values: [[0, randomValue]] },
  ];
  const rotate = (rotation) => {
    const base = rotation < 0 ? key.omegaInverse : key.omega;
    return Fr.mul(x, Fr.pow(base, BigInt(Math.abs(rotation))));
  };
  return reduce(openings, key.g1, rotate, t);
}

/** Openings at the same set of points. */
function setsOf(openings) {
  const sets = new Map();
  for (const opening of openings) {
    const rotations = opening.values.map(([rotation]) => rotation).sort((a, b) => a - b);
    const name = rotations.join();
    if (!sets.has(name)) sets.set(name, { rotations, openings: [] });
    sets.get(name).openings.push(opening);
  }
  return [...sets.values()];
}

/** The value at `u` of the polynomial through the given values. */
function interpolate(values, rotate, u) {
  let sum = 0n;
  for (const [rotation, value] of values) {
    let [numerator, denominator] = [1n, 1n];
    for (const [other] of values) {
      if (other === rotation) continue;
      numerator = Fr.mul(numerator, Fr.sub(u, rotate(other)));
      denominator = Fr.mul(denominator, Fr.sub(rotate(rotation), rotate(other)));
    }
    const [inverse] = invert(denominator);
    sum = Fr.add(sum, Fr.mul(Fr.mul(value, numerator), inverse));
  }
  return sum;
}

function reduce(openings, g1, rotate, t) {
  const y = t.challenge();
  const v = t.challenge();
  const h1 = t.point();
  const u = t.challenge();
  const h2 = t.point();
  const sets = setsOf(openings);
  const all = [...new Set(sets.flatMap((set) => set.rotations))];
  const vanishing = (rotations) => rotations.reduce((z, r) => Fr.mul(z, Fr.sub(u, rotate(r))), 1n);
  const outside = (set) => vanishing(all.filter((r) => !set.rotations.includes(r)));
  const [normalize] = invert(outside(sets[0]));
  const terms = [];
  let constant = 0n;
  let powerV = 1n;
  for (const set of sets) {
    let factor = Fr.mul(Fr.mul(powerV, outside(set)), normalize);
    for (const opening of set.openings) {
      constant = Fr.add(constant, Fr.mul(factor, interpolate(opening.values, rotate, u)));
      for (const [scale, point] of opening.terms) terms.push([Fr.mul(factor, scale), point]);
      factor = Fr.mul(factor, y);
    }
    powerV = Fr.mul(powerV, v);
  }
  terms.push([Fr.neg(constant), g1], [Fr.neg(vanishing(sets[0].rotations)), h1], [u, h2]);
  return { left: h2, right: terms };
}
