"""Requests without a word about how they are sent: a flow is a generator that yields steps and is given answers, so
that `Client` and `AsyncClient` are one text."""

import json as jsonlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .errors import DeepnodeError, Refused, Unreachable
from .values import Json

TIMEOUT_S = 60.0
"""Longest wait for an answer, where a request says nothing else."""
CONNECT_S = 10.0
"""Longest wait for a connection."""
AT_ONCE = 32
"""Most requests at once."""
# How long a request that does no harm twice is repeated, and the pauses between.
PATIENCE_S = 60.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_BUSY = frozenset({429, 502, 503, 504})
# The server may have carried the request out.
_LOST = frozenset({502, 504})

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A request; the answer is a `Response`, or `Unreachable` is thrown."""

    method: str
    path: str
    json: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True)
class Response:
    """What came back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Pause:
    """Nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Together:
    """Several flows at once; the answer has what each came to, or the error of this package that it ended with."""

    flows: Sequence[Generator[Any, Any, Any]]


@dataclass(frozen=True)
class Work:
    """Something that takes the processor for a while; the answer is its result."""

    function: Callable[[], Any]


Step = Request | Pause | Together | Work
Flow = Generator[Step, Any, T]


def _parsed(response: Response) -> Any:
    try:
        return jsonlib.loads(response.body)
    except ValueError:
        return None


def failure(response: Response) -> DeepnodeError:
    """What an answer that is no success says."""
    told = _parsed(response)
    if isinstance(told, dict) and "code" in told:
        return Refused(response.status, told["code"], told.get("detail", ""), told.get("hint", ""))
    is_lost = response.status < 400 or response.status in _LOST
    return Unreachable(f"the sequencer answered {response.status} in another format", is_lost=is_lost)


def read(response: Response) -> Any:
    """The JSON of a success."""
    told = _parsed(response)
    if response.status >= 400 or told is None:
        raise failure(response)
    return told


def once(request: Request) -> Flow[Any]:
    """Asks once."""
    response: Response = yield request
    return read(response)


def until_answered(request: Request, patience_s: float = PATIENCE_S) -> Flow[Any]:
    """Asks again while the sequencer cannot be reached or is busy: for what does no harm twice."""
    deadline, pause = time.monotonic() + min(patience_s, PATIENCE_S), _FIRST_PAUSE_S
    while True:
        wait = pause
        try:
            response: Response = yield request
        except Unreachable as error:
            failed: DeepnodeError = error
        else:
            if response.status not in _BUSY:
                return read(response)
            failed = failure(response)
            after = response.headers.get("retry-after", "").strip()
            wait = float(after) if after.isdecimal() else pause
        wait = min(wait, _LONGEST_PAUSE_S)
        if time.monotonic() + wait > deadline:
            raise failed
        yield Pause(wait)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
