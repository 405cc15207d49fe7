/** Words, the scalar field and the points of BN254, with the checks that `verifier/src/field.rs` makes. */
import { bn254 } from "@noble/curves/bn254.js";
import { Refusal } from "./refusal.js";

export const { Fr, Fp } = bn254.fields;
/** Order of the scalar field. */
export const R = Fr.ORDER;

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;

/** The number that big-endian bytes stand for. */
export function number(bytes) {
  let hex = "0x0";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}

/** A number below 2^256 as 32 big-endian bytes. */
export function bytes(number) {
  const hex = number.toString(16).padStart(64, "0");
  return Uint8Array.from({ length: 32 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export const isScalar = (x) => x >= 0n && x < R;

/** The inverses of scalars. A challenge makes one of them zero with a chance of some 2^-240. */
export function invert(...scalars) {
  if (scalars.includes(0n)) throw new Refusal("proof", "a challenge hit an excluded value");
  return Fr.invertBatch(scalars);
}

/** The point with these coordinates, or null: off the curve, at infinity, or not canonical. G1 has cofactor 1. */
export function point(x, y) {
  if (x >= Fp.ORDER || y >= Fp.ORDER || Fp.sqr(y) !== Fp.add(Fp.mul(Fp.sqr(x), x), 3n)) return null;
  return G1.fromAffine({ x, y });
}

/** As {@link point}; zeros stand for the point at infinity. */
export const pointOrInfinity = (x, y) => (x === 0n && y === 0n ? G1.ZERO : point(x, y));

/** A point of G2 from `x.c0, x.c1, y.c0, y.c1`, or null: as {@link point}, or outside the subgroup of prime order. */
export function pointG2([a, b, c, d]) {
  if ([a, b, c, d].some((x) => x >= Fp.ORDER)) return null;
  try {
    const p = G2.fromAffine({ x: { c0: a, c1: b }, y: { c0: c, c1: d } });
    p.assertValidity();
    return p.is0() ? null : p;
  } catch {
    return null;
  }
}

/** The sum of points times scalars. */
export function combine(terms) {
  let sum = G1.ZERO;
  for (const [scalar, p] of terms) {
    if (scalar !== 0n && !p.is0()) sum = sum.add(p.multiplyUnsafe(scalar));
  }
  return sum;
}

/** Whether `e(left, a) = e(right, b)`, none of which is at infinity. */
export function pairingsAgree(left, a, right, b) {
  if (left.is0() || right.is0()) return false;
  const product = bn254.pairingBatch([
    { g1: left, g2: a },
    { g1: right.negate(), g2: b },
  ]);
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE);
}
