"""Writes wrong-*.onnx: files that are nearly transformers. Each was once read as one that it is not.

    python make_wrong.py    with onnx and numpy
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS, CHANNELS, VOCABULARY, HEADS = 8, 16, 12, 2
DEPTH = CHANNELS // HEADS
CAUSAL = np.tril(np.ones((TOKENS, TOKENS), bool))
random = np.random.RandomState(0)


def floats(*shape, scale=0.4):
    return (random.randn(*shape) * scale).astype(np.float32)


def number(value):
    return np.array(value, np.float32)


def whole(*values):
    return np.array(values, np.int64)


class Graph:
    """A block with attention and a hidden layer, of which a part may be another one."""

    def __init__(self, parts):
        self.nodes, self.constants, self.parts = [], [], parts

    def op(self, kind, *operands, **attributes):
        names = []
        for operand in operands:
            if isinstance(operand, np.ndarray):
                name = f"constant{len(self.constants)}"
                self.constants.append(numpy_helper.from_array(operand, name))
                operand = name
            names.append(operand)
        result = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [result], **attributes))
        return result

    def norm(self, x):
        part = self.parts.get("norm")
        return part(self, x) if part else self.op("LayerNormalization", x, 1 + floats(CHANNELS), floats(CHANNELS))

    def heads(self, x):
        x = self.op("MatMul", x, floats(CHANNELS, CHANNELS))
        return self.op("Transpose", self.op("Reshape", x, whole(1, TOKENS, HEADS, DEPTH)), perm=[0, 2, 1, 3])

    def masked(self, scores):
        return self.op("Where", CAUSAL, scores, number(-20_000))

    def attention(self, x):
        query, key, value = (self.heads(x) for _ in range(3))
        query, key, value = self.parts.get("heads", lambda g, *of: of)(self, query, key, value)
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self.parts.get("scores", lambda g, s: g.masked(g.op("Mul", s, number(DEPTH**-0.5))))(self, scores)
        context = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        context = self.parts.get("context", lambda g, c: c)(self, context)
        return self.op("Reshape", self.op("Transpose", context, perm=[0, 2, 1, 3]), whole(1, TOKENS, CHANNELS))

    def write(self, name):
        x = self.op("Add", self.op("Gather", floats(VOCABULARY, CHANNELS), "ids"), floats(1, TOKENS, CHANNELS))
        context = self.op("MatMul", self.attention(self.norm(x)), floats(CHANNELS, CHANNELS))
        x = self.op("Add", x, context)
        hidden = self.op("MatMul", self.norm(x), floats(CHANNELS, 24))
        hidden = self.parts.get("function", lambda g, u: g.op("Gelu", u))(self, hidden)
        x = self.op("Add", x, self.op("MatMul", hidden, floats(24, CHANNELS)))
        head = self.parts.get("head", lambda g, n: g.op("MatMul", n, floats(CHANNELS, VOCABULARY)))
        outputs = head(self, self.norm(x))
        self.nodes.append(helper.make_node("Identity", [outputs], ["out"]))
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, TOKENS])
        out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [ids], [out], self.constants)
        opset = [helper.make_opsetid("", 20)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), f"wrong-{name}.onnx")


def cut_squares(g, x):
    squares = g.op("Min", g.op("Mul", x, x), number(9))
    mean = g.op("ReduceMean", squares, whole(-1), keepdims=1)
    return g.op("Div", x, g.op("Sqrt", g.op("Add", mean, number(1e-5))))


def cut_root(g, x):
    mean = g.op("ReduceMean", g.op("Mul", x, x), whole(-1), keepdims=1)
    return g.op("Div", x, g.op("Min", g.op("Sqrt", g.op("Add", mean, number(1e-5))), number(2.1)))


def spread_heads(g, query, key, value):
    """Keys of heads as batches: every query meets every key."""
    turned = [g.op("Transpose", x, perm=[1, 0, 2, 3]) for x in (key, value)]
    return query, *turned


def first(g, x):
    return g.op("Slice", x, whole(0), whole(1), whole(0))


def bias_of_tokens(g, x):
    x = g.op("Reshape", x, whole(TOKENS, CHANNELS))
    x = g.op("Gemm", x, floats(CHANNELS, TOKENS), floats(TOKENS, 1, scale=2))
    return g.op("Reshape", x, whole(1, TOKENS, TOKENS))


def truncated(g, x):
    doubled = g.op("Mul", x, number(2))
    return g.op("CastLike", g.op("CastLike", doubled, np.array([1], np.int32)), np.array([1], np.float32))


WRONG = {
    "cut-squares": {"norm": cut_squares},
    "cut-root": {"norm": cut_root},
    "spread-heads": {"heads": spread_heads, "scores": lambda g, s: g.masked(first(g, s)), "context": first},
    "bias-of-tokens": {"head": bias_of_tokens},
    "shown-again": {"scores": lambda g, s: g.op("Mul", g.masked(s), number(1e-4))},
    "truncated": {"function": truncated},
}

for name, parts in WRONG.items():
    Graph(parts).write(name)
