#!/usr/bin/env python3
"""Trains four small convolutional classifiers and writes their ONNX files, calibration and held-out data.

    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. The images are scikit-learn's 8x8 digits, scaled to each net's input size and to
grey levels 0..240; the nets take these pixel values raw, so a client needs no preprocessing.
"""

import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SEED = 11
GREY = 15.0  # the data's levels 0..16 become 0..240
HELD_OUT = 297
CALIBRATION = 64
EPOCHS = 40
BATCH = 50


class LeNet(nn.Module):
    """LeNet-5 on 1x28x28."""

    def __init__(self, pool):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 5, padding=2)
        self.second = nn.Conv2d(6, 16, 5)
        self.pool = pool
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
        )

    def forward(self, x):
        x = self.pool(F.relu(self.first(x)))
        return self.dense(self.pool(F.relu(self.second(x))))


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is 1x1 where the extents change."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """A residual net on 1x8x8."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(8), nn.ReLU(), Residual(8, 8, 1), Residual(8, 16, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
        )

    def forward(self, x):
        return self.rest(self.first(x))


def separable(inputs, outputs, stride):
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU6(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class MobileNet(nn.Module):
    """A depthwise separable net on 3x16x16."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(8), nn.ReLU6(), separable(8, 16, 2), separable(16, 24, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
        )

    def forward(self, x):
        return self.rest(self.first(x))


def images(data, size, channels):
    """Scales 8x8 images; with three channels each image has a tint of its own. uint8."""
    x = torch.tensor(data.reshape(-1, 1, 8, 8) * GREY, dtype=torch.float32)
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    if channels == 3:
        tint = np.random.default_rng(SEED).uniform(0.5, 1.0, (len(x), 3, 1, 1))
        x = x * torch.tensor(tint, dtype=torch.float32)
    return x.round().clamp(0, 255).to(torch.uint8).numpy()


def train(model, x, y):
    """Fits on pixels divided by 255, moved by up to one pixel."""
    torch.manual_seed(SEED)
    x, y = torch.tensor(x, dtype=torch.float32) / 255, torch.tensor(y)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            dy, dx = torch.randint(-1, 2, (2,)).tolist()
            batch = torch.roll(x[rows], (dy, dx), (2, 3))
            loss = F.cross_entropy(model(batch), y[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        model.first.weight /= 255  # the exported model takes raw pixels


def export(model, name, x, keep_batch_norm):
    """Writes the graph with a symbolic batch; `keep_batch_norm` leaves it unfolded."""
    mode = torch.onnx.TrainingMode.PRESERVE if keep_batch_norm else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(
        model, torch.tensor(x[:1], dtype=torch.float32), HERE / f"{name}.onnx", dynamo=False, training=mode,
        input_names=["x"], output_names=["logits"], dynamic_axes={"x": {0: "n"}, "logits": {0: "n"}},
        opset_version=17,
    )


def main():
    digits = load_digits()
    torch.manual_seed(SEED)
    nets = {
        "lenet_avg": (LeNet(nn.AvgPool2d(2)), 28, 1, False),
        "lenet_max": (LeNet(nn.MaxPool2d(2)), 28, 1, False),
        "resnet_tiny": (ResNet(), 8, 1, True),
        "mobilenet_tiny": (MobileNet(), 16, 3, False),
    }
    for name, (model, size, channels, keep_batch_norm) in nets.items():
        x, y = images(digits.data, size, channels), digits.target.astype(np.int64)
        x_train, x_held, y_train, y_held = train_test_split(x, y, test_size=HELD_OUT, random_state=SEED, stratify=y)
        train(model, x_train, y_train)
        export(model, name, x, keep_batch_norm)
        with torch.no_grad():
            right = model(torch.tensor(x_held, dtype=torch.float32)).argmax(1).numpy() == y_held
        print(f"{name}: held-out accuracy {right.mean():.4f}", flush=True)
        if name == "lenet_max":  # it shares the data of lenet_avg
            continue
        data = "lenet" if name == "lenet_avg" else name
        np.savez_compressed(HERE / f"{data}_calibration.npz", x=x_train[:CALIBRATION], y=y_train[:CALIBRATION])
        np.savez_compressed(HERE / f"{data}_heldout.npz", x=x_held, y=y_held)


if __name__ == "__main__":
    main()
