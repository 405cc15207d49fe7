"""openai, the stock client of OpenAI's interface, asks the gateway."""

import numpy as np
import openai
from network import images, key, labels, model_id, new_key, proven, url

client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)


def refused(kind, words, ask):
    try:
        ask()
    except kind as error:
        assert words in error.message, error
        return error
    raise AssertionError(f"not refused: {words}")


models = client.models.list().data
assert [m.id for m in models] == ["mlp"] and models[0].model_extra["deepnode"]["model_id"] == model_id
assert client.models.retrieve("mlp").object == "model"
refused(openai.NotFoundError, "there are: mlp", lambda: client.models.retrieve("nothing"))

# Vectors of numbers in, vectors of numbers out; the client asks for base64 by itself.
answer = client.embeddings.create(model="mlp", input=images[:8].tolist())
vectors = np.array([e.embedding for e in answer.data])
assert (vectors.argmax(1) == labels[:8]).mean() > 0.8 and [e.index for e in answer.data] == list(range(8))
floats = client.embeddings.create(model="mlp", input=images[0].tolist(), encoding_format="float")
assert np.allclose(floats.data[0].embedding, vectors[0])
integers = client.embeddings.create(model="mlp", input=[int(x) for x in images[0]])
assert np.allclose(integers.data[0].embedding, vectors[0])

# What proves it is in the body and in the headers.
raw = client.embeddings.with_raw_response.create(model="mlp", input=images[:2].tolist())
tasks = raw.parse().model_extra["deepnode"]["tasks"]
assert raw.headers["x-dn-task"].split(",") == [t["task_id"] for t in tasks] and len(tasks) == 2
assert proven(tasks[0]["task_id"])["output_hash"] == tasks[0]["receipt"]["output_hash"]

# No model has the shape of these, and that is said in OpenAI's form.
chat = lambda model: client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
error = refused(openai.BadRequestError, "/v1/chat/completions", lambda: chat("mlp"))
assert error.code == "unsupported_model" and error.param == "model" and error.type == "invalid_request_error", error
refused(openai.NotFoundError, "no model is called", lambda: chat("gpt"))
refused(openai.BadRequestError, "takes 64 numbers", lambda: client.completions.create(model="mlp", prompt="hello"))
refused(openai.BadRequestError, "/v1/responses", lambda: client.responses.create(model="mlp", input="hello"))
refused(openai.BadRequestError, "images", lambda: client.images.generate(model="mlp", prompt="hello"))
error = refused(openai.BadRequestError, "is text", lambda: client.embeddings.create(model="mlp", input="hello"))
assert error.code == "input_is_text", error
refused(openai.BadRequestError, "64", lambda: client.embeddings.create(model="mlp", input=[1.0]))
refused(openai.BadRequestError, "dimensions", lambda: client.embeddings.create(model="mlp", input=images[0].tolist(), dimensions=3))

ask = lambda of: of.embeddings.create(model="mlp", input=images[0].tolist())
refused(openai.AuthenticationError, "unknown", lambda: ask(client.with_options(api_key="dn-nobody-00")))
error = refused(openai.APIStatusError, "the escrow holds", lambda: ask(client.with_options(api_key=new_key("empty", "0"))))
assert error.status_code == 402 and error.type == "insufficient_quota", error
print("openai: the stock client has embeddings, and is told what no model does")
