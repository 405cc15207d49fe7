"""What a client does and remembers, as flows of steps."""

import time
from collections.abc import Sequence
from typing import Any, SupportsIndex

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from numpy.typing import ArrayLike

from .chain import Rollup, bound_header, header_hash
from .commitment import output_commitment
from .errors import DeepnodeError, Unanswered, Untrue
from .order import Asked, Nonces, access_token, ask, sign
from .steps import PATIENCE_S, TIMEOUT_S, Flow, Pause, Request, Response, Together, Work, failure, once, until_answered
from .values import ANSWERED, ENDED, Chain, Json, Model, Proof, Task, reading
from .verify import Key, Statement, verify

LIFE_S = 3600
"""How long an order is good, where nothing else is said."""
# What an answer may take beyond the time for which the sequencer was asked to wait.
_MARGIN_S = 10.0
_LONG_POLL_S = 20.0
_LOOK_S = 0.3
_TOKEN_LIFE_S = 3600
# A token with less left is made anew, so that it outlives the request.
_TOKEN_LEAST_S = 300


def _answer(chain: Chain, asked: Asked, task: Task, states: frozenset[str]) -> Task:
    """A task that has an answer, held to its order."""
    asked.check(chain, task)
    reason = f": {task.reason}" if task.reason else ""
    if task.state not in states:
        raise Unanswered(f"task {task.task_id} is {task.state}{reason}")
    if task.output is None:
        raise Unanswered(f"task {task.task_id} is {task.state}, and its answer is not told: it may be forgotten")
    return task


class Session:
    """A sequencer, and the account that asks it, if there is one."""

    def __init__(self, account: LocalAccount | None) -> None:
        self.account = account
        self._chain: Chain | None = None
        self._nonces = Nonces()
        self._token = ("", 0)
        self._checked: set[Model] = set()

    def payer(self) -> LocalAccount:
        """The account.

        Raises:
            DeepnodeError: where the client has no key.
        """
        if self.account is None:
            raise DeepnodeError("this client has no key: Client(url, key=...) can ask and pay")
        return self.account

    def chain(self) -> Flow[Chain]:
        """The rollup, asked once."""
        if self._chain is None:
            self._chain = Chain.read((yield from once(Request("GET", "/v1/chain"))))
        return self._chain

    def _leave(self) -> Flow[dict[str, str]]:
        """Headers that show that the caller's tasks are its own."""
        if self.account is None:
            return {}
        now = int(time.time())
        if self._token[1] < now + _TOKEN_LEAST_S:
            chain = yield from self.chain()
            expires_at = now + _TOKEN_LIFE_S
            self._token = (access_token(chain, self.account, expires_at), expires_at)
        return {"authorization": f"Bearer {self._token[0]}"}

    def models(self) -> Flow[list[Model]]:
        """All models."""
        return [Model.read(model) for model in (yield from once(Request("GET", "/v1/models")))]

    def model(self, wanted: str | None) -> Flow[Model]:
        """The first one with this id, name or service; the first of all without a wish."""
        models = yield from self.models()
        exact = [model for model in models if wanted in (None, model.model_id)]
        for model in exact + [model for model in models if wanted in (model.name, model.service)]:
            return model
        names = ", ".join(sorted({model.name for model in models})) or "none"
        raise DeepnodeError(f"no model is called {wanted}: there are {names}")

    def package(self, model: Model) -> Flow[bytes]:
        """A model's package, which hashes to its id."""
        response: Response = yield Request("GET", f"/v1/models/{model.model_id}/package", timeout_s=300)
        if response.status >= 400:
            raise failure(response)
        if keccak(response.body).hex() != model.model_id.removeprefix("0x"):
            raise Untrue("the package does not hash to the model's id")
        return response.body

    def checked(self, model: Model) -> Flow[None]:
        """Holds what a model's codes stand for to its package, once."""
        if model not in self._checked:
            model.check((yield from self.package(model)))
            self._checked.add(model)

    def asked(
        self, model: Model, inputs: Sequence[ArrayLike], labels: Sequence[SupportsIndex | None] | None, life_s: float
    ) -> Flow[list[Asked]]:
        """Signed orders, one for each input."""
        account, chain = self.payer(), (yield from self.chain())
        yield from self.checked(model)
        labels = [None] * len(inputs) if labels is None else labels
        codes = [model.quantise(values) for values in inputs]
        nonce, deadline = self._nonces.take(len(codes)), int(time.time() + life_s)
        orders = ask(model, account.address, codes, labels, deadline, nonce)
        return sign(chain, account, orders)

    def submit(self, asked: Asked) -> Flow[Task]:
        """Sends an order in. Sent again, it is the same task."""
        headers = {"idempotency-key": str(asked.nonce)}
        chain = yield from self.chain()
        told = yield from until_answered(Request("POST", "/v1/tasks", asked.body, headers))
        task = Task.read(told)
        asked.check(chain, task)
        return task

    def submit_all(self, asked: Sequence[Asked]) -> Flow[list[Task | DeepnodeError]]:
        """Sends orders in at once; each is taken or refused by itself."""
        yield from self.chain()
        taken: list[Task | DeepnodeError] = yield Together([self.submit(one) for one in asked])
        return taken

    def task(self, task_id: str, wait_s: float = 0, patience_s: float = PATIENCE_S) -> Flow[Task]:
        """A task, waited for a while for its answer."""
        headers = yield from self._leave()
        path = f"/v1/tasks/{task_id}?wait_ms={int(1000 * wait_s)}"
        request = Request("GET", path, headers=headers, timeout_s=wait_s + _MARGIN_S)
        return Task.read((yield from until_answered(request, patience_s)))

    def answered(self, asked: Asked, timeout_s: float) -> Flow[Task]:
        """An order's task once it is answered, held to the order."""
        chain = yield from self.chain()
        task_id, deadline = asked.task_id(chain), time.monotonic() + timeout_s
        while True:
            asked_at = time.monotonic()
            left = max(deadline - asked_at, 0)
            task = yield from self.task(task_id, min(left, _LONG_POLL_S), left)
            if task.is_answered or time.monotonic() >= deadline:
                break
            # It waits by itself, if it is one that does.
            yield Pause(max(_LOOK_S - (time.monotonic() - asked_at), 0))
        return _answer(chain, asked, task, ANSWERED)

    def proven(self, asked: Asked, timeout_s: float) -> Flow[Task]:
        """An order's task once the chain has accepted a proof of its answer, held to the order."""
        chain = yield from self.chain()
        task_id, deadline = asked.task_id(chain), time.monotonic() + timeout_s
        while True:
            task = yield from self.task(task_id, 0, max(deadline - time.monotonic(), 0))
            if task.state in ENDED or time.monotonic() >= deadline:
                break
            yield Pause(_LOOK_S)
        return _answer(chain, asked, task, frozenset({"proven"}))

    def batch(self, batch_id: int) -> Flow[Json]:
        """A batch with its slots."""
        told: Json = yield from once(Request("GET", f"/v1/batches/{batch_id}"))
        return told

    def proof(self, batch_id: int) -> Flow[Proof]:
        """A batch's proof."""
        return Proof.read((yield from once(Request("GET", f"/v1/batches/{batch_id}/proof"))))

    def protocol(self, model: Model) -> Flow[Any]:
        """A model's verifying key as the sequencer has it, to be compared with the chain's."""
        path = f"/v1/models/{model.model_id}/protocol"
        return (yield from once(Request("GET", path, timeout_s=TIMEOUT_S)))

    def verified(self, asked: Asked, rpc_url: str, rollup: str | None) -> Flow[Statement]:
        """See `Client.verified`."""
        task = yield from self.proven(asked, 0)
        named = (yield from self.chain()).rollup
        chain = Rollup(rpc_url, rollup or named)
        key = Key.read((yield from self.protocol(asked.model)))
        if key.code != (yield from chain.key_code(asked.model.model_id)):
            raise Untrue("the key that is served is not the one on the chain")
        batch, proof = (yield from self.batch(task.batch_id or 0)), (yield from self.proof(task.batch_id or 0))
        with reading("batch"):
            header, prover, number = header_hash(batch["header"]), batch["prover"], batch["header"]["batch_id"]
        if header != (yield from chain.header_of(number)):
            raise Untrue("the chain has another header of the batch")
        if batch["header"]["model_id"] != asked.model.model_id:
            raise Untrue("the batch is one of another model")
        statement: Statement = yield Work(lambda: verify(key, proof.instances, proof.proof))
        if statement.header != bound_header(header, prover):
            raise Untrue("the proof is one of another batch")
        own = (int(asked.input_hash, 16), output_commitment(task.output or [], asked.salt))
        answers = list(zip(statement.inputs, statement.outputs, strict=True))[: statement.count]
        if task.output is None or own not in answers:
            raise Untrue("the proof does not say this answer")
        return statement

    def nodes(self) -> Flow[list[Json]]:
        """The nodes that the sequencer knows, with their trust weights."""
        told: list[Json] = yield from once(Request("GET", "/v1/nodes"))
        return told
