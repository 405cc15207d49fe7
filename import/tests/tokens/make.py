#!/usr/bin/env python3
"""Writes small transformers by both exporters of PyTorch, and what onnxruntime computes with them.

    python3 -m pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2 torch==2.15.0
    python3 make.py

A file is called CASE-EXPORTER-OPSET.onnx; CASE.npz has inputs `x` and the right outputs `right`, which are the same for
all files of a case.
"""

import math
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
TOKENS, CHANNELS, HEADS, IDS, HIDDEN, EXAMPLES = 8, 16, 2, 12, 24, 24
DEPTH = CHANNELS // HEADS


class Rms(nn.Module):
    """A root mean square norm, written out."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    """Attention in one of the ways in which people write it."""

    def __init__(self, kind, is_causal, bias):
        super().__init__()
        self.kind, self.is_causal = kind, is_causal
        if kind in ("fused", "sdpa_fused", "interleaved"):
            self.all = nn.Linear(CHANNELS, 3 * CHANNELS, bias=bias)
        else:
            self.query, self.key, self.value = (nn.Linear(CHANNELS, CHANNELS, bias=bias) for _ in range(3))
        self.mixed = nn.Linear(CHANNELS, CHANNELS, bias=bias)
        self.register_buffer("hidden", torch.triu(torch.full((TOKENS, TOKENS), float("-inf")), 1))
        self.register_buffer("seen", torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril())

    def parts(self, x):
        batch, n, _ = x.shape
        if self.kind in ("fused", "sdpa_fused"):
            return [t.view(batch, n, HEADS, DEPTH).transpose(1, 2) for t in self.all(x).split(CHANNELS, -1)]
        if self.kind == "interleaved":
            return self.all(x).view(batch, n, HEADS, 3, DEPTH).permute(3, 0, 2, 1, 4).unbind(0)
        return [layer(x).view(batch, n, HEADS, DEPTH).transpose(1, 2) for layer in (self.query, self.key, self.value)]

    def forward(self, x):
        batch, n, _ = x.shape
        q, k, v = self.parts(x)
        if self.kind.startswith("sdpa"):
            c = F.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        elif self.kind == "added":
            scores = (q * DEPTH**-0.25) @ (k * DEPTH**-0.25).transpose(-2, -1)
            c = (scores + self.hidden[:n, :n]).softmax(-1) @ v
        elif self.kind == "tril":
            scores = q @ k.transpose(-2, -1) / math.sqrt(DEPTH)
            c = F.softmax(scores.masked_fill(torch.tril(torch.ones(n, n)) == 0, float("-inf")), dim=-1) @ v
        else:
            scores = q @ k.transpose(-2, -1) * DEPTH**-0.5
            if self.is_causal:
                scores = scores.masked_fill(~self.seen[:n, :n], -1e9)
            c = scores.softmax(-1) @ v
        return self.mixed(c.transpose(1, 2).reshape(batch, n, CHANNELS))


class Block(nn.Module):
    def __init__(self, kind, norm, function, is_causal, bias):
        super().__init__()
        self.first, self.second, self.function = norm(CHANNELS), norm(CHANNELS), function
        self.attention, self.is_parallel = Attention(kind, is_causal, bias), kind == "interleaved"
        self.up, self.down = nn.Linear(CHANNELS, HIDDEN, bias=bias), nn.Linear(HIDDEN, CHANNELS, bias=bias)

    def forward(self, x):
        if self.is_parallel:
            return x + self.attention(self.first(x)) + self.down(self.function(self.up(self.second(x))))
        x = x + self.attention(self.first(x))
        return x + self.down(self.function(self.up(self.second(x))))


class Net(nn.Module):
    def __init__(self, kind="fused", norm=nn.LayerNorm, function=F.gelu, is_causal=True, has_places=True, is_tied=False, bias=True,
                 end=None, blocks=1):
        super().__init__()
        self.ids = nn.Embedding(IDS, CHANNELS)
        self.places = nn.Embedding(TOKENS, CHANNELS) if has_places else None
        self.blocks = nn.ModuleList(Block(kind, norm, function, is_causal, bias) for _ in range(blocks))
        self.last, self.head, self.end = norm(CHANNELS), nn.Linear(CHANNELS, IDS, bias=False), end
        if is_tied:
            self.head.weight = self.ids.weight
        for name, p in self.named_parameters():
            if "first" in name or "second" in name or "last" in name:
                nn.init.normal_(p, 1.0 if name.endswith("weight") else 0.0, 0.2)

    def forward(self, ids):
        x = self.ids(ids)
        if self.places is not None:
            x = x + self.places(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        scores = self.head(self.last(x))
        return self.end(scores) if self.end else scores


class Flat(nn.Module):
    """A net that takes one sequence, without a batch."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, ids):
        return self.net(ids[None])[0]


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


def gelu_written_out(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def gelu_quick(x):
    return x * torch.sigmoid(1.702 * x)


CASES = {
    "gpt": ({}, ["script-14", "script-17", "dynamo-18", "dynamo-23"]),
    "masks": ({"kind": "added", "function": gelu_tanh, "is_tied": True}, ["script-17", "dynamo-23"]),
    "tril": ({"kind": "tril", "function": gelu_written_out, "blocks": 2}, ["script-14", "dynamo-18"]),
    "sdpa": ({"kind": "sdpa", "function": F.silu}, ["script-17", "dynamo-18", "dynamo-23"]),
    "rms": ({"kind": "sdpa_fused", "norm": Rms, "bias": False, "function": F.relu}, ["script-17", "dynamo-23"]),
    "rmsop": ({"kind": "three", "norm": lambda n: nn.RMSNorm(n, eps=1e-6), "function": gelu_quick, "has_places": False}, ["dynamo-18"]),
    "encoder": ({"kind": "three", "is_causal": False}, ["script-17"]),
    # Blocks of this one have both branches beside each other.
    "interleaved": ({"kind": "interleaved"}, ["script-14", "dynamo-23"]),
    "flat": (None, ["script-17", "dynamo-18"]),
    "argmax": ({"end": lambda y: y.argmax(-1)}, ["script-17"]),
    "softmax": ({"end": lambda y: y.softmax(-1)}, ["dynamo-18"]),
}


def export(net, form, path):
    exporter, opset = form.split("-")
    names = {"input_names": ["tokens"], "output_names": ["scores"], "opset_version": int(opset)}
    ids = torch.randint(0, IDS, (2, TOKENS))
    if isinstance(net, Flat) and exporter == "script":
        torch.onnx.export(net, (ids[0],), path, dynamo=False, **names)
    elif isinstance(net, Flat):
        torch.onnx.export(net, (ids[0],), path, dynamo=True, external_data=False, **names)
    elif exporter == "script":
        torch.onnx.export(net, ids[:1], path, dynamo=False, dynamic_axes={"tokens": {0: "n"}, "scores": {0: "n"}}, **names)
    else:
        shapes = ({0: torch.export.Dim("n")},)
        torch.onnx.export(net, (ids,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, **names)
    # Where in the program a node comes from is most of a small file, and nobody reads it.
    model = onnx.load(path)
    for part in [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer]:
        del part.metadata_props[:]
    onnx.save(model, path)


def main():
    for case, (traits, forms) in CASES.items():
        x = np.random.default_rng(3).integers(0, IDS, (EXAMPLES, TOKENS))
        right = None
        for form in forms:
            torch.manual_seed(1)
            path = HERE / f"{case}-{form}.onnx"
            export((Flat() if traits is None else Net(**traits)).eval(), form, path)
            session = onnxruntime.InferenceSession(path)
            run = lambda ids: session.run(None, {session.get_inputs()[0].name: ids})[0].astype(np.float32)
            scores = np.stack([run(ids) for ids in x]) if traits is None else run(x)
            right = scores if right is None else right
            assert np.abs(scores - right).max() < 1e-4, path
        np.savez_compressed(HERE / f"{case}.npz", x=x.astype(np.int8), right=right.reshape(EXAMPLES, -1))


if __name__ == "__main__":
    main()
