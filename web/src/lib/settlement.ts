/**
 * All that depends on the settlement contracts: their calls and events, the header of a batch, the form of orders and
 * receipts. Nothing else in this folder knows an ABI.
 */
import {
  AbiCoder,
  Contract,
  Interface,
  JsonRpcProvider,
  type LogDescription,
  TypedDataEncoder,
  keccak256,
  verifyTypedData,
} from "ethers";
import type { Chain, Header, Order, Receipt, Slot } from "./api";

const ROLLUP = new Interface([
  "function verifier() view returns (address)",
  "function batch(uint64) view returns (tuple(bytes32 headerHash, uint64 committedAt, uint64 deadline, uint8 status))",
  "event TaskSettled(bytes32 indexed taskId, uint64 indexed batchId, address indexed worker, address user, bytes32 outputHash, uint256 fee)",
  "event BatchProven(uint64 indexed batchId, bytes32 indexed modelId, address indexed prover, uint256 tasks, uint256 paidTasks, uint256 probeCount, uint256 probeCorrect, uint256 marginSum)",
  "event TaskUnpaid(bytes32 indexed taskId, uint64 indexed batchId, address indexed user, bytes32 outputHash, uint256 fee)",
  "event ReceiptSlashed(bytes32 indexed taskId, address indexed worker, address indexed reporter, uint256 slashed, uint256 refunded)",
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

const STATUS = ["none", "committed", "proven", "expired"] as const;
const ZERO = "0x" + "00".repeat(32);
/** A hash below the field's order: without its three highest bits. */
const HEADER_MASK = (1n << 253n) - 1n;
/** Blocks asked for at once. */
const RANGE = 10_000;

const ORDER = {
  Order: [
    { name: "user", type: "address" },
    { name: "modelId", type: "bytes32" },
    { name: "inputHash", type: "bytes32" },
    { name: "maxFee", type: "uint128" },
    { name: "deadline", type: "uint64" },
    { name: "nonce", type: "uint64" },
    { name: "tag", type: "bytes32" },
  ],
};
const RECEIPT = {
  Receipt: [
    { name: "taskId", type: "bytes32" },
    { name: "modelId", type: "bytes32" },
    { name: "inputHash", type: "bytes32" },
    { name: "outputHash", type: "bytes32" },
    { name: "startedAtMs", type: "uint64" },
    { name: "finishedAtMs", type: "uint64" },
  ],
};

const domain = (chain: Chain) => ({
  name: "deepnode",
  version: "1",
  chainId: chain.chain_id,
  verifyingContract: chain.rollup,
});

/** Keccak-256 of a batch's header, as the rollup keeps it. */
export function headerHash(h: Header): string {
  const types = ["uint256", "address", "uint64", "bytes32", "bytes32", "address", "uint64"];
  const values = [h.chain_id, h.rollup, h.batch_id, h.model_id, h.slots_hash, h.prover, h.deadline];
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, values));
}

/** The public input that binds a proof to a header. */
export const headerInput = (hash: string) => BigInt(hash) & HEADER_MASK;

/** What a header says of its slots. */
export function slotsHash(slots: Slot[]): string {
  const values = slots.map((slot) => [slot.task_id, slot.worker]);
  return keccak256(AbiCoder.defaultAbiCoder().encode(["tuple(bytes32,address)[]"], [values]));
}

const orderOf = (o: Order) => ({
  user: o.user,
  modelId: o.model_id,
  inputHash: o.input_hash,
  maxFee: BigInt(o.max_fee),
  deadline: o.deadline,
  nonce: o.nonce,
  tag: o.tag,
});

/** The task that an order stands for. */
export const taskOf = (chain: Chain, order: Order) => TypedDataEncoder.hash(domain(chain), ORDER, orderOf(order));

/** Who signed an order, in lower case. */
export const signerOf = (chain: Chain, order: Order, signature: string) =>
  verifyTypedData(domain(chain), ORDER, orderOf(order), signature).toLowerCase();

/** Who signed a receipt, in lower case. */
export function receiptSigner(chain: Chain, r: Receipt): string {
  const message = {
    taskId: r.task_id,
    modelId: r.model_id,
    inputHash: r.input_hash,
    outputHash: r.output_hash,
    startedAtMs: r.started_at_ms,
    finishedAtMs: r.finished_at_ms,
  };
  return verifyTypedData(domain(chain), RECEIPT, message, r.signature).toLowerCase();
}

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

/** Sums over all blocks; amounts in token wei. */
export interface Paid {
  tasks: number;
  fees: bigint;
  unpaid: number;
  burnt: bigint;
  slashes: number;
  labelled: number;
  correct: number;
}

/** A chain node. */
export class Settlement {
  readonly #provider: JsonRpcProvider;
  #paid: Paid = { tasks: 0, fees: 0n, unpaid: 0, burnt: 0n, slashes: 0, labelled: 0, correct: 0 };
  /** The first block that is not in the sums. */
  #next = 0;

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

  /** Fees of all tasks so far, what was burnt, and how labelled tasks were answered. Blocks are read once. */
  async paid(): Promise<Paid> {
    const paid = { ...this.#paid };
    const head = await this.#provider.getBlockNumber();
    const names = ["TaskSettled", "TaskUnpaid", "ReceiptSlashed", "BatchProven"];
    const topics = [names.map((name) => ROLLUP.getEvent(name)!.topicHash)];
    const burns = [TOKEN.getEvent("Transfer")!.topicHash, null, ZERO];
    for (let from = this.#next; from <= head; from += RANGE) {
      const blocks = { fromBlock: from, toBlock: Math.min(head, from + RANGE - 1) };
      const [settled, burnt] = await Promise.all([
        this.#provider.getLogs({ ...blocks, address: this.chain.rollup, topics }),
        this.#provider.getLogs({ ...blocks, address: this.chain.token, topics: burns }),
      ]);
      for (const log of settled) add(paid, ROLLUP.parseLog(log)!);
      for (const log of burnt) paid.burnt += TOKEN.parseLog(log)!.args.value;
    }
    [this.#paid, this.#next] = [paid, head + 1];
    return paid;
  }
}

function add(paid: Paid, { name, args }: LogDescription) {
  if (name === "TaskSettled") [paid.tasks, paid.fees] = [paid.tasks + 1, paid.fees + args.fee];
  if (name === "TaskUnpaid") paid.unpaid += 1;
  if (name === "ReceiptSlashed") paid.slashes += 1;
  if (name === "BatchProven") {
    paid.labelled += Number(args.probeCount);
    paid.correct += Number(args.probeCorrect);
  }
}
