"""Proofs whose openings are merged: ``docs/book/protocol.md``, ``verifier/src/merged.rs``."""

from collections.abc import Sequence

from .claim import Claim, Values
from .field import Point, R, invert
from .groups import Group, groups_of
from .plain import Terms
from .protocol import Key
from .transcript import Transcript


def merged_length(key: Key) -> int:
    """Bytes of a proof."""
    sent = sum(group.part != "fixed" for group in groups_of(key))
    return 64 * (sent + 2) + 32 * (len(key.advice_queries) + len(key.fixed_queries) + 1)


def read_merged(claim: Claim, t: Transcript) -> tuple[Point, Terms]:
    """Reads a proof; gives a point and terms that add up to another, which a pairing compares."""
    key, groups = claim.key, groups_of(claim.key)
    challenges: dict[int, int] = {}
    commitments: list[Point] = []
    for i, phase in enumerate(key.phases):
        commitments += t.points(sum(group.part == f"phase {i + 1}" for group in groups))
        for challenge in phase.challenges:
            challenges[challenge] = t.challenge()
    y = t.challenge()
    commitments += [*claim.fixed, t.point()]
    x = t.challenge()
    values = t.scalars(len(key.advice_queries) + len(key.fixed_queries) + 1)
    drawn = [challenges[i] for i in range(len(challenges))]
    advice, fixed = values[: len(key.advice_queries)], values[len(key.advice_queries) : -1]
    rows = 1 << key.k
    quotient = claim.quotient(Values(drawn, advice, fixed, x, pow(x, rows, R)), y)
    values.append((quotient - pow(x, rows - 2, R) * values[-1]) % R)
    return _reduce(claim, groups, commitments, values, x, t)


def _reduce(
    claim: Claim, groups: Sequence[Group], commitments: Sequence[Point], values: Sequence[int], x: int, t: Transcript
) -> tuple[Point, Terms]:
    v = t.challenge()
    first = t.point()
    u = t.challenge()
    second = t.point()
    previous = claim.rotate(x, -1)
    power = pow(u, claim.key.places or 0, R)
    to_x, to_previous, gap = power - x, power - previous, invert(x - previous)
    terms: Terms = []
    constant, power_v = 0, 1
    for group, commitment in zip(groups, commitments, strict=True):
        here = before = 0
        for place in reversed(group.places):
            here = (here * u + values[place.here]) % R
            before = (before * u + values[place.before or 0]) % R
        scale, value = power_v * to_previous % R, here
        if group.is_pair:
            scale, value = power_v, (to_previous * here - to_x * before) % R * gap % R
        constant += scale * value
        terms.append((scale, commitment))
        power_v = power_v * v % R
    terms += [(-constant, claim.g1), (-to_x * to_previous, first), (u, second)]
    return second, terms
