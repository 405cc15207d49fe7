#!/usr/bin/env python3
"""Trains a character GPT on licence texts and writes text.onnx, calibration.npz and heldout.npz.

    python3 -m pip install -r requirements.txt
    python3 train.py

Everything is seeded. The texts are those that Debian keeps in /usr/share/common-licenses. Documents that are held out are not trained
on at all. An id is a character's place in CHARACTERS.
"""

import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = pathlib.Path("/usr/share/common-licenses")
TRAINED = ["Apache-2.0", "BSD", "CC0-1.0", "GFDL-1.2", "GFDL-1.3", "GPL-1", "GPL-2", "GPL-3", "LGPL-2", "LGPL-2.1", "LGPL-3", "MPL-1.1"]
HELD_OUT = ["Artistic", "MPL-2.0"]
CHARACTERS = "\n" + "".join(chr(c) for c in range(32, 127))
SEED = 5
TOKENS, CHANNELS, HEADS, HIDDEN, LAYERS = 64, 64, 4, 256, 2
STEPS, WARM_UP, BATCH, RATE = 2400, 60, 32, 4e-3
DROPPED, DECAY, SMOOTHED = 0.15, 0.2, 0.05
CALIBRATION, TESTED = 32, 192


def ids(names):
    """The texts of some documents, one behind the other, as ids."""
    place = {c: i for i, c in enumerate(CHARACTERS)}
    texts = [(TEXTS / name).read_text(errors="ignore").expandtabs() for name in names]
    return torch.tensor([place[c] for c in "\n\n".join(texts) if c in place])


class Block(nn.Module):
    """Attention and a hidden layer, each behind a norm and added to what it reads."""

    def __init__(self):
        super().__init__()
        self.before_attention, self.before_hidden = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.attention, self.mixed = nn.Linear(CHANNELS, 3 * CHANNELS), nn.Linear(CHANNELS, CHANNELS)
        self.hidden, self.back = nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, CHANNELS)
        self.register_buffer("seen", torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril())

    def forward(self, x):
        heads = lambda t: t.view(-1, TOKENS, HEADS, CHANNELS // HEADS).transpose(1, 2)
        query, key, value = map(heads, self.attention(self.before_attention(x)).split(CHANNELS, 2))
        scores = (query @ key.transpose(-2, -1) / math.sqrt(CHANNELS // HEADS)).masked_fill(~self.seen, -1e9)
        context = (scores.softmax(-1) @ value).transpose(1, 2).reshape(-1, TOKENS, CHANNELS)
        x = x + self.mixed(F.dropout(context, DROPPED, self.training))
        return x + self.back(F.dropout(F.gelu(self.hidden(self.before_hidden(x))), DROPPED, self.training))


class Gpt(nn.Module):
    """Scores of the next character behind each one of TOKENS."""

    def __init__(self):
        super().__init__()
        self.characters, self.places = nn.Embedding(len(CHARACTERS), CHANNELS), nn.Embedding(TOKENS, CHANNELS)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, len(CHARACTERS), bias=False)
        for name, p in self.named_parameters():
            if "characters" in name or "places" in name:
                nn.init.normal_(p, std=0.02)
            elif p.dim() == 2:
                nn.init.normal_(p, std=p.shape[1] ** -0.5 * (0.35 if "mixed" in name or "back" in name else 1))

    def forward(self, tokens):
        x = self.characters(tokens) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def loss(model, windows, smoothed=0.0):
    """Mean cross entropy of the next character, in nats."""
    return F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten(), label_smoothing=smoothed)


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    text, held_out = ids(TRAINED), ids(HELD_OUT)
    windows = lambda text, starts: torch.stack([text[i : i + TOKENS + 1] for i in starts])
    spread = lambda text, count: windows(text, np.linspace(0, len(text) - TOKENS - 1, count).astype(int))
    model = Gpt()
    weights, vectors = [[p for p in model.parameters() if (p.dim() == 2) == is_matrix] for is_matrix in (True, False)]
    optimiser = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}], betas=(0.9, 0.98))
    for step in range(STEPS):
        rate = RATE * min(1, (step + 1) / WARM_UP) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / STEPS)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = windows(text, torch.randint(len(text) - TOKENS, (BATCH,)))
        optimiser.zero_grad()
        value = loss(model, batch, SMOOTHED)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 200 == 0:
            print(step, round(value.item(), 3), flush=True)
    model.eval()
    tested = spread(held_out, TESTED)
    with torch.no_grad():
        print(f"held-out loss {loss(model, tested):.4f} nats on {tested[:, 1:].numel()} of {len(held_out)}, trained on {len(text)}")
    torch.onnx.export(
        model, tested[:1, :-1], HERE / "text.onnx", dynamo=False, input_names=["tokens"], output_names=["scores"],
        dynamic_axes={"tokens": {0: "n"}, "scores": {0: "n"}}, opset_version=17,
    )
    save = lambda name, w: np.savez_compressed(HERE / name, x=w[:, :-1].numpy().astype(np.int8), y=w[:, 1:].numpy().astype(np.int8))
    save("calibration.npz", spread(text, CALIBRATION))
    save("heldout.npz", tested)


if __name__ == "__main__":
    main()
