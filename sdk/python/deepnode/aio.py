"""The client of programs that do several things at once."""

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from types import TracebackType
from typing import Any, Self, SupportsIndex, TypeVar

import httpx2
from eth_account.signers.local import LocalAccount
from numpy.typing import ArrayLike

from .client import account_of
from .errors import DeepnodeError, Unreachable
from .events import SSE_HEADERS, EventReader
from .order import Asked
from .session import LIFE_S, Session
from .steps import AT_ONCE, CONNECT_S, Flow, Pause, Request, Response, Together, Work, failure
from .values import Chain, Event, Json, Model, Proof, Task
from .verify import Statement

T = TypeVar("T")


class AsyncClient:
    """`Client` with methods that are awaited; what they do stands there."""

    def __init__(self, url: str, key: str | LocalAccount | None = None) -> None:
        self._session = Session(account_of(key))
        limits = httpx2.Limits(max_connections=2 * AT_ONCE)
        self._http = httpx2.AsyncClient(base_url=url.rstrip("/"), limits=limits)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def _send(self, request: Request) -> Response:
        timeout = httpx2.Timeout(request.timeout_s, connect=CONNECT_S)
        try:
            got = await self._http.request(
                request.method, request.path, json=request.json, headers=request.headers, timeout=timeout
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable(f"the sequencer cannot be reached: {error}", is_lost=False) from error
        except httpx2.HTTPError as error:
            raise Unreachable(f"the sequencer does not answer: {error!r}") from error
        return Response(got.status_code, dict(got.headers.items()), got.content)

    async def _result(self, flow: Generator[Any, Any, Any]) -> Any:
        async with self._room:
            try:
                return await self._run(flow)
            except DeepnodeError as error:
                return error

    async def _run(self, flow: Flow[T]) -> T:
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
                    await asyncio.sleep(seconds)
                case Together(flows):
                    answer = await asyncio.gather(*map(self._result, flows))
                case Work(function):
                    answer = await asyncio.to_thread(function)
                case Request():
                    try:
                        answer = await self._send(step)
                    except Unreachable as error:
                        failed = error

    async def chain(self) -> Chain:
        """See `Client.chain`."""
        return await self._run(self._session.chain())

    async def models(self) -> list[Model]:
        """See `Client.models`."""
        return await self._run(self._session.models())

    async def model(self, wanted: str | None = None) -> Model:
        """See `Client.model`."""
        return await self._run(self._session.model(wanted))

    async def package(self, model: Model) -> bytes:
        """See `Client.package`."""
        return await self._run(self._session.package(model))

    async def ask(
        self,
        model: Model,
        inputs: Sequence[ArrayLike],
        labels: Sequence[SupportsIndex | None] | None = None,
        life_s: float = LIFE_S,
    ) -> list[Asked]:
        """See `Client.ask`."""
        return await self._run(self._session.asked(model, inputs, labels, life_s))

    async def submit(self, asked: Asked) -> Task:
        """See `Client.submit`."""
        return await self._run(self._session.submit(asked))

    async def submit_all(self, asked: Sequence[Asked]) -> list[Task | DeepnodeError]:
        """See `Client.submit_all`."""
        return await self._run(self._session.submit_all(asked))

    async def answered(self, asked: Asked, timeout_s: float = 60) -> Task:
        """See `Client.answered`."""
        return await self._run(self._session.answered(asked, timeout_s))

    async def proven(self, asked: Asked, timeout_s: float = 600) -> Task:
        """See `Client.proven`."""
        return await self._run(self._session.proven(asked, timeout_s))

    async def verified(self, asked: Asked, rpc_url: str, rollup: str | None = None) -> Statement:
        """See `Client.verified`."""
        return await self._run(self._session.verified(asked, rpc_url, rollup))

    async def infer(self, model: Model, values: ArrayLike, timeout_s: float = 60) -> tuple[Asked, Task]:
        """See `Client.infer`."""
        (asked,) = await self.ask(model, [values])
        task = await self.submit(asked)
        return asked, task if task.output is not None else await self.answered(asked, timeout_s)

    async def task(self, task_id: str) -> Task:
        """See `Client.task`."""
        return await self._run(self._session.task(task_id))

    async def batch(self, batch_id: int) -> Json:
        """See `Client.batch`."""
        return await self._run(self._session.batch(batch_id))

    async def proof(self, batch_id: int) -> Proof:
        """See `Client.proof`."""
        return await self._run(self._session.proof(batch_id))

    async def protocol(self, model: Model) -> Any:
        """See `Client.protocol`."""
        return await self._run(self._session.protocol(model))

    async def nodes(self) -> list[Json]:
        """See `Client.nodes`."""
        return await self._run(self._session.nodes())

    async def events(self, task_id: str | None = None, after: int | None = None) -> AsyncIterator[Event]:
        """See `Client.events`."""
        reader = EventReader(task_id, after)
        timeout = httpx2.Timeout(CONNECT_S, read=EventReader.SILENCE_S)
        try:
            async with self._http.stream("GET", reader.path, headers=SSE_HEADERS, timeout=timeout) as got:
                if got.status_code >= 400:
                    raise failure(Response(got.status_code, dict(got.headers.items()), await got.aread()))
                async for line in got.aiter_lines():
                    for event in reader.read(line):
                        yield event
        except httpx2.HTTPError as error:
            raise Unreachable(f"the stream of events has ended: {error!r}") from error
