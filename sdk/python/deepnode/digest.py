"""The tree behind a batch's digest, equal to ``core/src/digest.rs``."""

from collections.abc import Sequence

from .poseidon import ARITY, poseidon5

_LABELS_PER_WORD = 15


def label_leaves(slots: int) -> int:
    """Leaves that hold words of labels: fifteen labels to a word, and zeros up to a multiple of four."""
    return 4 * -(-slots // (4 * _LABELS_PER_WORD))


def slots_of(leaves: int) -> int | None:
    """Slots of a batch whose tree has so many leaves: inputs, words of labels, the score, outputs."""
    pairs = (leaves - 1) // 2
    slots = pairs - 2 * -(-pairs // 62)
    is_one = slots >= 2 and slots % 2 == 0 and 2 * slots + label_leaves(slots) + 1 == leaves
    return slots if is_one else None


def tree(leaves: Sequence[int]) -> list[int]:
    """All elements of the tree: inner nodes from the root on, then the leaves.

    Raises:
        ValueError: where these are not the leaves of an even number of slots.
    """
    slots = slots_of(len(leaves))
    if slots is None:
        raise ValueError(f"{len(leaves)} leaves are not those of an even number of slots")
    branches = slots // 2 + label_leaves(slots) // 4
    elements = [0] * branches + list(leaves)
    for node in reversed(range(branches)):
        elements[node] = poseidon5(elements[ARITY * node + 1 : ARITY * (node + 1) + 1])
    return elements
