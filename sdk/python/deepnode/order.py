"""Signed orders: what ``POST /v1/tasks`` takes, equal to ``sdk/src/order.rs``."""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import Any, SupportsIndex

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from .bundle import MAX_SIZE, climb, path
from .commitment import input_commitment, output_commitment, random_salt
from .errors import Untrue
from .values import Chain, Json, Model, Receipt, Task

_ORDER = {
    "Order": [
        {"name": "user", "type": "address"},
        {"name": "modelId", "type": "bytes32"},
        {"name": "inputHash", "type": "bytes32"},
        {"name": "maxFee", "type": "uint128"},
        {"name": "deadline", "type": "uint64"},
        {"name": "nonce", "type": "uint64"},
        {"name": "tag", "type": "bytes32"},
    ]
}
_BUNDLE = {
    "Bundle": [
        {"name": "user", "type": "address"},
        {"name": "modelId", "type": "bytes32"},
        {"name": "inputs", "type": "bytes32"},
        {"name": "maxFee", "type": "uint128"},
        {"name": "deadline", "type": "uint64"},
        {"name": "nonce", "type": "uint64"},
        {"name": "tags", "type": "bytes32"},
        {"name": "size", "type": "uint8"},
    ]
}
_RECEIPT = {
    "Receipt": [
        {"name": "taskId", "type": "bytes32"},
        {"name": "modelId", "type": "bytes32"},
        {"name": "inputHash", "type": "bytes32"},
        {"name": "outputHash", "type": "bytes32"},
        {"name": "startedAtMs", "type": "uint64"},
        {"name": "finishedAtMs", "type": "uint64"},
    ]
}
_ACCESS = {"Access": [{"name": "user", "type": "address"}, {"name": "expiresAt", "type": "uint64"}]}
_LABEL_BYTES = 32
# Words that a program's nonces begin with: all of them stay exact as JavaScript's numbers.
_WORDS = 1 << 46


def _message(chain: Chain, types: dict[str, Any], message: Json) -> SignableMessage:
    domain = {"name": "deepnode", "version": "1", "chainId": chain.chain_id, "verifyingContract": chain.rollup}
    return encode_typed_data(domain, types, message)


def _sign(account: LocalAccount, message: SignableMessage) -> str:
    return "0x" + account.sign_message(message).signature.hex().removeprefix("0x")


def _word(number: int) -> bytes:
    return number.to_bytes(32)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@dataclass(frozen=True)
class Asked:
    """An input to be answered, with everything that makes the answer one's own.

    ``label`` is the class that the answer should have, for one's own statistics: it is told when the task is proven.
    """

    model: Model
    input: list[int]
    salt: int = field(repr=False)
    label: int | None
    user: str
    deadline: int
    nonce: int
    tag_salt: bytes = field(repr=False)
    signature: str = ""
    bundle: Json | None = None

    @property
    def input_hash(self) -> str:
        """The commitment to the input."""
        return _hex(_word(input_commitment(self.input, self.salt)))

    @property
    def tag(self) -> bytes:
        """Opens to the label, or to nothing: nobody sees which."""
        if self.label is None:
            return self.tag_salt
        return keccak(_word(self.label) + self.tag_salt)

    @property
    def order(self) -> Json:
        """The order as the interface has it."""
        return {
            "user": self.user.lower(),
            "model_id": self.model.model_id,
            "input_hash": self.input_hash,
            "max_fee": str(self.model.price),
            "deadline": self.deadline,
            "nonce": self.nonce,
            "tag": _hex(self.tag),
        }

    @property
    def body(self) -> Json:
        """What ``POST /v1/tasks`` takes."""
        body = {"input": self.input, "salt": _hex(_word(self.salt)), "order": self.order, "signature": self.signature}
        if self.bundle is not None:
            body["bundle"] = self.bundle
        if self.label is not None:
            body["label"] = {"class": self.label, "salt": _hex(self.tag_salt)}
        return body

    def _signable(self, chain: Chain) -> SignableMessage:
        message = {
            "user": self.user,
            "modelId": _bytes(self.model.model_id),
            "inputHash": _bytes(self.input_hash),
            "maxFee": self.model.price,
            "deadline": self.deadline,
            "nonce": self.nonce,
            "tag": self.tag,
        }
        return _message(chain, _ORDER, message)

    def task_id(self, chain: Chain) -> str:
        """The id of the order's task, whatever anybody says: its EIP-712 digest."""
        signable = self._signable(chain)
        return _hex(keccak(b"\x19" + signable.version + signable.header + signable.body))

    def check(self, chain: Chain, task: Task) -> None:
        """Holds a task to the order: its answer, the worker's receipt for it, and the commitment that was proven.

        Raises:
            Untrue: where they do not belong together.
        """
        if task.task_id != self.task_id(chain):
            raise Untrue(f"{task.task_id} is another order's task")
        if task.output is not None:
            own = _hex(_word(output_commitment(task.output, self.salt)))
            if task.output_hash != own or task.receipt is None:
                raise Untrue("the answer is not the one that is committed to")
            check_receipt(chain, task.receipt, task_id=task.task_id, input_hash=self.input_hash, output_hash=own)
            if task.receipt.model_id != self.model.model_id:
                raise Untrue("the receipt is one of another model")
            if task.state == "proven" and task.proven_output_hash != own:
                raise Untrue("another answer is proven than the one that was given")


def check_receipt(chain: Chain, receipt: Receipt, *, task_id: str, input_hash: str, output_hash: str) -> None:
    """Checks what a receipt says, and that its worker has signed it.

    Raises:
        Untrue: where it says something else, or another account has signed it.
    """
    told = (receipt.task_id, receipt.input_hash, receipt.output_hash)
    if told != (task_id, input_hash, output_hash):
        raise Untrue("the receipt is one of another answer")
    try:
        message = {
            "taskId": _bytes(receipt.task_id),
            "modelId": _bytes(receipt.model_id),
            "inputHash": _bytes(receipt.input_hash),
            "outputHash": _bytes(receipt.output_hash),
            "startedAtMs": receipt.started_at_ms,
            "finishedAtMs": receipt.finished_at_ms,
        }
        signer = Account.recover_message(_message(chain, _RECEIPT, message), signature=receipt.signature)
    except Exception as error:
        raise Untrue("the receipt has no signature") from error
    if signer.lower() != str(receipt.worker).lower():
        raise Untrue(f"the receipt is not signed by {receipt.worker}")


def access_token(chain: Chain, account: LocalAccount, expires_at: int) -> str:
    """The bearer token that shows a user the outputs of its own tasks until ``expires_at``, at most a day ahead."""
    message = _message(chain, _ACCESS, {"user": account.address, "expiresAt": expires_at})
    return f"{account.address.lower()}.{expires_at}.{_sign(account, message)}"


class Nonces:
    """Hands out an account's nonces: consecutive ones, which settle for least, from a random word on, so that programs
    that share an account do not meet."""

    def __init__(self) -> None:
        self._next = (1 + secrets.randbelow(_WORDS)) * MAX_SIZE
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        """The first of ``count`` nonces that nobody else gets."""
        with self._lock:
            first, self._next = self._next, self._next + count
        return first


def ask(
    model: Model,
    user: str,
    inputs: Sequence[list[int]],
    labels: Sequence[SupportsIndex | None],
    deadline: int,
    nonce: int,
) -> list[Asked]:
    """Orders at the model's price with nonces from ``nonce`` on, unsigned."""
    if len(labels) != len(inputs):
        raise ValueError(f"{len(inputs)} inputs have {len(labels)} labels")
    classes = [None if label is None else index(label) for label in labels]
    for label in classes:
        if label is not None and not 0 <= label < 1 << 16:
            raise ValueError(f"{label} is no class")
    return [
        Asked(model, values, random_salt(), label, user, deadline, nonce + i, secrets.token_bytes(_LABEL_BYTES))
        for i, (values, label) in enumerate(zip(inputs, classes, strict=True))
    ]


def sign(chain: Chain, account: LocalAccount, asked: Sequence[Asked]) -> list[Asked]:
    """Signs orders of one user and model: those of one word of nonces together."""
    signed: list[Asked] = []
    while len(signed) < len(asked):
        rest = asked[len(signed) :]
        signed += _sign_together(chain, account, rest[: MAX_SIZE - rest[0].nonce % MAX_SIZE])
    return signed


def _sign_together(chain: Chain, account: LocalAccount, asked: Sequence[Asked]) -> list[Asked]:
    first = asked[0]
    if len(asked) == 1:
        return [replace(first, signature=_sign(account, first._signable(chain)))]
    inputs, tags = [_bytes(one.input_hash) for one in asked], [one.tag for one in asked]

    def place(index: int) -> Json:
        paths = {"inputs": path(inputs, index), "tags": path(tags, index)}
        return {"size": len(asked), "index": index} | {name: [_hex(x) for x in of] for name, of in paths.items()}

    message = {
        "user": first.user,
        "modelId": _bytes(first.model.model_id),
        "inputs": climb(inputs[0], len(asked), 0, path(inputs, 0)),
        "maxFee": first.model.price,
        "deadline": first.deadline,
        "nonce": first.nonce,
        "tags": climb(tags[0], len(asked), 0, path(tags, 0)),
        "size": len(asked),
    }
    signature = _sign(account, _message(chain, _BUNDLE, message))
    return [replace(one, signature=signature, bundle=place(i)) for i, one in enumerate(asked)]
