"""The Python package asks a sequencer, waits for proofs and verifies them itself."""

import asyncio
import contextlib
import pathlib
import re
from dataclasses import replace

import deepnode
from deepnode import AsyncClient, Client
from network import PATIENCE, images, labels, state, told

url, rpc = told["sequencer"], told["rpc"]
key = (state / "keys/user-1.key").read_text().strip()
MANY = 70


def right(model, tasks):
    """How many of the first answers name the class."""
    classes = [int(model.dequantise(task.output).argmax()) for task in tasks]
    return sum(int(a == b) for a, b in zip(classes, labels, strict=False))


def refused(kind, ask, words=""):
    try:
        ask()
    except kind as error:
        assert words in str(error), error
        return
    raise AssertionError(f"not refused: {words}")


with Client(url, key) as client:
    model = client.model("mlp")
    asked, task = client.infer(model, images[0])
    assert task.receipt and right(model, [task]) == 1, task
    many = client.ask(model, images[:MANY], labels=[int(label) for label in labels[:MANY]])
    taken = client.submit_all(many)
    assert [task.task_id for task in taken] == [one.task_id(client.chain()) for one in many]
    answers = [client.answered(one) for one in many]
    assert right(model, answers) >= 0.9 * MANY
    # Sent again, it is the same task.
    assert client.submit(many[0]).task_id == many[0].task_id(client.chain())

    assert client.proven(asked, PATIENCE).state == "proven"
    statement = client.verified(asked, rpc, client.chain().rollup)
    assert statement.count >= 1 and statement.score is not None
    client.proven(many[-1], PATIENCE)
    assert client.verified(many[-1], rpc).score.labelled > 0
    assert client.nodes() and len(client.package(model)) > 1000

    refused(deepnode.Untrue, lambda: client.verified(asked, rpc, client.chain().token), "a contract refuses")
    refused(deepnode.Untrue, lambda: client.verified(asked, rpc, client.chain().sequencer), "no contract")
    refused(deepnode.Untrue, lambda: asked.check(client.chain(), answers[0]), "another order")
    refused(deepnode.Refused, lambda: client.answered(replace(asked, salt=1)), "not_found")
    refused(deepnode.Refused, lambda: client.submit(client.ask(model, images[:1], life_s=-5)[0]), "deadline")
    refused(
        deepnode.Refused, lambda: client.submit(replace(client.ask(model, images[:1])[0], signature=asked.signature))
    )
    refused(ValueError, lambda: client.infer(model, images[0][:5]), "takes")
    refused(deepnode.DeepnodeError, lambda: client.model("nobody"), "mlp")
    stranger = deepnode.Client(url, "0x" + "5e" * 32)
    refused(deepnode.Refused, lambda: stranger.infer(model, images[0]), "escrow")
    # The answer is its user's alone.
    assert deepnode.Client(url).task(asked.task_id(client.chain())).output is None


# The package's README, word by word.
readme = pathlib.Path("sdk/python/README.md").read_text()
for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
    here = {"http://127.0.0.1:8080": url, "http://127.0.0.1:8545": rpc, "0x...": key, '"digits"': '"mlp"'}
    for there, ours in here.items():
        block = block.replace(there, ours)
    known = {"image": images[1], "images": images[:5], "client": Client(url, key), "model": model}
    with contextlib.redirect_stdout(None):
        exec(block, known)


async def at_once():
    async with AsyncClient(url, key) as client:
        model = await client.model()
        found = await asyncio.gather(*(client.infer(model, image) for image in images[:8]))
        assert right(model, [task for _, task in found]) >= 7
        asked, _ = found[0]
        states = []
        async for event in client.events(asked.task_id(await client.chain())):
            states.append(event.state)
            if event.state == "proven":
                break
        assert states[0] == "queued" and "executed" in states, states
        assert (await client.verified(asked, rpc)).count >= 1
        return len(found)


count = asyncio.run(asyncio.wait_for(at_once(), PATIENCE))
print(f"python: {1 + MANY + count} answers held to their orders, three of them verified against the chain")
