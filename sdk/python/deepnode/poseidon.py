"""circomlib's Poseidon over BN254 with five inputs, equal to ``core/src/poseidon.rs``.

Constants are drawn as the authors of Poseidon do (ePrint 2019/458, appendix E): by the Grain generator in its
self-shrinking mode, seeded with the parameters.
"""

from collections.abc import Iterator, Sequence
from functools import cache

FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of the scalar field of BN254."""

ARITY = 5
_WIDTH = ARITY + 1
_FULL_ROUNDS = 8
_PARTIAL_ROUNDS = 60
_BITS = 254


def _grain() -> Iterator[int]:
    """Bits of the generator."""
    seed = "".join(
        f"{value:0{bits}b}"
        for value, bits in [(1, 2), (0, 4), (_BITS, 12), (_WIDTH, 12), (_FULL_ROUNDS, 10), (_PARTIAL_ROUNDS, 10)]
    )
    state = [int(bit) for bit in seed + "1" * 30]

    def step() -> int:
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(bit)
        return bit

    for _ in range(160):
        step()
    while True:
        taken, bit = step(), step()
        if taken:
            yield bit


@cache
def _constants() -> tuple[list[list[int]], list[list[int]]]:
    """What is added in each round, and the matrix."""
    bits = _grain()

    def number() -> int:
        value = 0
        for _ in range(_BITS):
            value = 2 * value + next(bits)
        return value

    def element() -> int:
        value = number()
        while value >= FIELD_ORDER:
            value = number()
        return value

    rounds = [[element() for _ in range(_WIDTH)] for _ in range(_FULL_ROUNDS + _PARTIAL_ROUNDS)]
    drawn = [number() % FIELD_ORDER for _ in range(2 * _WIDTH)]
    xs, ys = drawn[:_WIDTH], drawn[_WIDTH:]
    return rounds, [[pow(x + y, -1, FIELD_ORDER) for y in ys] for x in xs]


def poseidon5(elements: Sequence[int]) -> int:
    """Hashes five field elements to one.

    Raises:
        ValueError: where there are not five, or one is not below the field's order.
    """
    if len(elements) != ARITY or not all(0 <= x < FIELD_ORDER for x in elements):
        raise ValueError("Poseidon takes five numbers below the field's order")
    rounds, matrix = _constants()
    state = [0, *elements]
    half = _FULL_ROUNDS // 2
    for i, constants in enumerate(rounds):
        state = [x + c for x, c in zip(state, constants, strict=True)]
        powered = _WIDTH if i < half or i >= half + _PARTIAL_ROUNDS else 1
        for j in range(powered):
            state[j] = pow(state[j], 5, FIELD_ORDER)
        state = [sum(m * x for m, x in zip(row, state, strict=True)) % FIELD_ORDER for row in matrix]
    return state[0]
