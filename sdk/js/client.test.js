import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Wallet } from "ethers";
import { Client, Refused, Unreachable } from "./client.js";
import { dequantise, quantise } from "./codes.js";
import { receiptSigner } from "./receipt.js";

const PROBLEM = { type: "t", title: "t", code: "bad_input", detail: "wrong", hint: "do it right" };
const told = [];
const heard = [];
const server = createServer((request, response) => {
  heard.push(request.url);
  const [status, headers, body] = told.shift();
  response.writeHead(status, headers).end(body);
});
let url;
before(async () => {
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${server.address().port}/`;
});
after(() => server.close());

const tell = (...answers) => {
  told.splice(0, told.length, ...answers);
  heard.length = 0;
};

test("codes are those of the importer, in numbers of 32 bits", () => {
  assert.deepEqual(quantise({ scale: [10], offset: [0] }, [-1, 4.9, 25, 35]), [0, 0, 3, 4]);
  assert.deepEqual(quantise({ scale: [1, 2], offset: [0, 1] }, [1, 2, 3, 5]), [1, 2, 1, 2]);
  assert.deepEqual(quantise({ scale: [10], offset: [0] }, [1e9, -1e9, 1270, -1281]), [127, -128, 127, -128]);
  // Numbers of 64 bits come to 2 and 39.
  assert.deepEqual([0.34, 0.056].map((scale, i) => quantise({ scale: [scale], offset: [0] }, [[0.85, 2.156][i]])[0]), [3, 38]);
  assert.deepEqual(dequantise({ scale: [2, 4], offset: [1, 0] }, [3, -1]), [7, -4]);
  for (const value of [NaN, Infinity, -Infinity]) assert.throws(() => quantise({ scale: [1], offset: [0] }, [value]), RangeError);
});

test("a busy sequencer is asked again", async () => {
  const busy = [429, { "retry-after": "0" }, JSON.stringify(PROBLEM)];
  tell(busy, [502, {}, "<html>"], [200, {}, '{"task_id": "0x1", "state": "queued"}']);
  assert.equal((await new Client(url).task("0x1")).state, "queued");
  assert.deepEqual(heard, Array(3).fill("/v1/tasks/0x1?wait_ms=0"));
});

test("a refusal is told once, with its hint", async () => {
  tell([422, {}, JSON.stringify(PROBLEM)]);
  const isIt = (error) => error instanceof Refused && error.status === 422 && error.code === "bad_input" && /do it right/.test(error.message);
  await assert.rejects(new Client(url).task("0x1"), isIt);
});

test("what is no sequencer, and nobody, are told", async () => {
  for (const [answer, isLost] of [[[200, {}, "hello"], true], [[404, {}, "[]"], false], [[504, {}, ""], true]]) {
    tell(answer);
    await assert.rejects(new Client(url).models(), (error) => error instanceof Unreachable && error.isLost === isLost);
  }
  const nobody = createServer();
  await new Promise((done) => nobody.listen(0, "127.0.0.1", done));
  const { port } = nobody.address();
  await new Promise((done) => nobody.close(done));
  await assert.rejects(new Client(`http://127.0.0.1:${port}`).models(), (error) => error instanceof Unreachable && !error.isLost);
});

test("who has no signer cannot pay, and no model is made up", async () => {
  tell([200, {}, JSON.stringify({ chain_id: 1, rollup: "0x" + "a1".repeat(20) })], [200, {}, "[]"]);
  const client = new Client(url);
  await assert.rejects(client.ask({ input_len: 1, input_scale: [1], input_offset: [0] }, [[1]]), /no signer/);
  await assert.rejects(client.model("digits"), /digits/);
});

test("another task than was asked for is refused", async () => {
  const chain = { chain_id: 1, rollup: "0x" + "a1".repeat(20) };
  const task = { task_id: "0x" + "12".repeat(32), state: "executed" };
  tell([200, {}, JSON.stringify(chain)], [200, {}, JSON.stringify(task)]);
  const client = new Client(url, Wallet.createRandom());
  const model = { model_id: "0x" + "5c".repeat(32), price: "1", input_len: 2, input_scale: [1], input_offset: [0] };
  const [asked] = await client.ask(model, [[1, 2]]);
  await assert.rejects(client.submit(asked), /another order's task/);
  const receipt = { task_id: asked.taskId, model_id: model.model_id, input_hash: asked.body.order.input_hash, output_hash: asked.taskId, started_at_ms: 1, finished_at_ms: 2, signature: asked.body.signature };
  assert.notEqual(receiptSigner(chain, receipt), asked.body.order.user.toLowerCase());
  tell([200, {}, JSON.stringify({ task_id: asked.taskId, state: "executed", output: [1], output_hash: asked.taskId, receipt })]);
  await assert.rejects(client.submit(asked), /not the one that is committed to/);
});

test("orders of one client follow each other; those of two do not meet", async () => {
  const chain = [200, {}, JSON.stringify({ chain_id: 1, rollup: "0x" + "a1".repeat(20) })];
  tell(chain, chain);
  const model = { model_id: "0x" + "5c".repeat(32), price: "1", input_len: 1, input_scale: [1], input_offset: [0] };
  const [one, other] = [new Client(url, Wallet.createRandom()), new Client(url, Wallet.createRandom())];
  const many = await one.ask(model, Array(70).fill([1]));
  assert.equal(new Set(many.map(({ body }) => body.signature)).size, 2);
  assert.equal(new Set(many.map(({ taskId }) => taskId)).size, 70);
  const first = many[0].body.order.nonce;
  assert.ok(first % 64 === 0 && Number.isSafeInteger(first + 70));
  assert.equal((await one.ask(model, [[1]]))[0].body.order.nonce, first + 70);
  assert.ok(Math.abs((await other.ask(model, [[1]]))[0].body.order.nonce - first) > 2 ** 20);
});

test("events are read from their stream", async () => {
  const event = (seq) => `id: ${seq}\ndata: {"seq": ${seq}, "state": "queued"}\n\n`;
  tell([200, { "content-type": "text/event-stream" }, ": hello\n\n" + event(7) + event(8)]);
  const found = [];
  for await (const { seq } of new Client(url).events({ taskId: "0x1", after: 6 })) found.push(seq);
  assert.deepEqual([found, heard], [[7, 8], ["/v1/tasks/0x1/events?after=6"]]);
});
