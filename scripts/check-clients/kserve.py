"""tritonclient, the stock client of KServe v2, asks the gateway."""

import json
import os
import signal
import time
import urllib.error
import urllib.request

import numpy as np
import tritonclient.http as triton
from network import bearer, get, images, key, labels, model_id, new_key, proven, told, url

client = triton.InferenceServerClient(url.removeprefix("http://"))


def tensor(array, is_binary=True, name="input"):
    element = triton.InferInput(name, list(array.shape), triton_name(array.dtype))
    element.set_data_from_numpy(array, binary_data=is_binary)
    return element


def triton_name(dtype):
    names = {"float": "FP", "uint": "UINT", "int": "INT", "bool": "BOOL"}
    kind = np.dtype(dtype).name.rstrip("0123456789")
    return names[kind] + np.dtype(dtype).name.removeprefix(kind)


def refused(status, words, ask):
    try:
        ask()
    except triton.InferenceServerException as error:
        assert error.status() == str(status) and words in error.message(), error
        return
    raise AssertionError(f"not refused with {status}: {words}")


assert client.is_server_live() and client.is_server_ready()
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
assert client.is_model_ready("mlp") and client.is_model_ready("mlp", model_id)
assert not client.is_model_ready("nothing")
metadata = client.get_model_metadata("mlp")
assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 64]}], metadata
assert [o["name"] for o in metadata["outputs"]] == ["output", "codes"] and metadata["versions"] == [model_id]

# Every type of numbers means the numbers: the same codes, and so the same answers.
first = None
for dtype in ["float32", "float16", "float64", "uint8", "int8", "int64", "uint16"]:
    for is_binary in [True, False]:
        if dtype == "float16" and not is_binary:
            continue
        array = images[:3].astype(dtype)
        answer = client.infer("mlp", [tensor(array, is_binary)], headers=bearer(), request_id="r1")
        codes = answer.as_numpy("codes")
        first = codes if first is None else first
        assert codes.dtype == np.int8 and (codes == first).all(), dtype
        assert answer.get_response()["id"] == "r1"

# A batch, by version, outputs as JSON and as bytes.
outputs = [triton.InferRequestedOutput("output", binary_data=False), triton.InferRequestedOutput("codes")]
answer = client.infer("mlp", [tensor(images[:64])], model_version=model_id, headers=bearer(), outputs=outputs)
assert (answer.as_numpy("output").argmax(1) == labels[:64]).mean() > 0.9
ratio = answer.as_numpy("output") / np.where(answer.as_numpy("codes") == 0, 1, answer.as_numpy("codes"))
assert np.allclose(ratio[answer.as_numpy("codes") != 0], ratio.max()), "values are codes times a step"
parameters = answer.get_response()["parameters"]
tasks = json.loads(parameters["tasks"])
assert parameters["task_id"].split(",") == [t["task_id"] for t in tasks] and len(tasks) == 64
assert all(t["receipt"]["task_id"] == t["task_id"] for t in tasks)

# The proof is where the answer says, covers the output of its receipt, and is nobody else's to see.
task = tasks[5]
assert task["proof"] == f"{url}/v1/tasks/{task['task_id']}/proof"
proof = proven(task["task_id"])
assert proof["output_hash"] == task["receipt"]["output_hash"] and proof["output_hash"] in proof["instances"]
stranger = new_key("stranger", "0")
assert get(f"/v1/tasks/{task['task_id']}", stranger)[1]["code"] == "task_not_found"

# The budget is the deposit: two rows are paid, a third is refused, another label of the key has nothing more.
poor = new_key("poor", "0.02")
one = [tensor(images[:1])]
for _ in range(2):
    client.infer("mlp", one, headers=bearer(poor))
refused(402, "the escrow holds", lambda: client.infer("mlp", one, headers=bearer(poor)))
refused(402, "the escrow holds", lambda: client.infer("mlp", one, headers=bearer(new_key("poor.phone", "0"))))
three = lambda: client.infer("mlp", [tensor(images[:3])], headers=bearer(new_key("two", "0.02")))
refused(402, "2 of the rows were ordered", three)

# A restart forgets nothing: keys, budgets and tasks are as they were.
os.kill(told["pid gateway"], signal.SIGKILL)
deadline = time.monotonic() + 30
while True:
    try:
        assert client.is_server_ready()
        break
    except OSError:
        assert time.monotonic() < deadline, "the gateway does not come back"
        time.sleep(0.2)
assert proven(task["task_id"]) == proof
refused(402, "the escrow holds", lambda: client.infer("mlp", one, headers=bearer(poor)))

# What is wrong is refused, and said.
refused(401, "no API key", lambda: client.infer("mlp", one))
for wrong in ["x", key[:-1] + ("0" if key[-1] != "0" else "1"), key + "0", key.upper()]:
    refused(401, "unknown", lambda: client.infer("mlp", one, headers=bearer(wrong)))
refused(404, "there are: mlp", lambda: client.infer("nothing", one, headers=bearer()))
refused(404, "version", lambda: client.infer("mlp", one, model_version="1", headers=bearer()))
bad = {
    "no input x": tensor(images[:1], name="x"),
    "64 values": tensor(images[:1, :63]),
    "at most 64": tensor(images[:65]),
    "not finite": tensor(np.full((1, 64), np.nan, np.float32)),
}
for words, given in bad.items():
    refused(400, words, lambda: client.infer("mlp", [given], headers=bearer()))
refused(400, "no output z", lambda: client.infer("mlp", one, headers=bearer(), outputs=[triton.InferRequestedOutput("z")]))
refused(415, "gzip", lambda: client.infer("mlp", one, headers=bearer(), request_compression_algorithm="gzip"))

# A length that lies, and a body without end.
for headers, body, status in [
    ({"Inference-Header-Content-Length": "10000"}, b"{}", 400),
    ({"Inference-Header-Content-Length": "-1"}, b"{}", 400),
    ({}, b"[" * 100_000, 400),
    ({}, b"0" * (17 << 20), 413),
]:
    request = urllib.request.Request(f"{url}/v2/models/mlp/infer", body, bearer() | headers)
    try:
        urllib.request.urlopen(request)
        raise AssertionError(f"not refused: {headers}")
    except urllib.error.HTTPError as error:
        assert error.code == status and "error" in json.load(error), error
    except (urllib.error.URLError, ConnectionError):
        assert status == 413, "only a body that is too large may be cut off"
print("kserve: tritonclient is answered, and its tasks are proven")
