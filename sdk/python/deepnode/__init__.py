"""Inference that is proven: ask a deepnode rollup, hold its answers to what was asked, and check its proofs.

>>> from deepnode import Client
>>> with Client("http://127.0.0.1:8080", key="0x...") as client:
...     model = client.model("digits")
...     asked, task = client.infer(model, image)  # in milliseconds, attested by the worker
...     print(model.dequantise(task.output))
...     task = client.proven(asked)  # later, accepted by the chain
"""

from .aio import AsyncClient
from .client import Client
from .errors import DeepnodeError, Refusal, Refused, Unanswered, Unreachable, Untrue
from .order import Asked
from .values import Chain, Event, Model, Proof, Receipt, Task

__all__ = [
    "AsyncClient",
    "Asked",
    "Chain",
    "Client",
    "DeepnodeError",
    "Event",
    "Model",
    "Proof",
    "Receipt",
    "Refusal",
    "Refused",
    "Task",
    "Unanswered",
    "Unreachable",
    "Untrue",
]
