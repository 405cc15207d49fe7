#!/usr/bin/env python3
"""Trains a keyword classifier on synthesised speech and writes keywords.onnx, calibration.npz and heldout.npz.

    apt-get install espeak-ng
    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. Nobody spoke these words: espeak-ng says them, with variants of its voices, at several speeds and pitches, and
noise is added. Held-out examples are of variants that training never heard. The model takes log-mel levels.
"""

import pathlib
import subprocess

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SEED = 3
WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
KNOWN = ["m1", "m2", "m3", "m5", "m6", "f1", "f2", "f4", "adam", "Andy", "Alicia", "Annie"]
HELD_OUT = ["m4", "m7", "f3", "David"]
LANGUAGES = ["en-us", "en-gb"]
SPEEDS = [140, 175]
PITCHES = [35, 60]
RATE = 22_050
WINDOW, STEP, FRAMES, MELS = 1024, 512, 40, 20
GRAIN = 16  # levels have steps of a sixteenth
CALIBRATION = 96
TESTED = 160
EPOCHS = 60
BATCH = 40


def say(word, voice, speed, pitch):
    """Sound in -1..1, as espeak-ng writes it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(wav[44 : len(wav) // 2 * 2], dtype="<i2").astype(np.float32) / 32768


def mel_filters():
    """Triangles of equal width in mel, [MELS, WINDOW / 2 + 1]."""
    to_mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    edges = 700 * (10 ** (np.linspace(to_mel(80), to_mel(8000), MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    up = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(up, down), 0, None)


def levels(sound, noise):
    """Log-mel levels of the first FRAMES windows, [1, MELS, FRAMES]."""
    length = WINDOW + STEP * (FRAMES - 1)
    start = int(noise.integers(0, RATE // 20))
    sound = np.pad(np.pad(sound, (start, 0))[:length], (0, max(0, length - start - len(sound))))
    sound = sound * noise.uniform(0.5, 1.0) + noise.normal(0, 0.004, length)
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::STEP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows)) ** 2
    level = np.log10(mel_filters() @ power.T + 1e-3)
    return (np.round(level * GRAIN) / GRAIN).astype(np.float32)[None]


def examples(variants, noise):
    """All words in all voices."""
    x, y = [], []
    for label, word in enumerate(WORDS):
        for language in LANGUAGES:
            for variant in variants:
                for speed in SPEEDS:
                    for pitch in PITCHES:
                        x.append(levels(say(word, f"{language}+{variant}", speed, pitch), noise))
                        y.append(label)
    order = noise.permutation(len(y))
    return np.stack(x)[order], np.array(y)[order]


def block(inputs, outputs):
    """A depthwise convolution over time and a pointwise one."""
    return [
        nn.Conv2d(inputs, inputs, 3, 2, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs), nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    ]


def main():
    torch.manual_seed(SEED)
    noise = np.random.default_rng(SEED)
    x, y = examples(KNOWN, noise)
    held_out, held_out_y = examples(HELD_OUT, noise)
    model = nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        *block(12, 24), *block(24, 32), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 3 * 5, len(WORDS)),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=2e-2)
    inputs, labels = torch.tensor(x), torch.tensor(y)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y)).split(BATCH):
            batch = torch.roll(inputs[rows], int(torch.randint(-3, 4, ())), 3)
            loss = F.cross_entropy(model(batch), labels[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        right = model(torch.tensor(held_out)).argmax(1).numpy() == held_out_y
    print(f"keywords: held-out accuracy {right.mean():.4f} of {len(right)}, trained on {len(y)}")
    torch.onnx.export(
        model, inputs[:1], HERE / "keywords.onnx", dynamo=False, input_names=["levels"], output_names=["scores"],
        dynamic_axes={"levels": {0: "n"}, "scores": {0: "n"}}, opset_version=17,
    )
    save = lambda name, x, y: np.savez_compressed(HERE / name, x=x.astype(np.float16), y=y)
    save("calibration.npz", x[:CALIBRATION], y[:CALIBRATION])
    save("heldout.npz", held_out[:TESTED], held_out_y[:TESTED])


if __name__ == "__main__":
    main()
