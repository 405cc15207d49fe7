/** The JavaScript package asks a sequencer, waits for proofs and verifies them itself; its README word by word. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Client, Refused, Untrue } from "../../sdk/js/client.js";
import { JsonRpcProvider, Wallet } from "../../sdk/js/node_modules/ethers/lib.esm/index.js";

const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const key = readFileSync(`${told.state}/keys/user-1.key`, "utf8").trim();
const pool = readFileSync("models/digits/pool.jsonl", "utf8").trim().split("\n");
const examples = pool.map((line) => JSON.parse(line));
const images = examples.map(({ x }) => x);
const MANY = 70;
const PATIENCE_MS = 60_000;

const provider = new JsonRpcProvider(told.rpc);
const client = new Client(told.sequencer, new Wallet(key));
const model = await client.model("mlp");
const classOf = (codes) => codes.indexOf(Math.max(...codes));
const isRight = ({ output }, i) => classOf(output) === examples[i].y;

const { asked, task, values } = await client.infer(model, images[0]);
assert.ok(isRight(task, 0) && values.length === 10);
const many = await client.ask(model, images.slice(0, MANY), { labels: examples.slice(0, MANY).map(({ y }) => y) });
assert.ok((await client.submitAll(many)).every(({ status }) => status === "fulfilled"));
const answers = await Promise.all(many.map((one) => client.answered(one)));
assert.ok(answers.filter(isRight).length >= 0.9 * MANY);
assert.equal((await client.submit(many[0])).task_id, many[0].taskId);

await client.proven(asked, PATIENCE_MS);
const { rollup, token } = await client.chain();
assert.ok((await client.verified(asked, provider, rollup)).count >= 1);
await client.proven(many.at(-1), PATIENCE_MS);
assert.ok((await client.verified(many.at(-1), provider)).score.labelled > 0);
assert.ok((await client.package(model)).length > 1000 && (await client.nodes()).length > 0);

await assert.rejects(client.verified(asked, provider, token));
await assert.rejects(client.verified({ ...asked, salt: asked.salt + 1n }, provider), Untrue);
await assert.rejects(client.answered({ ...asked, taskId: many[0].taskId }), Untrue);
const [late] = await client.ask(model, [images[0]], { lifeS: -5 });
await assert.rejects(client.submit(late), (error) => error instanceof Refused && /deadline/.test(error.message));
const [other] = await client.ask(model, [images[0]]);
await assert.rejects(client.submit({ ...other, body: { ...other.body, signature: asked.body.signature } }), Refused);
await assert.rejects(new Client(told.sequencer, Wallet.createRandom()).infer(model, images[0]), /escrow/);
assert.equal((await new Client(told.sequencer).task(asked.taskId)).output ?? null, null);

const states = [];
for await (const { state } of client.events({ taskId: asked.taskId })) {
  states.push(state);
  if (state === "proven") break;
}
assert.ok(states[0] === "queued" && states.includes("executed"), states.join());

const readme = readFileSync("sdk/js/README.md", "utf8");
const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code.replace(/^import .*$/gm, ""));
const here = { "http://127.0.0.1:8080": told.sequencer, "http://127.0.0.1:8545": told.rpc, "0x...": key, '"digits"': '"mlp"' };
const program = Object.entries(here).reduce((code, [there, ours]) => code.replaceAll(there, ours), blocks.join("\n"));
const AsyncFunction = (async () => {}).constructor;
const lines = [];
const run = new AsyncFunction("Client", "JsonRpcProvider", "Wallet", "console", "image", "images", `${program}\nreturn answers;`);
const found = await run(Client, JsonRpcProvider, Wallet, { log: (line) => lines.push(line) }, images[1], images.slice(0, 5));
assert.ok(found.every(isRight) && lines.length === 6);
provider.destroy();
console.log(`javascript: ${MANY + 7} answers held to their orders, three of them verified against the chain`);
