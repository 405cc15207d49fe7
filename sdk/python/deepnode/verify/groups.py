"""Which columns are opened where, and which share a commitment: ``core/src/system.rs`` and ``core/src/groups.rs``."""

from dataclasses import dataclass

from ..errors import Refusal
from .protocol import Key, Query

# Pieces that a merged quotient is cut into.
_PIECES = 2
_MAX_PLACES = 64


def _unsupported(what: str) -> Refusal:
    return Refusal("key", f"the verifying key has an unsupported {what}")


@dataclass(frozen=True)
class Opening:
    """Where a column's claimed values stand: at x and, where the gates read it, at x / omega."""

    column: int
    here: int
    before: int | None


def _openings(queries: tuple[Query, ...], values_at: int) -> list[Opening]:
    """In the order of first query; so many values stand before theirs."""
    found = []
    for column in dict.fromkeys(query.column for query in queries):
        at = {q.rotation: values_at + i for i, q in reversed(list(enumerate(queries))) if q.column == column}
        count = sum(q.column == column for q in queries)
        if 0 not in at or not set(at) <= {0, -1} or len(at) != count:
            raise _unsupported("rotation")
        found.append(Opening(column, at[0], at.get(-1)))
    return found


@dataclass(frozen=True)
class Group:
    """Columns with one commitment. ``part`` is phase 1, phase 2, fixed or quotient."""

    part: str
    is_pair: bool
    places: tuple[Opening, ...]


def groups_of(key: Key) -> list[Group]:
    """The groups of a merged key, checked to be of a shape that a data contract can have.

    Values are counted over advice queries, fixed queries, the quotient's second piece and its first.
    """
    if key.places is None or not _PIECES <= key.places <= _MAX_PLACES:
        raise _unsupported("number of columns to a commitment")
    if len(key.phases) != 2:
        raise _unsupported("number of phases")
    first, second = key.phases
    if list(first.advice + second.advice) != list(range(len(first.advice + second.advice))) or second.challenges:
        raise _unsupported("order of columns")
    advice = _openings(key.advice_queries, 0)
    _openings(key.fixed_queries, len(key.advice_queries))
    if not advice:
        raise _unsupported("lack of advice columns")
    if len(advice) != len(first.advice + second.advice):
        raise _unsupported("column without a query")
    if key.pieces != _PIECES:
        raise _unsupported("degree of the gates")
    ahead = len(key.advice_queries)
    values = ahead + len(key.fixed_queries)
    kinds = [
        (part, is_pair, [o for o in advice if o.column in columns and (o.before is not None) == is_pair])
        for part, columns in (("phase 1", first.advice), ("phase 2", second.advice))
        for is_pair in (True, False)
    ]
    kinds.append(("fixed", False, [Opening(-1, ahead + i, None) for i in range(len(key.fixed_queries))]))
    kinds.append(("quotient", False, [Opening(-1, values + 1, None), Opening(-1, values, None)]))
    groups = [
        Group(part, is_pair, tuple(places[at : at + key.places]))
        for part, is_pair, places in kinds
        for at in range(0, len(places), key.places)
    ]
    if sum(group.part == "fixed" for group in groups) != len(key.fixed):
        raise _unsupported("number of fixed commitments")
    if key.merged_digest != key.digest:
        raise Refusal("key", "the verifying key has an invalid digest")
    return groups
