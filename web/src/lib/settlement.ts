/**
 * All that depends on the settlement contracts: their calls and events. Nothing else in this folder knows an ABI but
 * `escrow.ts` (accounts) and `record.ts` (nodes); what the contracts hash is in `sdk/js/settlement.js`, what users and
 * workers sign in `sdk/js/order.js` and `sdk/js/receipt.js`.
 */
import { feeOf, isPaid, type Outcome, outcomesOf, placeOf } from "@sdk/settlement.js";
import { Contract, Interface, JsonRpcProvider, type LogDescription, keccak256, toBeHex } from "ethers";
import type { Batch, Chain } from "./api";

const ROLLUP = new Interface([
  "function verifier() view returns (address)",
  "function batch(uint64) view returns (tuple(bytes32 headerHash, uint8 status, uint32 settled))",
  "function isProven(uint64 batchId, uint256 index, tuple(address prover, bytes32[] slotHashes, bytes32[] leaves, uint256[] statement) opening) view returns (bool)",
  "function toBurn() view returns (uint128)",
  "event BatchProven(uint64 indexed batchId, bytes32 indexed modelId, address indexed prover, uint256 tasks, uint256 labelled, uint256 correct, uint256 marginSum)",
  "event ChunkSettled(uint64 indexed batchId, uint256 indexed chunk, uint256 outcomes)",
  "event ReceiptSlashed(uint64 indexed batchId, address indexed worker, address indexed reporter, bytes32 taskId, uint256 slashed, uint256 refunded)",
]);
const REGISTRY = new Interface([
  "function model(bytes32) view returns (tuple(bytes32 modelId, address vk, uint32 batchSlots, uint64 workUnits, uint128 price, bytes32 nullInputHash, address developer, string service))",
  "function isActive(bytes32) view returns (bool)",
  "function vkCodeHash(bytes32) view returns (bytes32)",
]);
const TOKEN = new Interface([
  "function totalSupply() view returns (uint256)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);
const STAKING = new Interface([
  "function stakeOf(uint8 role, address account) view returns (tuple(uint128 bonded, uint128 unbonding, uint64 releaseAt))",
]);
const VERIFIER = new Interface(["function verify(address vk, bytes proof, uint256[] instances) view returns (bool)"]);
/** By the name of the contract. */
export const INTERFACES = { InferenceRollup: ROLLUP, ModelRegistry: REGISTRY, DnToken: TOKEN, Staking: STAKING, DefaultVerifier: VERIFIER };

const STATUS = ["none", "committed", "proven", "expired"] as const;
const ZERO = "0x" + "00".repeat(32);
/** Blocks asked for at once. */
const RANGE = 10_000;

/** What the chain says of a model. */
export interface Registered {
  vk: string;
  /** Code of the key's contract. */
  code: string;
  /** Whether the code is that of the registration. */
  isUnchanged: boolean;
  slots: number;
  nullInput: bigint;
  isActive: boolean;
}

/** Where a chunk stands in its batch. */
export interface Opening {
  prover: string;
  slotHashes: string[];
  leaves: string[];
  statement: bigint[];
}

/** Sums over all blocks; amounts in token wei. */
export interface Paid {
  /** Tasks whose users have paid. */
  tasks: number;
  fees: bigint;
  /** Tasks that were proven and not charged. */
  uncharged: number;
  burnt: bigint;
  /** What the rollup has put aside to be burnt. */
  toBurn: bigint;
  slashes: number;
  labelled: number;
  correct: number;
  /** The last two by model. */
  quality: Record<string, Quality>;
}

/** Tasks with a label of proven batches, and how many of them were answered right. */
export interface Quality {
  labelled: number;
  correct: number;
}

/** A chain node. */
export class Settlement {
  readonly #provider: JsonRpcProvider;
  #paid: Paid = { tasks: 0, fees: 0n, uncharged: 0, burnt: 0n, toBurn: 0n, slashes: 0, labelled: 0, correct: 0, quality: {} };
  /** The first block that is not in the sums. */
  #next = 0;
  /** The price of each proven batch's tasks, by the chain's number. */
  readonly #prices = new Map<bigint, bigint>();

  constructor(
    rpc: string,
    readonly chain: Chain,
  ) {
    const url = new URL(rpc, location.href).href;
    this.#provider = new JsonRpcProvider(url, chain.chain_id, { staticNetwork: true });
  }

  #at(address: string, abi: Interface): Contract {
    return new Contract(address, abi, this.#provider);
  }

  /** For what is not asked here. */
  get provider(): JsonRpcProvider {
    return this.#provider;
  }

  /** Stops asking. */
  close() {
    this.#provider.destroy();
  }

  async model(id: string): Promise<Registered> {
    const registry = this.#at(this.chain.registry, REGISTRY);
    const [spec, isActive, hash] = await Promise.all([
      registry.getFunction("model")(id),
      registry.getFunction("isActive")(id),
      registry.getFunction("vkCodeHash")(id),
    ]);
    const code = await this.#provider.getCode(spec.vk);
    return {
      vk: spec.vk,
      code,
      isUnchanged: keccak256(code) === hash,
      slots: Number(spec.batchSlots),
      nullInput: BigInt(spec.nullInputHash),
      isActive,
    };
  }

  /** What the rollup keeps of a batch, by the chain's number. */
  async batch(id: number): Promise<{ headerHash: string; status: (typeof STATUS)[number] }> {
    const batch = await this.#at(this.chain.rollup, ROLLUP).getFunction("batch")(id);
    return { headerHash: batch.headerHash, status: STATUS[Number(batch.status)] ?? "none" };
  }

  /** Asks the contract that verifies for the rollup. */
  async verify(vk: string, proof: string, instances: bigint[]): Promise<boolean> {
    const verifier = await this.#at(this.chain.rollup, ROLLUP).getFunction("verifier")();
    return this.#at(verifier, VERIFIER).getFunction("verify")(vk, proof, instances);
  }

  /** Active stake of a node, in token wei. */
  async stake(role: "worker" | "prover", account: string): Promise<bigint> {
    const stake = await this.#at(this.chain.staking, STAKING).getFunction("stakeOf")(role === "worker" ? 0 : 1, account);
    return stake[0];
  }

  /** Whether the chunk at `index` of a proven batch has this statement, by the chain's number. */
  async isProven(id: number, index: number, opening: Opening): Promise<boolean> {
    return this.#at(this.chain.rollup, ROLLUP).getFunction("isProven")(id, index, opening);
  }

  /** What became of each task of a batch; `none` where its chunk is not settled yet. */
  async outcomes(batch: Batch, batchSlots: number): Promise<Outcome[]> {
    const chunks = new Map<number, Outcome[]>();
    const proof = batch.prove_tx === null ? null : await this.#provider.getTransactionReceipt(batch.prove_tx);
    const topics = [ROLLUP.getEvent("ChunkSettled")!.topicHash, toBeHex(batch.header?.batch_id ?? 0, 32)];
    const head = await this.#provider.getBlockNumber();
    // Chunks are settled with the proof or soon after it.
    for (let from = proof?.blockNumber ?? head + 1; from <= head && chunks.size < batch.chunks; from += RANGE) {
      const blocks = { fromBlock: from, toBlock: Math.min(head, from + RANGE - 1) };
      for (const log of await this.#provider.getLogs({ ...blocks, address: this.chain.rollup, topics })) {
        const { args } = ROLLUP.parseLog(log)!;
        chunks.set(Number(args.chunk), outcomesOf(args.outcomes));
      }
    }
    return Array.from({ length: batch.count }, (_, slot) => {
      const { chunk, place } = placeOf(batchSlots, slot);
      return chunks.get(chunk)?.[place] ?? "none";
    });
  }

  /** Fees of all tasks so far, what was burnt, and how labelled tasks were answered. Blocks are read once. */
  async paid(): Promise<Paid> {
    const paid = { ...this.#paid, quality: { ...this.#paid.quality } };
    const head = await this.#provider.getBlockNumber();
    const names = ["BatchProven", "ChunkSettled", "ReceiptSlashed"];
    const topics = [names.map((name) => ROLLUP.getEvent(name)!.topicHash)];
    const burns = [TOKEN.getEvent("Transfer")!.topicHash, null, ZERO];
    for (let from = this.#next; from <= head; from += RANGE) {
      const blocks = { fromBlock: from, toBlock: Math.min(head, from + RANGE - 1) };
      const [told, burnt] = await Promise.all([
        this.#provider.getLogs({ ...blocks, address: this.chain.rollup, topics }),
        this.#provider.getLogs({ ...blocks, address: this.chain.token, topics: burns }),
      ]);
      const events = told.map((log) => ROLLUP.parseLog(log)!);
      await this.#learnPrices(events);
      for (const event of events) this.#add(paid, event);
      for (const log of burnt) paid.burnt += TOKEN.parseLog(log)!.args.value;
    }
    paid.toBurn = await this.#at(this.chain.rollup, ROLLUP).getFunction("toBurn")();
    [this.#paid, this.#next] = [paid, head + 1];
    return paid;
  }

  /** A model's price is fixed by its registration. */
  async #learnPrices(events: LogDescription[]) {
    const batches = events.filter(({ name }) => name === "BatchProven").map(({ args }) => args);
    const registry = this.#at(this.chain.registry, REGISTRY);
    const models = [...new Set(batches.map(({ modelId }) => modelId as string))];
    const specs = await Promise.all(models.map((id) => registry.getFunction("model")(id)));
    for (const { batchId, modelId } of batches) this.#prices.set(batchId, specs[models.indexOf(modelId)].price);
  }

  #add(paid: Paid, { name, args }: LogDescription) {
    if (name === "BatchProven") {
      paid.labelled += Number(args.labelled);
      paid.correct += Number(args.correct);
      const before = paid.quality[args.modelId] ?? { labelled: 0, correct: 0 };
      paid.quality[args.modelId] = { labelled: before.labelled + Number(args.labelled), correct: before.correct + Number(args.correct) };
    }
    if (name === "ReceiptSlashed") paid.slashes += 1;
    if (name !== "ChunkSettled") return;
    const price = this.#prices.get(args.batchId)!;
    for (const outcome of outcomesOf(args.outcomes)) {
      if (outcome === "none") continue;
      if (isPaid(outcome)) paid.tasks += 1;
      else paid.uncharged += 1;
      paid.fees += feeOf(outcome, price);
    }
  }
}
