#!/usr/bin/env python3
"""Trains the digits classifier and writes mlp.onnx, calibration.npz and heldout.npz.

    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. Images are 8x8 with grey levels 0..16, flattened row by row and fed raw:
the model's input is the pixel value itself, so a client needs no preprocessing.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
SEED = 7
HIDDEN = 32
PIXEL_MAX = 16.0
HELD_OUT = 450
CALIBRATION = 512


def train(x, y):
    """Fits on pixels scaled to 0..1; returns (weights [in, out], biases) for raw pixels."""
    model = MLPClassifier((HIDDEN,), alpha=1e-3, max_iter=400, random_state=SEED, tol=1e-5)
    model.fit(x / PIXEL_MAX, y)
    first, second = model.coefs_
    return [first / PIXEL_MAX, second], model.intercepts_


def export(weights, biases):
    """Writes the layout of a PyTorch export: Gemm with transB = 1 and weights [out, in]."""
    names = ["fc1", "fc2"]
    initializers = []
    for name, w, b in zip(names, weights, biases):
        initializers.append(numpy_helper.from_array(w.T.astype(np.float32).copy(), f"{name}.weight"))
        initializers.append(numpy_helper.from_array(b.astype(np.float32), f"{name}.bias"))
    nodes = [
        helper.make_node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["h"], name="fc1", transB=1),
        helper.make_node("Relu", ["h"], ["a"], name="relu"),
        helper.make_node("Gemm", ["a", "fc2.weight", "fc2.bias"], ["logits"], name="fc2", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits-mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weights[0].shape[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", weights[1].shape[1]])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / "mlp.onnx")


def logits(weights, biases, x):
    h = np.maximum(x @ weights[0] + biases[0], 0)
    return h @ weights[1] + biases[1]


def main():
    digits = load_digits()
    x, y = digits.data.astype(np.float32), digits.target.astype(np.int64)
    x_train, x_held, y_train, y_held = train_test_split(
        x, y, test_size=HELD_OUT, random_state=SEED, stratify=y
    )
    weights, biases = train(x_train, y_train)
    export(weights, biases)
    np.savez_compressed(HERE / "calibration.npz", x=x_train[:CALIBRATION], y=y_train[:CALIBRATION])
    np.savez_compressed(HERE / "heldout.npz", x=x_held, y=y_held)
    accuracy = (logits(weights, biases, x_held).argmax(1) == y_held).mean()
    print(f"held-out accuracy {accuracy:.4f} on {len(y_held)} images")


if __name__ == "__main__":
    main()
