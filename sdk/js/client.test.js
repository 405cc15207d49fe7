import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Wallet, keccak256 } from "ethers";
import { Client, Refused, Unanswered, Unreachable, Untrue } from "./client.js";
import { dequantise, quantise } from "./codes.js";
import { outputCommitment } from "./commitment.js";
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

/** A package that says of its codes what a model says. */
function packaged(model) {
  const codes = [{ scale: model.input_scale, offset: model.input_offset }, { scale: model.output_scale, offset: model.output_offset }];
  const header = JSON.stringify({ codes, input: { channels: model.input_len, height: 1, width: 1 } });
  const text = new TextEncoder().encode(JSON.stringify({ __metadata__: { deepnode: header } }));
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const codes = { input_scale: [1], input_offset: [0], output_scale: [1], output_offset: [0] };
function modelOf(length) {
  const model = { ...codes, name: "m", price: "1", input_len: length };
  const bytes = packaged(model);
  return { model: { ...model, model_id: keccak256(bytes) }, bytes: [200, {}, bytes] };
}
const CHAIN = { chain_id: 1, rollup: "0x" + "a1".repeat(20) };
const chainTold = [200, {}, JSON.stringify(CHAIN)];

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
  const client = new Client(url);
  await assert.rejects(client.ask(modelOf(1).model, [[1]]), /no signer/);
  tell([200, {}, "[]"]);
  await assert.rejects(client.model("digits"), /digits/);
});

test("another task than was asked for is refused", async () => {
  const { model, bytes } = modelOf(2);
  const client = new Client(url, Wallet.createRandom());
  tell(bytes, chainTold);
  const [asked] = await client.ask(model, [[1, 2]]);
  const submit = (task) => {
    tell([200, {}, JSON.stringify(task)]);
    return client.submit(asked);
  };
  await assert.rejects(submit({ task_id: "0x" + "12".repeat(32), state: "executed" }), /another order's task/);
  await assert.rejects(submit(null), Untrue);
  const receipt = { task_id: asked.taskId, model_id: model.model_id, input_hash: asked.body.order.input_hash, output_hash: asked.taskId, started_at_ms: 1, finished_at_ms: 2, signature: asked.body.signature };
  assert.notEqual(receiptSigner(CHAIN, receipt), asked.body.order.user.toLowerCase());
  const task = { task_id: asked.taskId, state: "executed", output_hash: asked.taskId, receipt };
  await assert.rejects(submit({ ...task, output: [1] }), /not the one that is committed to/);
  for (const output of [[1.5], [300], ["1"], [true], 5]) await assert.rejects(submit({ ...task, output }), /int8 codes/);
  const own = "0x" + outputCommitment([1], asked.salt).toString(16).padStart(64, "0");
  const signed = { ...receipt, output_hash: own, signature: "0x12" };
  await assert.rejects(submit({ ...task, output: [1], output_hash: own, receipt: signed }), Untrue);
});

test("a task without an answer is not answered", async () => {
  const { model, bytes } = modelOf(1);
  const client = new Client(url, Wallet.createRandom());
  tell(bytes, chainTold);
  const [asked] = await client.ask(model, [[1]]);
  for (const [state, wait] of [["executed", "answered"], ["proven", "proven"], ["failed", "answered"], ["queued", "proven"]]) {
    tell([200, {}, JSON.stringify({ task_id: asked.taskId, state })]);
    await assert.rejects(client[wait](asked, 0), Unanswered, state);
  }
});

test("what codes stand for is the package's word", async () => {
  const { model, bytes } = modelOf(1);
  for (const wrong of [{ output_scale: [-1] }, { input_scale: [2] }, { input_len: 2 }]) {
    tell(bytes);
    await assert.rejects(new Client(url, Wallet.createRandom()).ask({ ...model, ...wrong }, [[1]]), /other scales/);
  }
  tell([200, {}, "no package"]);
  await assert.rejects(new Client(url, Wallet.createRandom()).ask(model, [[1]]), /does not hash/);
});

test("orders of one client follow each other; those of two do not meet", async () => {
  const { model, bytes } = modelOf(1);
  const [one, other] = [new Client(url, Wallet.createRandom()), new Client(url, Wallet.createRandom())];
  tell(bytes, chainTold);
  const many = await one.ask(model, Array(70).fill([1]));
  assert.equal(new Set(many.map(({ body }) => body.signature)).size, 2);
  assert.equal(new Set(many.map(({ taskId }) => taskId)).size, 70);
  const first = many[0].body.order.nonce;
  assert.ok(first % 64 === 0 && Number.isSafeInteger(first + 70));
  assert.equal((await one.ask(model, [[1]]))[0].body.order.nonce, first + 70);
  tell(bytes, chainTold);
  assert.ok(Math.abs((await other.ask(model, [[1]]))[0].body.order.nonce - first) > 2 ** 20);
  await assert.rejects(one.ask(model, [[1]], { labels: [1, 2] }), /labels/);
  for (const label of ["1", null, -1, 2 ** 16]) await assert.rejects(one.ask(model, [[1]], { labels: [label] }), RangeError);
});

test("events are read from their stream", async () => {
  const event = (seq) => `id: ${seq}\ndata: {"seq": ${seq}, "state": "queued"}\n\n`;
  tell([200, { "content-type": "text/event-stream" }, ": hello\n\n" + event(7) + event(8)]);
  const found = [];
  for await (const { seq } of new Client(url).events({ taskId: "0x1", after: 6 })) found.push(seq);
  assert.deepEqual([found, heard], [[7, 8], ["/v1/tasks/0x1/events?after=6"]]);
});
