/** Verify it yourself: what a batch claims, checked step by step with as little trust as possible. */
import { orderSigner, taskId } from "@sdk/order.js";
import { receiptSigner } from "@sdk/receipt.js";
import { boundHeader, headerHash, openings, slotsHash } from "@sdk/settlement.js";
import { matchesContract, readProtocol, readStatement, verify } from "@sdk/verify/verify.js";
import type { Batch, Chain, Header, Proof } from "./api";
import type { Opening, Registered } from "./settlement";

export const STEPS = ["key", "header", "slots", "orders", "statement", "proof", "receipts", "contract", "kept"] as const;
export type StepName = (typeof STEPS)[number];
/** `skipped`: no chain node is known, or it does not answer. */
export type Verdict = "ok" | "bad" | "skipped";

export interface Step {
  name: StepName;
  verdict: Verdict;
  /** What failed, in the words of the library. */
  reason: string | null;
  ms: number;
}

/** A way to spoil what is served, to see it refused. */
export const SPOILS = ["none", "proof", "output", "order"] as const;
export type Spoil = (typeof SPOILS)[number];

/** What the chain is asked. */
export interface ChainNode {
  model(id: string): Promise<Registered>;
  batch(id: number): Promise<{ headerHash: string; status: string }>;
  verify(vk: string, proof: string, instances: bigint[]): Promise<boolean>;
  isProven(id: number, index: number, opening: Opening): Promise<boolean>;
}

export interface Claim {
  chain: Chain;
  batch: Batch;
  proof: Proof;
  protocol: object;
}

/** A check whose failure says why. */
function need(ok: boolean, reason: string): void {
  if (!ok) throw new Error(reason);
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

function flipped(hex: string, at: number): string {
  const digit = (parseInt(hex[at]!, 16) ^ 1).toString(16);
  return hex.slice(0, at) + digit + hex.slice(at + 1);
}

/** The claim with one bit of the proof, one answer or one order changed. */
export function spoiled(claim: Claim, spoil: Spoil): Claim {
  const changed = structuredClone(claim);
  const { proof, batch } = changed;
  if (spoil === "proof") proof.proof = flipped(proof.proof, proof.proof.length - 200);
  if (spoil === "output") {
    const at = proof.instances.length - readStatement(proof.instances.map(BigInt)).outputs.length;
    proof.instances[at] = flipped(proof.instances[at]!, 65);
  }
  const first = batch.slots[0];
  if (spoil === "order" && first) first.order.nonce += 1;
  return changed;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: (hex.length - 2) / 2 }, (_, i) => parseInt(hex.slice(2 + 2 * i, 4 + 2 * i), 16));
}

/** Signatures checked before the page is drawn again. */
const AT_ONCE = 32;

async function* drawn<T>(items: T[]): AsyncGenerator<[number, T]> {
  for (const [i, item] of items.entries()) {
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setTimeout(resolve));
    yield [i, item];
  }
}

/** One batch under examination. */
class Examination {
  readonly #instances: bigint[];
  #registered: Promise<Registered> | null = null;

  constructor(
    readonly claim: Claim,
    readonly node: ChainNode | null,
  ) {
    this.#instances = claim.proof.instances.map(BigInt);
  }

  get #model(): Promise<Registered> {
    this.#registered ??= this.node!.model(this.claim.batch.model_id);
    return this.#registered;
  }

  /** The key that is served is the one that the chain verifies with. */
  async key() {
    const model = await this.#model;
    need(model.isUnchanged, "the key's contract has another code than when it was registered");
    need(matchesContract(readProtocol(this.claim.protocol), model.code), "the key served is not the one on chain");
  }

  get #header(): Header {
    const { header } = this.claim.batch;
    if (header === null) throw new Error("the batch has no header yet");
    return header;
  }

  /** Whose proof it is. */
  get #prover(): string {
    const { prover } = this.claim.batch;
    if (prover === null) throw new Error("the batch names no prover");
    return prover;
  }

  /** The rollup has this header, says that it is proven, and the proof is bound to it and to its prover. */
  async header() {
    const hash = headerHash(this.#header);
    const kept = await this.node!.batch(this.#header.batch_id);
    need(same(kept.headerHash, hash), "the rollup keeps another header");
    need(kept.status === "proven", `the rollup says: ${kept.status}`);
    need(this.#instances[1] === boundHeader(hash, this.#prover), "the proof is about another header, or another prover's");
  }

  async slots() {
    const { slots, count } = this.claim.batch;
    const { inputs } = readStatement(this.#instances);
    need(slots.length === count && this.#instances[2] === BigInt(count), "the number of tasks differs");
    need(same(slotsHash(inputs.length, slots), this.#header.slots_hash), "the header names other orders or workers");
  }

  /** Each task is what its user signed, and the proof is about its input. */
  async orders() {
    const { batch, chain } = this.claim;
    const { inputs } = readStatement(this.#instances);
    for await (const [i, slot] of drawn(batch.slots)) {
      const { task_id, order } = slot;
      need(same(taskId(chain, order), task_id), `slot ${i}: the order is another task's`);
      need(same(orderSigner(chain, slot), order.user), `slot ${i}: the user has not signed`);
      need(same(order.model_id, batch.model_id), `slot ${i}: the order is for another model`);
      need(BigInt(order.input_hash) === inputs[i], `slot ${i}: the proof is about another input`);
    }
  }

  /** An honest batch can have these public inputs; slots without a task have the model's null input. */
  async statement() {
    const { inputs, count } = readStatement(this.#instances);
    if (this.node === null || count === inputs.length) return;
    const { nullInput, slots } = await this.#model;
    need(inputs.length === slots, "the model's batches have another number of slots");
    need(inputs.slice(count).every((input) => input === nullInput), "an unused slot has an input of its own");
  }

  async proof() {
    verify(readProtocol(this.claim.protocol), this.#instances, bytesOf(this.claim.proof.proof));
  }

  /** Each worker signed the answer that the proof shows to be right. */
  async receipts() {
    const { outputs } = readStatement(this.#instances);
    for await (const [i, { task_id, worker, receipt }] of drawn(this.claim.batch.slots)) {
      need(receiptSigner(this.claim.chain, receipt) === worker.toLowerCase(), `slot ${i}: the worker has not signed`);
      need(same(receipt.task_id, task_id), `slot ${i}: the receipt is another task's`);
      need(BigInt(receipt.output_hash) === outputs[i], `slot ${i}: the worker signed another answer`);
    }
  }

  /** The Solidity verifier's word, by a call that changes nothing. */
  async contract() {
    const { vk } = await this.#model;
    need(await this.node!.verify(vk, this.claim.proof.proof, this.#instances), "the contract refuses the proof");
  }

  /** What the rollup keeps since the proof: the statement of every chunk, and whose proof it was. */
  async kept() {
    for (const [chunk, opening] of openings(this.#instances, this.claim.batch.slots, this.#prover).entries()) {
      const isProven = await this.node!.isProven(this.#header.batch_id, chunk, opening);
      need(isProven, `the rollup keeps another statement of chunk ${chunk}, or another prover`);
    }
  }
}

const NEEDS_NODE: readonly StepName[] = ["key", "header", "contract", "kept"];

/** Runs all steps in order; without a chain node those that ask it are skipped. */
export async function* examine(claim: Claim, node: ChainNode | null): AsyncGenerator<Step> {
  const examination = new Examination(claim, node);
  for (const name of STEPS) {
    const start = performance.now();
    const step = (verdict: Verdict, reason: string | null): Step => ({ name, verdict, reason, ms: performance.now() - start });
    if (node === null && NEEDS_NODE.includes(name)) {
      yield step("skipped", null);
      continue;
    }
    try {
      await examination[name]();
      yield step("ok", null);
    } catch (error) {
      const failure = error as { code?: string; message: string; shortMessage?: string };
      const isUnreachable = failure.code === "NETWORK_ERROR" || failure.code === "SERVER_ERROR";
      yield step(isUnreachable ? "skipped" : "bad", failure.shortMessage ?? failure.message);
    }
  }
}
