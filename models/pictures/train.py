#!/usr/bin/env python3
"""Trains an autoencoder, a generator and a classifier with gates, and writes their ONNX files, calibration and held-out data.

    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. The images are scikit-learn's 8x8 digits, scaled to 16x16 and to grey levels 0..1.
"""

import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SEED = 13
SIZE = 16
HELD_OUT = 297
CALIBRATION = 128
BATCH = 50
LATENT = 8


def encoder(outputs):
    """From an image to a few numbers."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(256, outputs),
    )


def decoder(inputs):
    """From a few numbers to an image, by transposed convolutions."""
    return nn.Sequential(
        nn.Linear(inputs, 256), nn.ReLU(), nn.Unflatten(1, (16, 4, 4)), nn.ConvTranspose2d(16, 8, 4, 2, 1),
        nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid(),
    )


class Gate(nn.Module):
    """Squeeze and excite: each channel times a number that follows from the means of all."""

    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // 4, 1), nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1), nn.Hardsigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)


class Inverted(nn.Module):
    """A block of MobileNetV3: wider, depthwise, gated, narrower, and a shortcut where extents allow."""

    def __init__(self, inputs, wide, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            Gate(wide), nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.has_shortcut else self.body(x)


def classifier():
    """MobileNetV3, but small."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(), Inverted(8, 16, 8, 1),
        Inverted(8, 24, 16, 2), Inverted(16, 32, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 32), nn.Hardswish(), nn.Linear(32, 10),
    )


def fit(parameters, loss, x, y, epochs):
    """Minimises `loss(rows of x, rows of y)`."""
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-2)
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            value = loss(x[rows], y[rows])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()


def generator_loss(encode, decode):
    """Of a variational autoencoder whose decoder is told the class."""

    def loss(x, y):
        mean, spread = encode(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (spread / 2).exp()
        image = decode(torch.cat([F.one_hot(y, 10), z], 1))
        apart = (mean**2 + spread.exp() - 1 - spread).sum(1).mean() / 2
        return F.binary_cross_entropy(image, x, reduction="sum") / len(x) + apart

    return loss


def write(name, model, calibration, held_out, labels=(None, None)):
    """ONNX file and arrays."""
    model.eval()
    torch.onnx.export(
        model, calibration[:1], HERE / f"{name}.onnx", dynamo=False, input_names=["x"], output_names=["out"],
        dynamic_axes={"x": {0: "n"}, "out": {0: "n"}}, opset_version=17,
    )
    for part, x, y in [("calibration", calibration[:CALIBRATION], labels[0]), ("heldout", held_out, labels[1])]:
        arrays = {"x": x.numpy()} | ({} if y is None else {"y": y[: len(x)].numpy()})
        np.savez_compressed(HERE / f"{name}_{part}.npz", **arrays)


def main():
    torch.manual_seed(SEED)
    digits = load_digits()
    x = torch.tensor(digits.data.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    x = (x * 64).round() / 64
    parts = train_test_split(x.numpy(), digits.target, test_size=HELD_OUT, random_state=SEED, stratify=digits.target)
    x, held_out, y, held_out_y = (torch.tensor(part) for part in parts)

    auto = nn.Sequential(encoder(LATENT), decoder(LATENT))
    fit(auto.parameters(), lambda a, _: F.mse_loss(auto(a), a), x, y, 60)
    write("autoencoder", auto, x, held_out)
    with torch.no_grad():
        print(f"autoencoder: held-out deviation {F.mse_loss(auto(held_out), held_out).sqrt():.4f}, of the images {held_out.std():.4f}")

    encode, decode = encoder(2 * LATENT), decoder(10 + LATENT)
    fit([*encode.parameters(), *decode.parameters()], generator_loss(encode, decode), x, y, 60)
    numbers = torch.cat([F.one_hot(torch.arange(2 * CALIBRATION) % 10, 10), torch.randn(2 * CALIBRATION, LATENT)], 1)
    write("generator", decode, numbers[:CALIBRATION], numbers[CALIBRATION:])

    gated = classifier()
    fit(gated.parameters(), lambda a, b: F.cross_entropy(gated(a), b, label_smoothing=0.05), x, y, 40)
    write("mobilenet_v3", gated, x, held_out, (y, held_out_y))
    with torch.no_grad():
        accuracy = (gated(held_out).argmax(1) == held_out_y).float().mean()
        drawn = (gated(decode(numbers)).argmax(1) == numbers[:, :10].argmax(1)).float().mean()
    print(f"mobilenet_v3: held-out accuracy {accuracy:.4f}; it names the class of {drawn:.4f} of the generator's images")


if __name__ == "__main__":
    main()
