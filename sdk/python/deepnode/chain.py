"""What a chain says of a rollup, asked over JSON-RPC of a node that the caller trusts."""

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from .errors import DeepnodeError, Untrue
from .steps import Flow, Request, once
from .values import Json

# A model's registration, and what is kept of a batch.
_MODEL = "(bytes32,address,uint32,uint64,uint128,bytes32,address,string)"
_BATCH = "(bytes32,uint8,uint32)"
_PROVEN = 2
# Code of the error that nodes answer a call with where the contract reverts.
_REVERTED = 3
_HEADER = ["uint256", "address", "uint64", "bytes32", "bytes32", "uint64", "uint64"]
# A hash below the field's order: without its three highest bits.
_MASK = (1 << 253) - 1


class Rollup:
    """A rollup contract at a node of its chain."""

    def __init__(self, rpc_url: str, address: str) -> None:
        self._rpc_url, self.address = rpc_url, address

    def _ask(self, method: str, params: list[Any]) -> Flow[bytes]:
        body: Json = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        told = yield from once(Request("POST", self._rpc_url, body))
        result, error = told.get("result"), told.get("error") or {}
        if error.get("code") == _REVERTED:
            raise Untrue(f"a contract refuses what a rollup's would answer: {error.get('message')}")
        if not isinstance(result, str):
            raise DeepnodeError(f"the chain does not answer {method}: {error or told}")
        return bytes.fromhex(result.removeprefix("0x"))

    def _call(self, to: str, signature: str, arguments: Sequence[Any], result: str) -> Flow[Any]:
        types = [kind for kind in signature.split("(")[1].rstrip(")").split(",") if kind]
        data = keccak(text=signature)[:4] + encode(types, arguments)
        answer = yield from self._ask("eth_call", [{"to": to, "data": "0x" + data.hex()}, "latest"])
        try:
            return decode([result], answer)[0]
        except Exception as error:
            raise Untrue(f"{to} is no contract that answers {signature}") from error

    def key_code(self, model_id: str) -> Flow[bytes]:
        """The code of the data contract with a model's verifying key, as it was when the model was registered."""
        registry = yield from self._call(self.address, "registry()", [], "address")
        name = bytes.fromhex(model_id.removeprefix("0x"))
        model = yield from self._call(registry, "model(bytes32)", [name], _MODEL)
        code = yield from self._ask("eth_getCode", [model[1], "latest"])
        registered = yield from self._call(registry, "vkCodeHash(bytes32)", [name], "bytes32")
        if keccak(code) != registered:
            raise Untrue("the key's contract has another code than when the model was registered")
        return code

    def header_of(self, number: int) -> Flow[bytes]:
        """The hash of a proven batch's header.

        Raises:
            Untrue: where the batch is not proven.
        """
        batch = yield from self._call(self.address, "batch(uint64)", [number], _BATCH)
        header: bytes = batch[0]
        if batch[1] != _PROVEN:
            raise Untrue(f"the chain does not say that batch {number} is proven")
        return header


def header_hash(header: Json) -> bytes:
    """What the rollup keeps of a header, which is as ``GET /v1/batches/{id}`` has it."""
    words = [bytes.fromhex(header[name].removeprefix("0x")) for name in ("model_id", "slots_hash")]
    numbers = [
        header["chain_id"],
        header["rollup"],
        header["batch_id"],
        *words,
        header["opened_at"],
        header["deadline"],
    ]
    return keccak(encode(_HEADER, numbers))


def bound_header(header: bytes, prover: str) -> int:
    """Public input 1, which binds a proof to a header and to its prover."""
    return int.from_bytes(keccak(encode(["bytes32", "address"], [header, prover]))) & _MASK
