"""Proofs with a commitment for each column: ``docs/book/protocol.md``, ``verifier/src/shplonk.rs``."""

from collections.abc import Sequence
from dataclasses import dataclass

from .claim import Claim, Values
from .field import Point, R, invert
from .protocol import Key, Query
from .transcript import Transcript

Terms = list[tuple[int, Point]]


def plain_length(key: Key) -> int:
    """Bytes of a proof."""
    points = sum(len(phase.advice) for phase in key.phases) + key.pieces + 3
    return 64 * points + 32 * (len(key.advice_queries) + len(key.fixed_queries) + 1)


@dataclass(frozen=True)
class _Opening:
    """A polynomial, and its values by rotation."""

    terms: Terms
    values: dict[int, int]


def _columns(queries: Sequence[Query], values: Sequence[int], commitments: Sequence[Point]) -> list[_Opening]:
    """Values grouped by column, in the order in which columns are first queried."""
    found: dict[int, _Opening] = {}
    for query, value in zip(queries, values, strict=True):
        opening = found.setdefault(query.column, _Opening([(1, commitments[query.column])], {}))
        opening.values[query.rotation] = value
    return list(found.values())


def read_plain(claim: Claim, t: Transcript) -> tuple[Point, Terms]:
    """Reads a proof; gives a point and terms that add up to another, which a pairing compares."""
    key = claim.key
    advice_points: dict[int, Point] = {}
    challenges: dict[int, int] = {}
    for phase in key.phases:
        for column in phase.advice:
            advice_points[column] = t.point()
        for challenge in phase.challenges:
            challenges[challenge] = t.challenge()
    # Of arguments that the layout does not use.
    for _ in range(3):
        t.challenge()
    random = t.point()
    y = t.challenge()
    pieces = t.points(key.pieces)
    x = t.challenge()
    advice, fixed = t.scalars(len(key.advice_queries)), t.scalars(len(key.fixed_queries))
    random_value = t.scalar()
    xn = pow(x, 1 << key.k, R)
    drawn = [challenges[i] for i in range(len(challenges))]
    quotient = claim.quotient(Values(drawn, advice, fixed, x, xn), y)
    openings = [
        *_columns(key.advice_queries, advice, [advice_points[i] for i in range(len(advice_points))]),
        *_columns(key.fixed_queries, fixed, claim.fixed),
        _Opening([(pow(xn, i, R), piece) for i, piece in enumerate(pieces)], {0: quotient}),
        _Opening([(1, random)], {0: random_value}),
    ]
    return _reduce(claim, openings, x, t)


def _interpolate(values: dict[int, int], at: dict[int, int], u: int) -> int:
    """The value at ``u`` of the polynomial through the given values."""
    total = 0
    for rotation, value in values.items():
        numerator = denominator = 1
        for other in values:
            if other != rotation:
                numerator = numerator * (u - at[other]) % R
                denominator = denominator * (at[rotation] - at[other]) % R
        total += value * numerator % R * invert(denominator)
    return total % R


def _reduce(claim: Claim, openings: Sequence[_Opening], x: int, t: Transcript) -> tuple[Point, Terms]:
    y, v = t.challenge(), t.challenge()
    h1 = t.point()
    u = t.challenge()
    h2 = t.point()
    sets: dict[tuple[int, ...], list[_Opening]] = {}
    for opening in openings:
        sets.setdefault(tuple(sorted(opening.values)), []).append(opening)
    at = {rotation: claim.rotate(x, rotation) for rotations in sets for rotation in rotations}

    def vanishing(rotations: Sequence[int]) -> int:
        product = 1
        for rotation in rotations:
            product = product * (u - at[rotation]) % R
        return product

    def outside(rotations: Sequence[int]) -> int:
        return vanishing([rotation for rotation in at if rotation not in rotations])

    first = next(iter(sets))
    normalize = invert(outside(first))
    terms: Terms = []
    constant, power = 0, 1
    for rotations, of_set in sets.items():
        factor = power * outside(rotations) % R * normalize % R
        for opening in of_set:
            constant += factor * _interpolate(opening.values, at, u)
            terms += [(factor * scale, point) for scale, point in opening.terms]
            factor = factor * y % R
        power = power * v % R
    terms += [(-constant, claim.g1), (-vanishing(first), h1), (u, h2)]
    return h2, terms
