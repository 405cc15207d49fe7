"""A verifying key as data, as ``GET /v1/models/{id}/protocol`` serves it, equal to ``core/src/protocol.rs``: domain,
reference string, commitments, and the gates as steps of arithmetic. Nothing here is believed before `Key.code` was
compared with the data contract that the chain names."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar

from eth_utils.crypto import keccak

from ..errors import Refusal
from .field import R

T = TypeVar("T")
_FORMAT = "deepnode-protocol/1"
_MAX_K = 28
_MAX_LEN = 1 << 16
_MAX_PIECES = 8
# How many operands an operation has.
_ARITY = {"Constant": 1, "Fixed": 1, "Advice": 1, "Instance": 0, "Challenge": 1, "Neg": 1, "Sum": 2, "Product": 2}


@dataclass(frozen=True)
class Query:
    """A column in some row."""

    column: int
    rotation: int


@dataclass(frozen=True)
class Op:
    """A step of arithmetic; operands of Neg, Sum and Product are indices of earlier steps."""

    kind: str
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Phase:
    """Columns that are committed to before challenges are drawn."""

    advice: tuple[int, ...]
    challenges: tuple[int, ...]


def _fail(field: str) -> NoReturn:
    raise Refusal("key", f"the verifying key's field {field} is invalid")


class _Reader:
    """The fields of a file."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw if isinstance(raw, dict) else {}

    def natural(self, field: str) -> int:
        return _natural(self._raw.get(field), field)

    def list(self, field: str, read: Callable[[Any, str], T], most: int = _MAX_LEN) -> tuple[T, ...]:
        return _list(self._raw.get(field), field, read, most)

    def word(self, field: str) -> int:
        return _word(self._raw.get(field), field)

    def words(self, field: str, count: int) -> tuple[int, ...]:
        return _words(self._raw.get(field), field, count)

    def places(self) -> int | None:
        return None if self._raw.get("places") is None else self.natural("places")


def _natural(x: Any, field: str) -> int:
    if type(x) is not int or not 0 <= x < 1 << 32:
        _fail(field)
    return x


def _list(x: Any, field: str, read: Callable[[Any, str], T], most: int = _MAX_LEN) -> tuple[T, ...]:
    if not isinstance(x, list) or len(x) > most:
        _fail(field)
    return tuple(read(one, field) for one in x)


def _word(x: Any, field: str) -> int:
    if not isinstance(x, list) or len(x) != 32 or not all(type(b) is int and 0 <= b < 256 for b in x):
        _fail(field)
    return int.from_bytes(bytes(x))


def _words(x: Any, field: str, count: int) -> tuple[int, ...]:
    found = _list(x, field, _word)
    if len(found) != count:
        _fail(field)
    return found


def _point(x: Any, field: str) -> tuple[int, ...]:
    return _words(x, field, 2)


def _query(x: Any, field: str) -> Query:
    rotation = x.get("rotation") if isinstance(x, dict) else None
    if type(rotation) is not int:
        _fail(field)
    return Query(_natural(x.get("column"), field), rotation)


def _phase(x: Any, field: str) -> Phase:
    if not isinstance(x, dict):
        _fail(field)
    return Phase(_list(x.get("advice"), field, _natural), _list(x.get("challenges"), field, _natural))


def _op(x: Any, field: str) -> Op:
    if x == "Instance":
        return Op(x, ())
    if not isinstance(x, dict) or len(x) != 1:
        _fail(field)
    ((kind, operands),) = x.items()
    arity = _ARITY.get(kind, 0)
    listed = [operands] if arity == 1 else operands
    if arity == 0 or not isinstance(listed, list) or len(listed) != arity:
        _fail(field)
    return Op(kind, tuple(_natural(i, field) for i in listed))


def _in_order(lists: Iterable[tuple[int, ...]], field: str) -> int:
    """The number of things that are named once each."""
    found = sorted(x for of in lists for x in of)
    if found != list(range(len(found))):
        _fail(field)
    return len(found)


@dataclass(frozen=True)
class Key:
    """A verifying key. Points are pairs of coordinates, of G2 four: ``x.c0, x.c1, y.c0, y.c1``."""

    k: int
    omega: int
    digest: int
    instances: int
    g1: tuple[int, ...]
    g2: tuple[int, ...]
    tau_g2: tuple[int, ...]
    fixed: tuple[tuple[int, ...], ...]
    phases: tuple[Phase, ...]
    advice_queries: tuple[Query, ...]
    fixed_queries: tuple[Query, ...]
    pieces: int
    places: int | None
    constants: tuple[int, ...]
    ops: tuple[Op, ...]
    constraints: tuple[int, ...]

    @classmethod
    def read(cls, file: Any) -> Self:
        """Reads and checks a key's file: its text, or what it says.

        Raises:
            Refusal: on anything but a key's encoding.
        """
        if isinstance(file, str | bytes):
            try:
                file = json.loads(file)
            except ValueError as error:
                raise Refusal("key", "the verifying key is no JSON") from error
        if not isinstance(file, dict) or file.get("format") != _FORMAT:
            _fail("format")
        of = _Reader(file.get("protocol"))
        key = cls(
            k=of.natural("k"),
            omega=of.word("omega"),
            digest=of.word("digest"),
            instances=of.natural("instances"),
            g1=of.words("g1", 2),
            g2=of.words("g2", 4),
            tau_g2=of.words("s_g2", 4),
            fixed=of.list("fixed", _point),
            phases=of.list("phases", _phase, 2),
            advice_queries=of.list("advice_queries", _query),
            fixed_queries=of.list("fixed_queries", _query),
            pieces=of.natural("quotient_pieces"),
            places=of.places(),
            constants=of.list("constants", _word),
            ops=of.list("nodes", _op),
            constraints=of.list("constraints", _natural),
        )
        key._check()
        return key

    def _check(self) -> None:
        """Checks that every index is in range."""
        if not 1 <= self.k <= _MAX_K:
            _fail("k")
        rows = 1 << self.k
        if self.instances >= rows:
            _fail("instances")
        if not 1 <= self.pieces <= _MAX_PIECES:
            _fail("quotient_pieces")
        advice = _in_order((phase.advice for phase in self.phases), "phases")
        challenges = _in_order((phase.challenges for phase in self.phases), "phases")
        fixed = len(self.fixed) if self.places is None else _MAX_LEN
        for queries, columns, field in (
            (self.advice_queries, advice, "advice_queries"),
            (self.fixed_queries, fixed, "fixed_queries"),
        ):
            if not all(q.column < columns and abs(q.rotation) < rows for q in queries):
                _fail(field)
        bounds = {
            "Constant": len(self.constants),
            "Fixed": len(self.fixed_queries),
            "Advice": len(self.advice_queries),
            "Challenge": challenges,
        }
        for i, op in enumerate(self.ops):
            if not all(x < bounds.get(op.kind, i) for x in op.operands):
                _fail("nodes")
        if not all(c < len(self.ops) for c in self.constraints):
            _fail("constraints")

    @property
    def layout(self) -> int:
        """The hash that names columns, queries and gates."""

        def queries(of: tuple[Query, ...]) -> list[Any]:
            return [{"column": q.column, "rotation": q.rotation} for q in of]

        def written(op: Op) -> Any:
            if not op.operands:
                return op.kind
            return {op.kind: op.operands[0] if len(op.operands) == 1 else list(op.operands)}

        phases = [{"advice": list(p.advice), "challenges": list(p.challenges)} for p in self.phases]
        constants = [list(c.to_bytes(32)) for c in self.constants]
        columns = [phases, len(self.fixed), self.pieces]
        system = [columns, queries(self.advice_queries), queries(self.fixed_queries), constants]
        parts: list[Any] = [[*system, [written(op) for op in self.ops]], list(self.constraints)]
        named = parts if self.places is None else [parts, self.places]
        return int.from_bytes(keccak(json.dumps(named, separators=(",", ":")).encode()))

    @property
    def code(self) -> bytes:
        """The code of the data contract that the key stands in, equal to ``core/src/vk_data.rs``."""
        omega = self.omega % R
        if omega == 0:
            _fail("omega")
        head = [self.layout, self.k, self.omega, pow(omega, -1, R), pow(1 << self.k, -1, R), self.digest]
        swapped = [x for a, b, c, d in (self.g2, self.tau_g2) for x in (b, a, d, c)]
        words = [*head, self.instances, *self.g1, *swapped, *(x for of in self.fixed for x in of)]
        return bytes(1) + b"".join(word.to_bytes(32) for word in words)

    @property
    def merged_digest(self) -> int:
        """The digest that a key of merged openings must have: of all else that it is, below the field's order."""
        sizes = self.k.to_bytes(8) + self.instances.to_bytes(8)
        words = [self.omega, *self.g1, *self.g2, *self.tau_g2, *(x for of in self.fixed for x in of)]
        said = self.layout.to_bytes(32) + sizes + b"".join(word.to_bytes(32) for word in words)
        return int.from_bytes(keccak(said)) % (1 << 253)

    @property
    def is_forgeable(self) -> bool:
        """Whether it stands over the development reference string, whose secret is public: anybody can forge proofs."""
        return self.tau_g2[0] == _DEVELOPMENT_TAU


# The first coordinate of tau G2 in the development reference string: ``prover/src/srs.rs``.
_DEVELOPMENT_TAU = 0x07C9306F20EFA1BC343CD63142355AC72C8EFF8612247D53C3068ECE61974D47
