"""The Keccak transcript, reading side, equal to ``verifier/src/transcript.rs``."""

from eth_utils.crypto import keccak

from ..errors import Refusal
from .field import Point, R, is_scalar, point


class Transcript:
    """Reads a proof and draws challenges from all that was read or absorbed before."""

    def __init__(self, proof: bytes) -> None:
        self._proof = proof
        self._at = 0
        self._state = bytes(32)
        self._buffer = b""

    def absorb(self, x: int) -> None:
        """Appends a word: a number below 2^256."""
        self._buffer += x.to_bytes(32)

    def challenge(self) -> int:
        """Draws a scalar."""
        self._state = keccak(self._state + (self._buffer or b"\x01"))
        self._buffer = b""
        return int.from_bytes(self._state) % R

    def _word(self) -> int:
        part = self._proof[self._at : self._at + 32]
        if len(part) < 32:
            raise Refusal("proof", "the proof ends early")
        self._at += 32
        self._buffer += part
        return int.from_bytes(part)

    def point(self) -> Point:
        """Reads a point."""
        offset = self._at
        found = point(self._word(), self._word())
        if found is None:
            raise Refusal("proof", f"the point at byte {offset} is invalid")
        return found

    def points(self, count: int) -> list[Point]:
        """Reads several points."""
        return [self.point() for _ in range(count)]

    def scalar(self) -> int:
        """Reads a scalar."""
        offset = self._at
        x = self._word()
        if not is_scalar(x):
            raise Refusal("proof", f"the scalar at byte {offset} is not below the field's order")
        return x

    def scalars(self, count: int) -> list[int]:
        """Reads several scalars."""
        return [self.scalar() for _ in range(count)]
