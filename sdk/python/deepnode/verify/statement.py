"""The public inputs of a batch proof, and whether an honest batch can have them: ``core/src/statement.rs``,
``core/src/canonical.rs``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..digest import label_leaves, slots_of, tree
from ..errors import Refusal
from .field import is_scalar

_INPUTS_AT = 3
_LABELS_PER_WORD = 15
# The ASCII bytes of ``dn-batch`` followed by version 3, commitments are listed, or 4, a digest stands for them.
_LISTED = 0x646E2D626174636803
_DIGEST = _LISTED + 1
# Largest margin of an answer, in int8 steps.
_MAX_MARGIN = 255


@dataclass(frozen=True)
class Score:
    """What is proven of the tasks with a label. The margin is in int8 steps."""

    labelled: int
    correct: int
    margin_sum: int


@dataclass(frozen=True)
class Statement:
    """What a proof says. ``inputs`` and ``outputs`` are commitments, one per slot; slots from ``count`` on are padding.

    Where a ``digest`` stands for them all, `with_leaves` adds them. ``header`` binds the proof to a batch.
    """

    header: int
    count: int
    digest: int | None
    inputs: tuple[int, ...] = ()
    labels: tuple[int | None, ...] = ()
    score: Score | None = None
    outputs: tuple[int, ...] = ()

    def with_leaves(self, leaves: Sequence[int]) -> "Statement":
        """Adds what a digest stands for, given the leaves of its tree.

        Raises:
            Refusal: where they are others, or no honest batch's.
        """
        slots = slots_of(len(leaves))
        if self.digest is None or slots is None or not all(map(is_scalar, leaves)) or tree(leaves)[0] != self.digest:
            raise _flaw("the commitments are not those of the digest")
        score_at = slots + label_leaves(slots)
        packed = leaves[score_at]
        if packed >> 64:
            raise _flaw(f"no batch of {self.count} tasks has the score that is stated")
        score = Score(packed & 0xFFFF, packed >> 16 & 0xFFFF, packed >> 32)
        return self._listing(leaves[:slots], leaves[slots:score_at], score, leaves[score_at + 1 :])

    def _listing(
        self, inputs: Sequence[int], labels: Sequence[int], score: Score, outputs: Sequence[int]
    ) -> "Statement":
        """Adds what a listing says, where an honest batch can have it."""
        count, entries = self.count, _entries(labels)
        if count > len(inputs):
            raise _flaw("public input 2 is no number of tasks")
        for slot in range(count, len(entries)):
            if entries[slot]:
                raise _flaw(f"slot {slot} cannot have its label")
        is_possible = score.labelled <= count and score.correct <= score.labelled
        is_possible &= score.margin_sum <= _MAX_MARGIN * score.correct
        if not is_possible or sum(entry != 0 for entry in entries) != score.labelled:
            raise _flaw(f"no batch of {count} tasks has the score that is stated")
        for name, words in (("input", inputs), ("output", outputs)):
            for slot in range(count + 1, len(words)):
                if words[slot] != words[count]:
                    raise _flaw(f"the {name} commitment of unused slot {slot} is another one")
        if 0 in outputs:
            raise _flaw(f"slot {list(outputs).index(0)} cannot have its output commitment")
        of_slots = tuple(entry - 1 if entry else None for entry in entries[: len(inputs)])
        return replace(self, inputs=tuple(inputs), labels=of_slots, score=score, outputs=tuple(outputs))


def _flaw(message: str) -> Refusal:
    return Refusal("statement", message)


def _length_of(slots: int) -> int:
    return _INPUTS_AT + 2 * slots + -(-slots // _LABELS_PER_WORD) + 3


def _slots_of(length: int) -> int | None:
    """Slots of a batch with so many public inputs."""
    words = length - _length_of(0)
    slots = words // 31 * 15 + words % 31 // 2
    return slots if words >= 0 and _length_of(slots) == length else None


def _entries(words: Sequence[int]) -> list[int]:
    """What stands for the label of each slot and those behind them: 0 for none, else class and one."""
    for i, word in enumerate(words):
        if word >> 240:
            raise _flaw(f"slot {i * _LABELS_PER_WORD} cannot have its label")
    return [word >> 16 * j & 0xFFFF for word in words for j in range(_LABELS_PER_WORD)]


def read_statement(instances: Sequence[int]) -> Statement:
    """Reads public inputs.

    Raises:
        Refusal: naming the first thing that no honest batch has.
    """
    if len(instances) < _INPUTS_AT:
        raise _flaw(f"{len(instances)} public inputs are those of no batch")
    version, header, count, *rest = instances
    if not 1 <= count < 1 << 32:
        raise _flaw("public input 2 is no number of tasks")
    if version not in (_LISTED, _DIGEST):
        raise _flaw("public input 0 names another statement")
    slots = _slots_of(len(instances))
    if version == _DIGEST and len(rest) == 1:
        return Statement(header, count, rest[0])
    if version == _DIGEST or slots is None:
        raise _flaw(f"{len(instances)} public inputs are those of no batch")
    outputs_at = len(rest) - slots
    score = Score(*rest[outputs_at - 3 : outputs_at])
    empty = Statement(header, count, None)
    return empty._listing(rest[:slots], rest[slots : outputs_at - 3], score, rest[outputs_at:])
