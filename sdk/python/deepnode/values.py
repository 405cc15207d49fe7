"""What the sequencer answers, as values. Amounts are integers of wei, hashes and addresses ``0x`` and hex digits."""

import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import Untrue

Json = dict[str, Any]
Floats = NDArray[np.float32]


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Takes what cannot be read for what it is."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Untrue(f"what was served is no {what}: {error!r}") from error


@dataclass(frozen=True)
class Chain:
    """The rollup that a sequencer serves."""

    chain_id: int
    rollup: str
    token: str
    registry: str
    staking: str
    sequencer: str

    @classmethod
    def read(cls, json: Json) -> Self:
        """Reads the answer of ``GET /v1/chain``."""
        with reading("rollup"):
            return cls(**{name: json[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Model:
    """A registered model. Its codes: value = offset + scale code, one pair for all, per channel or per value."""

    model_id: str
    name: str
    service: str
    input_len: int
    output_len: int
    input_scale: tuple[float, ...]
    input_offset: tuple[float, ...]
    output_scale: tuple[float, ...]
    output_offset: tuple[float, ...]
    classes: int
    price: int
    batch_slots: int
    vk: str

    @classmethod
    def read(cls, json: Json) -> Self:
        """Reads an entry of ``GET /v1/models``."""
        with reading("model"):
            known = {name: json[name] for name in cls.__dataclass_fields__}
            for name in ("input_scale", "input_offset", "output_scale", "output_offset"):
                known[name] = tuple(float(x) for x in known[name])
            return cls(**known | {"price": int(json["price"])})

    def check(self, package: bytes) -> None:
        """Holds what codes stand for to the package, which hashes to the model's id.

        Raises:
            Untrue: where the package says something else.
        """
        with reading("package"):
            size = int.from_bytes(package[:8], "little")
            header = jsonlib.loads(jsonlib.loads(package[8 : 8 + size])["__metadata__"]["deepnode"])
            codes = header.get("codes") or [
                {"scale": [header[f"{end}_scale"]], "offset": [0.0]} for end in ("input", "output")
            ]
            told = [tuple(float(x) for x in end[name]) for end in codes for name in ("scale", "offset")]
            input_len = prod(header["input"].values())
        own = [self.input_scale, self.input_offset, self.output_scale, self.output_offset]
        if told != own or input_len != self.input_len:
            raise Untrue(f"the package of {self.name} says other scales than were served")

    def quantise(self, values: ArrayLike) -> list[int]:
        """The nearest codes of an input, halves up, saturated; arrays of any shape are read row by row.

        Raises:
            ValueError: where values are too few, too many, or no finite numbers.
        """
        flat = np.asarray(values, dtype=np.float32).ravel()
        if flat.size != self.input_len:
            raise ValueError(f"{self.name} takes {self.input_len} values, not {flat.size}")
        if not np.isfinite(flat).all():
            raise ValueError(f"value {int(np.argmin(np.isfinite(flat)))} is no finite number")
        scale, offset = _spread(self.input_scale, flat.size), _spread(self.input_offset, flat.size)
        codes = np.floor((flat - offset) / scale + np.float32(0.5))
        return [int(code) for code in np.clip(codes, -128, 127)]

    def dequantise(self, codes: list[int]) -> Floats:
        """What the codes of an output stand for."""
        scale, offset = _spread(self.output_scale, len(codes)), _spread(self.output_offset, len(codes))
        values: Floats = offset + scale * np.asarray(codes, dtype=np.float32)
        return values


def _spread(pairs: tuple[float, ...], size: int) -> Floats:
    """Value ``i`` of ``size`` has number ``i len / size``."""
    places = np.arange(size) * len(pairs) // max(size, 1)
    return np.asarray(pairs, dtype=np.float32)[places]


@dataclass(frozen=True)
class Receipt:
    """A worker's signed statement about one execution. Times are milliseconds of the worker's clock."""

    task_id: str
    model_id: str
    input_hash: str
    output_hash: str
    started_at_ms: int
    finished_at_ms: int
    worker: str
    signature: str


ANSWERED = frozenset({"executed", "committed", "proven"})
"""States in which a task has an answer."""
ENDED = frozenset({"proven", "refunded", "failed"})
"""States that a task does not leave, but for a proof that the chain itself takes back."""


@dataclass(frozen=True)
class Task:
    """A task as its user sees it: ``state`` is one of queued, assigned, executed, committed, proven, refunded, failed.

    ``output`` has int8 codes, which `Model.dequantise` turns into numbers; it is attested by the worker's receipt, and
    proven once ``state`` is.
    """

    task_id: str
    model_id: str
    user: str
    state: str
    output: list[int] | None
    output_hash: str | None
    proven_output_hash: str | None
    receipt: Receipt | None
    batch_id: int | None
    tx_hash: str | None
    reason: str | None

    @classmethod
    def read(cls, json: Json) -> Self:
        """Reads the answer of ``GET /v1/tasks/{id}``."""
        with reading("task"):
            known: Json = {name: json.get(name) for name in cls.__dataclass_fields__}
            told, output = json.get("receipt"), json.get("output")
            receipt = None
            if told is not None:
                receipt = Receipt(**{name: told[name] for name in Receipt.__dataclass_fields__})
            if output is not None and not all(type(x) is int and -128 <= x <= 127 for x in output):
                raise ValueError("its output has something else than int8 codes")
            return cls(**known | {"receipt": receipt})

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer, or will be none."""
        return self.state in ANSWERED or self.state in ENDED


@dataclass(frozen=True)
class Proof:
    """A batch's proof: public inputs in the order of the statement, and the transcript."""

    instances: list[int]
    proof: bytes

    @classmethod
    def read(cls, json: Json) -> Self:
        """Reads the answer of ``GET /v1/batches/{id}/proof``."""
        with reading("proof"):
            return cls([int(x, 16) for x in json["instances"]], bytes.fromhex(json["proof"][2:]))


@dataclass(frozen=True)
class Event:
    """A change of a task's state. ``seq`` is its position in the log, from which a stream can go on."""

    seq: int
    task_id: str
    state: str
    reason: str | None
    batch_id: int | None
    at_ms: int

    @classmethod
    def read(cls, json: Json) -> Self:
        """Reads an event's data."""
        with reading("event"):
            known: Json = {name: json.get(name) for name in cls.__dataclass_fields__}
            return cls(**known)
