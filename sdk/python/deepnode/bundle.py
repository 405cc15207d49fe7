"""Orders that are signed together: ``core/src/bundle.rs``.

Up to 64 with consecutive nonces of one word of 64, over whose inputs and tags stands a tree each. A level is hashed in
pairs from the left; a last node without a partner goes up as it is.
"""

from collections.abc import Sequence

from eth_utils.crypto import keccak

MAX_SIZE = 64
"""Nonces of one word: most orders of a bundle."""


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
    return [keccak(pair[0] + pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The partners on the way from a leaf to the root, the lowest first."""
    partners, level = [], list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            partners.append(level[index ^ 1])
        level, index = _above(level), index // 2
    return partners


def climb(leaf: bytes, size: int, index: int, partners: Sequence[bytes]) -> bytes:
    """The root that a leaf and its path lead to.

    Raises:
        ValueError: where no tree of this size has such a path.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"a bundle of {size} has no order {index}")
    node, rest, width = leaf, list(partners), size
    while width > 1:
        if index ^ 1 < width:
            if not rest:
                raise ValueError("the path is too short")
            partner = rest.pop(0)
            node = keccak(node + partner if index % 2 == 0 else partner + node)
        index, width = index // 2, (width + 1) // 2
    if rest:
        raise ValueError("the path is too long")
    return node
