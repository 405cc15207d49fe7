/**
 * A client of a sequencer, in browsers and Node.js: asks, waits, holds every answer to what was asked, and verifies proofs
 * against the chain.
 *
 * @module client
 */
import { Contract, getBytes, hexlify, keccak256, randomBytes, toBeHex } from "ethers";
import { accessToken } from "./access.js";
import { quantise, dequantise } from "./codes.js";
import { outputCommitment } from "./commitment.js";
import { Unanswered, Untrue } from "./failure.js";
import { signedTasks, taskId } from "./order.js";
import { receiptSigner } from "./receipt.js";
import { bytesOf, eventsOf, once, pause, untilAnswered } from "./requests.js";
import { boundHeader, headerHash } from "./settlement.js";
import { Refusal, matchesContract, readProtocol, verify } from "./verify/verify.js";

export { Refused, Unanswered, Unreachable, Untrue } from "./failure.js";

/** How long an order is good, and an access token, in seconds; one with less than the last left is made anew. */
const LIFE_S = 3_600;
const LEAST_LEFT_S = 300;
const LONG_POLL_MS = 20_000;
const MARGIN_MS = 10_000;
const LOOK_MS = 300;
/** Most requests at once. */
const AT_ONCE = 32;
/** Nonces of one word, and words from which a program draws the first of its own: all of them stay exact as numbers. */
const WORD = 64;
const WORDS = 1n << 46n;
const ANSWERED = ["executed", "committed", "proven"];
const ENDED = ["proven", "refunded", "failed"];
/** A batch's status on the chain. */
const PROVEN = 2n;
const ROLLUP = [
  "function registry() view returns (address)",
  "function batch(uint64 batchId) view returns (tuple(bytes32 headerHash, uint8 status, uint32 settled))",
];
const REGISTRY = [
  "function model(bytes32 modelId) view returns (tuple(bytes32 modelId, address vk, uint32 batchSlots, uint64 workUnits, uint128 price, bytes32 nullInputHash, address developer, string service))",
  "function vkCodeHash(bytes32 modelId) view returns (bytes32)",
];

/**
 * @typedef {object} Model an entry of `GET /v1/models`
 * @property {string} model_id
 * @property {string} name
 * @property {string} service
 * @property {number} input_len
 * @property {number} output_len
 * @property {number[]} input_scale
 * @property {number[]} input_offset
 * @property {number[]} output_scale
 * @property {number[]} output_offset
 * @property {number} classes
 * @property {string} price token wei
 *
 * @typedef {object} Chain answer of `GET /v1/chain`
 * @property {number} chain_id
 * @property {string} rollup
 * @property {string} token
 * @property {string} registry
 * @property {string} staking
 * @property {string} sequencer
 *
 * @typedef {object} Event a change of a task's state; `seq` is its position in the log, from which a stream can go on
 * @property {number} seq
 * @property {string} task_id
 * @property {TaskState} state
 * @property {string | null} [reason]
 * @property {number | null} [batch_id]
 * @property {number} at_ms
 *
 * @typedef {"queued" | "assigned" | "executed" | "committed" | "proven" | "refunded" | "failed"} TaskState
 *
 * @typedef {object} Task as its user sees it
 * @property {string} task_id
 * @property {TaskState} state
 * @property {number[] | null} [output] int8 codes
 * @property {string | null} [output_hash]
 * @property {string | null} [proven_output_hash]
 * @property {import("./receipt.js").Receipt | null} [receipt]
 * @property {number | null} [batch_id]
 * @property {string | null} [tx_hash]
 * @property {string | null} [reason]
 *
 * @typedef {object} Asked a signed order, and what makes the answer one's own
 * @property {Model} model
 * @property {string} taskId
 * @property {bigint} salt
 * @property {any} body what `POST /v1/tasks` takes
 */

const now = () => Math.floor(Date.now() / 1000);
const same = (a, b) => a?.toLowerCase() === b?.toLowerCase();

function need(ok, reason) {
  if (!ok) throw new Untrue(reason);
}

/** What cannot be read is not what it is said to be; other errors are themselves. */
function reading(what, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Untrue || error instanceof Refusal) throw error;
    throw new Untrue(`what was served is no ${what}: ${error.message}`, { cause: error });
  }
}

const isCode = (x) => Number.isInteger(x) && x >= -128 && x <= 127;

/** What a package says of its codes: scales and offsets of inputs and outputs, and the length of an input. */
function codesOf(bytes) {
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + size));
  const header = JSON.parse(JSON.parse(text).__metadata__.deepnode);
  const ends = header.codes ?? [header.input_scale, header.output_scale].map((scale) => ({ scale: [scale], offset: [0] }));
  const { channels, height, width } = header.input;
  return [ends[0].scale, ends[0].offset, ends[1].scale, ends[1].offset, channels * height * width];
}

/** A sequencer, asked by an account that pays, or by an onlooker without a signer. */
export class Client {
  #url;
  #signer;
  #chain = null;
  #token = { text: "", until: 0 };
  #checked = new Set();
  #nonce = Number((1n + (BigInt(hexlify(randomBytes(8))) % WORDS)) * BigInt(WORD));

  /**
   * @param {string} url
   * @param {import("ethers").Signer} [signer] signs orders; a browser's wallet, or `new Wallet(key)`
   */
  constructor(url, signer) {
    this.#url = url.replace(/\/+$/, "");
    this.#signer = signer;
  }

  #payer() {
    if (!this.#signer) throw new TypeError("this client has no signer: new Client(url, signer) can ask and pay");
    return this.#signer;
  }

  /** Headers that show that the caller's tasks are its own. */
  async #leave() {
    if (!this.#signer) return {};
    if (this.#token.until < now() + LEAST_LEFT_S) {
      const until = now() + LIFE_S;
      this.#token = { text: await accessToken(await this.chain(), this.#signer, until), until };
    }
    return { authorization: `Bearer ${this.#token.text}` };
  }

  /** The rollup that the sequencer serves, asked once. @returns {Promise<Chain>} */
  async chain() {
    this.#chain ??= await once(`${this.#url}/v1/chain`);
    return this.#chain;
  }

  /** @returns {Promise<Model[]>} */
  models() {
    return once(`${this.#url}/v1/models`);
  }

  /**
   * The model with this id, name or service; the first of all without a wish.
   *
   * @param {string} [wanted]
   * @returns {Promise<Model>}
   */
  async model(wanted) {
    const models = await this.models();
    const isCalled = (m) => m.name === wanted || m.service === wanted;
    const found = models.find((m) => wanted === undefined || m.model_id === wanted) ?? models.find(isCalled);
    if (!found) throw new RangeError(`no model is called ${wanted}: there are ${models.map((m) => m.name).join(", ") || "none"}`);
    return found;
  }

  /** A model's package, checked against its id. @param {Model} model */
  async package(model) {
    const bytes = await bytesOf(`${this.#url}/v1/models/${model.model_id}/package`, { timeoutMs: 300_000 });
    need(same(keccak256(bytes), model.model_id), "the package does not hash to the model's id");
    return bytes;
  }

  /** Holds what a model's codes stand for to its package, which hashes to its id, once. @param {Model} model */
  async #check(model) {
    const told = [model.input_scale, model.input_offset, model.output_scale, model.output_offset, model.input_len];
    const key = JSON.stringify([model.model_id, told]);
    if (this.#checked.has(key)) return;
    const bytes = await this.package(model);
    const own = reading("package", () => codesOf(bytes));
    need(JSON.stringify(own) === JSON.stringify(told), `the package of ${model.name} says other scales than were served`);
    this.#checked.add(key);
  }

  /**
   * Signs an order for each input, at the model's price. Nothing is sent.
   *
   * @param {Model} model
   * @param {ArrayLike<number>[]} inputs values, row by row
   * @param {{labels?: (number | undefined)[], lifeS?: number}} [terms] classes that the answers should have, for statistics
   *   of one's own; seconds for which the orders are good
   * @returns {Promise<Asked[]>}
   */
  async ask(model, inputs, { labels = [], lifeS = LIFE_S } = {}) {
    if (labels.length > 0 && labels.length !== inputs.length) throw new RangeError(`${inputs.length} inputs have ${labels.length} labels`);
    const isClass = (x) => x === undefined || (Number.isInteger(x) && x >= 0 && x < 2 ** 16);
    if (!labels.every(isClass)) throw new RangeError("a label is the number of a class");
    this.#payer();
    await this.#check(model);
    const codes = { scale: model.input_scale, offset: model.input_offset };
    const asked = inputs.map((values, i) => {
      if (values.length !== model.input_len) throw new RangeError(`${model.name} takes ${model.input_len} values, not ${values.length}`);
      return { input: quantise(codes, values), ...(labels[i] !== undefined && { label: labels[i] }) };
    });
    const [chain, nonce] = [await this.chain(), this.#nonce];
    this.#nonce += asked.length;
    const bodies = await signedTasks(chain, model, this.#payer(), asked, { deadline: now() + lifeS, nonce });
    return bodies.map((body) => ({ model, body, salt: BigInt(body.salt), taskId: taskId(chain, body.order) }));
  }

  /**
   * Sends an order in. Sent again, it is the same task.
   *
   * @param {Asked} asked
   * @returns {Promise<Task>}
   */
  async submit(asked) {
    const headers = { "content-type": "application/json", "idempotency-key": String(asked.body.order.nonce) };
    const task = await untilAnswered(`${this.#url}/v1/tasks`, { method: "POST", headers, body: JSON.stringify(asked.body) });
    await this.#hold(asked, task);
    return task;
  }

  /**
   * Sends orders in at once. Each is taken or refused by itself.
   *
   * @param {Asked[]} asked
   * @returns {Promise<PromiseSettledResult<Task>[]>} in the order of the orders
   */
  async submitAll(asked) {
    const taken = [];
    for (let at = 0; at < asked.length; at += AT_ONCE) {
      taken.push(...(await Promise.allSettled(asked.slice(at, at + AT_ONCE).map((one) => this.submit(one)))));
    }
    return taken;
  }

  /** Holds a task to its order: the answer, the worker's receipt for it, and the commitment that was proven. */
  async #hold({ taskId, body, salt, model }, task) {
    need(task?.task_id === taskId, `${task?.task_id} is another order's task`);
    if (task.output === null || task.output === undefined) return;
    const { receipt } = task;
    need(Array.isArray(task.output) && task.output.every(isCode), "the output has something else than int8 codes");
    const own = toBeHex(outputCommitment(task.output, salt), 32);
    need(task.output_hash === own && receipt, "the answer is not the one that is committed to");
    const told = [receipt.task_id, receipt.model_id, receipt.input_hash, receipt.output_hash];
    const asked = [taskId, model.model_id, body.order.input_hash, own];
    need(told.every((x, i) => typeof x === "string" && same(x, asked[i])), "the receipt is one of another answer");
    const chain = await this.chain();
    const signer = reading("receipt", () => receiptSigner(chain, receipt));
    need(same(signer, receipt.worker), `the receipt is not signed by ${receipt.worker}`);
    need(task.state !== "proven" || task.proven_output_hash === own, "another answer is proven than the one that was given");
  }

  /**
   * A task, waited for a while for its answer, which its user alone is told.
   *
   * @param {string} id
   * @param {number} [waitMs]
   * @param {number} [patienceMs] how long it is asked again while the sequencer cannot be reached or is busy
   * @returns {Promise<Task>}
   */
  async task(id, waitMs = 0, patienceMs = undefined) {
    const headers = await this.#leave();
    const request = { headers, timeoutMs: waitMs + MARGIN_MS };
    return untilAnswered(`${this.#url}/v1/tasks/${id}?wait_ms=${Math.floor(waitMs)}`, request, patienceMs);
  }

  /**
   * Waits for an answer, and holds it to its order.
   *
   * @param {Asked} asked
   * @param {number} [timeoutMs]
   * @returns {Promise<Task & {output: number[]}>}
   * @throws {Unanswered} where there is none in time
   * @throws {Untrue} where it is not what the order asked for
   */
  answered(asked, timeoutMs = 60_000) {
    return this.#until(asked, timeoutMs, (task) => ANSWERED.includes(task.state), LONG_POLL_MS);
  }

  /**
   * Waits until the chain has accepted a proof of the answer.
   *
   * @param {Asked} asked
   * @param {number} [timeoutMs]
   * @returns {Promise<Task & {output: number[]}>}
   */
  proven(asked, timeoutMs = 600_000) {
    return this.#until(asked, timeoutMs, (task) => task.state === "proven", 0);
  }

  async #until(asked, timeoutMs, isThere, poll) {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const [askedAt, left] = [Date.now(), Math.max(deadline - Date.now(), 0)];
      const task = await this.task(asked.taskId, Math.min(poll, left), left);
      await this.#hold(asked, task);
      if (isThere(task)) {
        if (task.output) return task;
        throw new Unanswered(`task ${asked.taskId} is ${task.state}, and its answer is not told: it may be forgotten`);
      }
      if (ENDED.includes(task.state) || Date.now() >= deadline) {
        throw new Unanswered(`task ${asked.taskId} is ${task.state}${task.reason ? `: ${task.reason}` : ""}`);
      }
      // It waits by itself, if it is one that does.
      await pause(Math.max(LOOK_MS - (Date.now() - askedAt), 0));
    }
  }

  /**
   * Asks and waits for the answer: attested by the worker's receipt, proven later.
   *
   * @param {Model} model
   * @param {ArrayLike<number>} values
   * @returns {Promise<{asked: Asked, task: Task & {output: number[]}, values: number[]}>}
   */
  async infer(model, values) {
    const [asked] = await this.ask(model, [values]);
    const task = await this.submit(asked);
    const answer = task.output ? task : await this.answered(asked);
    return { asked, task: answer, values: dequantise({ scale: model.output_scale, offset: model.output_offset }, answer.output) };
  }

  /**
   * Shows that an order's answer is proven, believing a node of the chain and nobody else: key and header are read there,
   * the proof is verified here and must say of the order's input the answer that was given.
   *
   * @param {Asked} asked
   * @param {import("ethers").Provider} provider a node of the chain
   * @param {string} [rollup] the contract; without it the one that the sequencer names, which is then believed about that
   * @returns {Promise<import("./verify/statement.js").Statement>}
   */
  async verified(asked, provider, rollup) {
    const task = await this.proven(asked, 0);
    const id = asked.model.model_id;
    const contract = new Contract(rollup ?? (await this.chain()).rollup, ROLLUP, provider);
    const registry = new Contract(await contract.registry(), REGISTRY, provider);
    const [registered, codeHash] = await Promise.all([registry.model(id), registry.vkCodeHash(id)]);
    const code = await provider.getCode(registered.vk);
    const key = readProtocol(await once(`${this.#url}/v1/models/${id}/protocol`));
    need(keccak256(code) === codeHash, "the key's contract has another code than when the model was registered");
    need(matchesContract(key, code), "the key that is served is not the one on the chain");
    const base = `${this.#url}/v1/batches/${task.batch_id}`;
    const [batch, proof] = await Promise.all([once(base), once(`${base}/proof`)]);
    const header = reading("batch", () => headerHash(batch.header));
    const kept = await contract.batch(batch.header.batch_id);
    need(kept.headerHash === header && kept.status === PROVEN, "the chain does not say that this batch is proven");
    need(same(batch.header.model_id, id), "the batch is one of another model");
    const [instances, bytes] = reading("proof", () => [proof.instances.map(BigInt), getBytes(proof.proof)]);
    const statement = verify(key, instances, bytes);
    need(statement.header === boundHeader(header, batch.prover), "the proof is one of another batch");
    const [input, output] = [BigInt(asked.body.order.input_hash), outputCommitment(task.output, asked.salt)];
    const isSaid = (x, i) => i < statement.count && x === input && statement.outputs[i] === output;
    need(statement.inputs.some(isSaid), "the proof does not say this answer");
    return statement;
  }

  /**
   * Changes of a task from its beginning, or of all tasks from now on or from a position; without an end.
   *
   * @param {{taskId?: string, after?: number}} [which]
   * @returns {AsyncGenerator<Event>}
   */
  events({ taskId, after } = {}) {
    const path = taskId === undefined ? "/v1/events" : `/v1/tasks/${taskId}/events`;
    return eventsOf(this.#url + path + (after === undefined ? "" : `?after=${after}`));
  }

  /** The nodes that the sequencer knows, with their trust weights. @returns {Promise<any[]>} */
  nodes() {
    return once(`${this.#url}/v1/nodes`);
  }
}
