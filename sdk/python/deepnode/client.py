"""The client of programs that wait."""

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, SupportsIndex, TypeVar

import httpx2
from eth_account import Account
from eth_account.signers.local import LocalAccount
from numpy.typing import ArrayLike

from .errors import DeepnodeError, Unreachable
from .events import SSE_HEADERS, EventReader
from .order import Asked
from .session import LIFE_S, Session
from .steps import AT_ONCE, CONNECT_S, Flow, Pause, Request, Response, Together, Work, failure
from .values import Chain, Event, Json, Model, Proof, Task
from .verify import Statement

T = TypeVar("T")


def account_of(key: str | LocalAccount | None) -> LocalAccount | None:
    """The account of a private key in hex; an account of `eth_account` is one."""
    if key is None or isinstance(key, LocalAccount):
        return key
    account: LocalAccount = Account.from_key(key)
    return account


class Client:
    """A sequencer, asked by an account that pays, or by an onlooker without a key.

    Every answer is held to what was asked: the task's id, the commitment to the output, the worker's signature, and
    once it is proven, that the same answer is.
    """

    def __init__(self, url: str, key: str | LocalAccount | None = None) -> None:
        self._session = Session(account_of(key))
        limits = httpx2.Limits(max_connections=2 * AT_ONCE)
        self._http = httpx2.Client(base_url=url.rstrip("/"), limits=limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def _send(self, request: Request) -> Response:
        timeout = httpx2.Timeout(request.timeout_s, connect=CONNECT_S)
        try:
            got = self._http.request(
                request.method, request.path, json=request.json, headers=request.headers, timeout=timeout
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable(f"the sequencer cannot be reached: {error}", is_lost=False) from error
        except httpx2.HTTPError as error:
            raise Unreachable(f"the sequencer does not answer: {error!r}") from error
        return Response(got.status_code, dict(got.headers.items()), got.content)

    def _result(self, flow: Generator[Any, Any, Any]) -> Any:
        try:
            return self._run(flow)
        except DeepnodeError as error:
            return error

    def _run(self, flow: Flow[T]) -> T:
        answer: Any = None
        failed: Unreachable | None = None
        while True:
            try:
                step = flow.send(answer) if failed is None else flow.throw(failed)
            except StopIteration as done:
                result: T = done.value
                return result
            answer, failed = None, None
            match step:
                case Pause(seconds):
                    time.sleep(seconds)
                case Together(flows):
                    with ThreadPoolExecutor(min(AT_ONCE, max(len(flows), 1))) as pool:
                        answer = list(pool.map(self._result, flows))
                case Work(function):
                    answer = function()
                case Request():
                    try:
                        answer = self._send(step)
                    except Unreachable as error:
                        failed = error

    def chain(self) -> Chain:
        """The rollup that the sequencer serves."""
        return self._run(self._session.chain())

    def models(self) -> list[Model]:
        """The models that it serves."""
        return self._run(self._session.models())

    def model(self, wanted: str | None = None) -> Model:
        """The model with this id, name or service; the first of all without a wish."""
        return self._run(self._session.model(wanted))

    def package(self, model: Model) -> bytes:
        """A model's package, checked against its id."""
        return self._run(self._session.package(model))

    def ask(
        self,
        model: Model,
        inputs: Sequence[ArrayLike],
        labels: Sequence[SupportsIndex | None] | None = None,
        life_s: float = LIFE_S,
    ) -> list[Asked]:
        """Signs an order for each input, at the model's price, good for so many seconds. Nothing is sent."""
        return self._run(self._session.asked(model, inputs, labels, life_s))

    def submit(self, asked: Asked) -> Task:
        """Sends an order in. Sent again, it is the same task."""
        return self._run(self._session.submit(asked))

    def submit_all(self, asked: Sequence[Asked]) -> list[Task | DeepnodeError]:
        """Sends orders in at once. Each is taken or refused by itself; in the order of the orders."""
        return self._run(self._session.submit_all(asked))

    def answered(self, asked: Asked, timeout_s: float = 60) -> Task:
        """Waits for an answer, and holds it to the order.

        Raises:
            Unanswered: where there is none in time.
            Untrue: where it is not what the order asked for.
        """
        return self._run(self._session.answered(asked, timeout_s))

    def proven(self, asked: Asked, timeout_s: float = 600) -> Task:
        """Waits until the chain has accepted a proof of the answer. Raises as `answered`."""
        return self._run(self._session.proven(asked, timeout_s))

    def verified(self, asked: Asked, rpc_url: str, rollup: str | None = None) -> Statement:
        """Proves to the caller that an order's answer is proven, believing a node of the chain and nobody else.

        The registered key and the batch's header are read from the chain at ``rpc_url``, the batch and its proof from
        the sequencer; the proof is verified here, and must say of the order's input the answer that was given. The
        contract is ``rollup``; without it the one that the sequencer names, which is then believed about that.

        Raises:
            Unanswered: where the task is not proven.
            Untrue, Refusal: where something does not fit.
        """
        return self._run(self._session.verified(asked, rpc_url, rollup))

    def infer(self, model: Model, values: ArrayLike, timeout_s: float = 60) -> tuple[Asked, Task]:
        """Asks and waits for the answer: attested by the worker's receipt, proven later (`proven`)."""
        (asked,) = self.ask(model, [values])
        task = self.submit(asked)
        return asked, task if task.output is not None else self.answered(asked, timeout_s)

    def task(self, task_id: str) -> Task:
        """A task, of which the output is told to its user alone."""
        return self._run(self._session.task(task_id))

    def batch(self, batch_id: int) -> Json:
        """A batch with its slots, as the interface has it."""
        return self._run(self._session.batch(batch_id))

    def proof(self, batch_id: int) -> Proof:
        """A batch's proof."""
        return self._run(self._session.proof(batch_id))

    def protocol(self, model: Model) -> Any:
        """A model's verifying key as the sequencer has it: to be compared with the chain's by `verify`."""
        return self._run(self._session.protocol(model))

    def nodes(self) -> list[Json]:
        """The nodes that the sequencer knows, with their trust weights."""
        return self._run(self._session.nodes())

    def events(self, task_id: str | None = None, after: int | None = None) -> Iterator[Event]:
        """Changes of a task from its beginning, or of all tasks from now on or from a position; without an end."""
        reader = EventReader(task_id, after)
        timeout = httpx2.Timeout(CONNECT_S, read=EventReader.SILENCE_S)
        try:
            with self._http.stream("GET", reader.path, headers=SSE_HEADERS, timeout=timeout) as got:
                if got.status_code >= 400:
                    raise failure(Response(got.status_code, dict(got.headers.items()), got.read()))
                for line in got.iter_lines():
                    yield from reader.read(line)
        except httpx2.HTTPError as error:
            raise Unreachable(f"the stream of events has ended: {error!r}") from error
