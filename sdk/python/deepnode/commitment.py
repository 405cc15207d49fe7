"""Salted commitments to a task's input and output, equal to ``core/src/commitment.rs``."""

import secrets
from collections.abc import Sequence

from .poseidon import ARITY, FIELD_ORDER, poseidon5

_DOMAIN_INPUT = 1
_DOMAIN_OUTPUT = 2
_WORD_BYTES = 31
_NEXT_RATE = ARITY - 1


def random_salt() -> int:
    """A number of 31 random bytes, which is below the field's order. Who knows it can test guesses of the input."""
    return int.from_bytes(secrets.token_bytes(31))


def words(values: Sequence[int]) -> list[int]:
    """Packs int8 values into field elements: 31 balanced digits each, least significant first."""
    packed = []
    for at in range(0, len(values), _WORD_BYTES):
        word = 0
        for value in reversed(values[at : at + _WORD_BYTES]):
            if type(value) is not int or not -128 <= value <= 127:
                raise ValueError(f"{value!r} is no int8 code")
            word = 256 * word + value
        packed.append(word % FIELD_ORDER)
    return packed


def _commit(domain: int, salt: int, values: Sequence[int]) -> int:
    if not 0 <= salt < FIELD_ORDER:
        raise ValueError("the salt is not below the field's order")
    elements = [domain + (len(values) << 32), salt, *words(values)]
    missing = max(ARITY - len(elements), 0) or (ARITY - len(elements)) % _NEXT_RATE
    elements += [0] * missing
    state = poseidon5(elements[:ARITY])
    for at in range(ARITY, len(elements), _NEXT_RATE):
        state = poseidon5([state, *elements[at : at + _NEXT_RATE]])
    return state


def input_commitment(values: Sequence[int], salt: int) -> int:
    """Commits to a quantised input."""
    return _commit(_DOMAIN_INPUT, salt, values)


def output_commitment(values: Sequence[int], salt: int) -> int:
    """Commits to a quantised output with the salt of its input."""
    return _commit(_DOMAIN_OUTPUT, salt, values)
