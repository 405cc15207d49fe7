"""The scalar field and the points of BN254, with the checks that ``verifier/src/field.rs`` makes."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import py_ecc.optimized_bn128

from ..errors import Refusal
from ..poseidon import FIELD_ORDER

# The library says types of classes, not of what it exports.
curve: Any = py_ecc.optimized_bn128
R = FIELD_ORDER
"""Order of the scalar field."""
P = int(curve.field_modulus)
"""Order of the base field."""
Point = tuple[Any, Any, Any]
INFINITY: Point = curve.Z1


def is_scalar(x: int) -> bool:
    """Whether a number is below the scalar field's order."""
    return 0 <= x < R


def invert(x: int) -> int:
    """The inverse of a scalar. A challenge makes it zero with a chance of some 2^-240."""
    if x % R == 0:
        raise Refusal("proof", "a challenge hit an excluded value")
    return pow(x, -1, R)


def point(x: int, y: int) -> Point | None:
    """The point with these coordinates; none off the curve, at infinity, or not canonical. G1 has cofactor 1."""
    if x >= P or y >= P or (y * y - x * x * x - 3) % P != 0:
        return None
    return (curve.FQ(x), curve.FQ(y), curve.FQ(1))


def point_or_infinity(x: int, y: int) -> Point | None:
    """As `point`; zeros stand for the point at infinity."""
    return INFINITY if x == y == 0 else point(x, y)


def point_g2(coordinates: Sequence[int]) -> Point | None:
    """A point of G2 from ``x.c0, x.c1, y.c0, y.c1``; none as `point`, and outside the subgroup of prime order."""
    if any(x >= P for x in coordinates):
        return None
    a, b, c, d = coordinates
    found: Point = (curve.FQ2([a, b]), curve.FQ2([c, d]), curve.FQ2.one())
    if not curve.is_on_curve(found, curve.b2) or not curve.is_inf(curve.multiply(found, R)):
        return None
    return found


def combine(terms: Sequence[tuple[int, Point]]) -> Point:
    """The sum of points times scalars."""
    return reduce(curve.add, [curve.multiply(p, scalar % R) for scalar, p in terms], INFINITY)


def pairings_agree(left: Point, a: Point, right: Point, b: Point) -> bool:
    """Whether ``e(left, a) = e(right, b)``, none of which is at infinity."""
    if curve.is_inf(left) or curve.is_inf(right):
        return False
    product = curve.pairing(a, left, final_exponentiate=False) * curve.pairing(
        b, curve.neg(right), final_exponentiate=False
    )
    return bool(curve.final_exponentiate(product) == curve.FQ12.one())
