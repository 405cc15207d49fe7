#!/usr/bin/env python3
"""Trains three models on each of two tables and writes their ONNX files, calibration and held-out data.

    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. The features are raw: proline in hundreds beside hues about one, areas beside fractal dimensions. A standard
scaler is part of the network's pipeline; trees need none.
"""

import pathlib

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
SEED = 5
HELD_OUT = 0.3
TABLES = {"wine": load_wine, "cancer": load_breast_cancer}


def models():
    """Unfitted models by name."""
    network = MLPClassifier((24, 12), alpha=1e-2, max_iter=2000, random_state=SEED)
    return {
        "mlp": make_pipeline(StandardScaler(), network),
        "forest": RandomForestClassifier(30, max_depth=5, random_state=SEED),
        "boosted": GradientBoostingClassifier(n_estimators=25, max_depth=3, random_state=SEED),
    }


def main():
    for name, load in TABLES.items():
        x, y = load(return_X_y=True)
        x = x.astype(np.float32)
        parts = train_test_split(x, y, test_size=HELD_OUT, random_state=SEED, stratify=y)
        known, held_out, known_y, held_out_y = parts
        np.savez_compressed(HERE / f"{name}_calibration.npz", x=known, y=known_y)
        np.savez_compressed(HERE / f"{name}_heldout.npz", x=held_out, y=held_out_y)
        for kind, model in models().items():
            model.fit(known, known_y)
            onnx_model = to_onnx(model, known[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
            onnx.save(onnx_model, HERE / f"{name}_{kind}.onnx")
            print(f"{name}_{kind}: {model.score(held_out, held_out_y):.4f} of {len(held_out)}")


if __name__ == "__main__":
    main()
