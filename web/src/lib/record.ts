/** What the chain keeps of a node: its trust by epochs, what it earned by them, and what it lost. */
import { Contract, Interface, type JsonRpcProvider, zeroPadValue } from "ethers";
import type { Chain } from "./api";

export const ROLLUP = new Interface(["function epochs() view returns (address)"]);
export const EPOCHS = new Interface([
  "function claimableWei(address worker) view returns (uint256)",
  "event TrustUpdated(address indexed worker, uint32 indexed epoch, uint256 trust, uint256 score)",
  "event Claimed(address indexed worker, uint256 amountWei)",
]);
export const STAKING = new Interface(["event Slashed(address indexed account, uint8 indexed role, bytes32 indexed holding, uint256 amount)"]);

/** A trust of 1, as the chain writes it. */
const ONE = 2 ** 32;
/** Blocks asked for at once. */
const RANGE = 10_000;

export interface Record {
  /** The trust that each closed epoch left the node, from 0 to 1. */
  trust: { epoch: number; weight: number }[];
  /** Earned by epochs and not taken yet, in token wei. */
  claimable: bigint;
  claimed: bigint;
  slashed: bigint;
  slashes: number;
}

export async function recordOf(provider: JsonRpcProvider, chain: Chain, node: string): Promise<Record> {
  const epochs: string = await new Contract(chain.rollup, ROLLUP, provider).getFunction("epochs")();
  const claimable: bigint = await new Contract(epochs, EPOCHS, provider).getFunction("claimableWei")(node);
  const record: Record = { trust: [], claimable, claimed: 0n, slashed: 0n, slashes: 0 };
  const account = zeroPadValue(node, 32);
  const head = await provider.getBlockNumber();
  for (let fromBlock = 0; fromBlock <= head; fromBlock += RANGE) {
    const blocks = { fromBlock, toBlock: Math.min(head, fromBlock + RANGE - 1) };
    const topics = (abi: Interface) => [abi.fragments.filter(({ type }) => type === "event").map((event) => abi.getEvent(event.format())!.topicHash), account];
    const [told, slashes] = await Promise.all([
      provider.getLogs({ ...blocks, address: epochs, topics: topics(EPOCHS) }),
      provider.getLogs({ ...blocks, address: chain.staking, topics: topics(STAKING) }),
    ]);
    for (const { name, args } of told.map((log) => EPOCHS.parseLog(log)!)) {
      if (name === "Claimed") record.claimed += args.amountWei;
      else record.trust.push({ epoch: Number(args.epoch), weight: Number(args.trust) / ONE });
    }
    for (const { args } of slashes.map((log) => STAKING.parseLog(log)!)) {
      record.slashed += args.amount;
      record.slashes += 1;
    }
  }
  return record;
}
