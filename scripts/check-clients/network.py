"""The devnet that the checks ask, and what they expect of it."""

import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np

program, told = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
url, key, state = told["gateway"], told["api_key"], pathlib.Path(told["state"])
model_id = told["models"][0]
digits = np.load("models/digits/heldout.npz")
images, labels = digits["x"].astype(np.float32), digits["y"]
# Seconds until a batch is proven, on a busy machine.
PATIENCE = 60


def bearer(of=key):
    """Fresh each time: tritonclient adds headers of its own to the dictionary."""
    return {"Authorization": f"Bearer {of}"}


def deepnode(*words):
    """The answer of the command line."""
    ran = subprocess.run([program, "--json", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def rollup():
    """Where the rollup is, and who has DN in a wallet."""
    return ["--sequencer", told["sequencer"], "--rpc-url", told["rpc"], "--key-file", str(state / "keys/sequencer.key")]


def new_key(name, deposit):
    """An API key with so much DN."""
    words = ["gateway", "key", "add", name, "--deposit", deposit]
    return deepnode(*words, "--secret-file", str(state / "keys/gateway.secret"), *rollup())["key"]


def get(path, of=key, patience=0):
    """Status and JSON at a path, asked again for a while until it is there."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url + path, headers=bearer(of))) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if time.monotonic() > deadline:
                return error.code, json.load(error)
            time.sleep(1)


def proven(task, of=key):
    """The proof of a task, when it is there."""
    status, proof = get(f"/v1/tasks/{task}/proof?wait_ms=20000", of, PATIENCE)
    assert status == 200, proof
    return proof
