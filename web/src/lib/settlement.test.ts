import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { type EventFragment, type FunctionFragment, Interface, toBeHex } from "ethers";
import type { Batch, Chain } from "./api";
import * as escrow from "./escrow";
import * as record from "./record";
import { INTERFACES, Settlement } from "./settlement";

const read = (contract: string) => Interface.from(JSON.parse(readFileSync(new URL(`../../../sdk/abi/${contract}.json`, import.meta.url), "utf8")).abi);

test("calls and events are those of the contracts", () => {
  const accounts: [string, Interface][] = [["InferenceRollup", escrow.ACCOUNTS], ["DnToken", escrow.TOKEN]];
  const records: [string, Interface][] = [["InferenceRollup", record.ROLLUP], ["Epochs", record.EPOCHS], ["Staking", record.STAKING]];
  for (const [contract, used] of [...Object.entries(INTERFACES), ...accounts, ...records]) {
    const abi = read(contract);
    for (const fragment of used.fragments) {
      const { name } = fragment as FunctionFragment | EventFragment;
      const isEvent = fragment.type === "event";
      const there = isEvent ? abi.getEvent(name) : abi.getFunction(name);
      const types = (of: typeof there) => [
        of!.format("sighash"),
        of!.inputs.map((input) => [input.name, input.indexed ?? false]).filter(() => isEvent),
        (of as FunctionFragment).outputs?.map((output) => output.format("full").replace(/ \w+$/, "")),
      ];
      assert.deepEqual(types(fragment as FunctionFragment), types(there), `${contract}.${name}`);
    }
  }
});

const { InferenceRollup: rollup, ModelRegistry: registry, DnToken: token } = INTERFACES;
const address = (byte: string) => "0x" + byte.repeat(20);
const chain = { chain_id: 31337, rollup: address("a1"), registry: address("a2"), token: address("a3") } as Chain;
const hash = (byte: string) => "0x" + byte.repeat(32);
const PRICES: Record<string, bigint> = { [hash("01")]: 1000n, [hash("02")]: 3n };

/** A log as a node tells it. */
function log(block: number, at: string, abi: Interface, name: string, values: unknown[]) {
  const { data, topics } = abi.encodeEventLog(name, values);
  const place = { logIndex: "0x0", transactionIndex: "0x0", transactionHash: hash("77"), blockHash: hash("88"), removed: false };
  return { address: at, data, topics, blockNumber: toBeHex(block), ...place };
}
const proven = (block: number, id: number, model: string) => log(block, chain.rollup, rollup, "BatchProven", [id, model, address("05"), 8, 4, 3, 50]);
const settled = (block: number, id: number, chunk: number, outcomes: bigint) => log(block, chain.rollup, rollup, "ChunkSettled", [id, chunk, outcomes]);
const HEAD = 12_000;
const LOGS = [
  proven(5, 0, hash("01")),
  settled(5, 0, 0, 0x7211n),
  proven(5, 1, hash("02")),
  settled(11_000, 0, 1, 0x2n),
  settled(11_500, 1, 0, 0x21n),
  log(6, chain.rollup, rollup, "ReceiptSlashed", [0, address("06"), address("05"), hash("09"), 5, 1]),
  log(6, chain.token, token, "Transfer", [address("a1"), address("00"), 4]),
];

type Filter = { address: string; fromBlock: string; toBlock: string; topics: (string | string[] | null)[] };
const answers: Record<string, (params: any[]) => unknown> = {
  eth_chainId: () => "0x7a69",
  eth_blockNumber: () => toBeHex(HEAD),
  eth_getLogs: ([filter]: Filter[]) =>
    LOGS.filter((log) => {
      const [from, at, to] = [filter!.fromBlock, log.blockNumber, filter!.toBlock].map(BigInt) as [bigint, bigint, bigint];
      const matches = filter!.topics.every((wanted, i) => wanted === null || [wanted].flat().includes(log.topics[i]!));
      return from <= at && at <= to && log.address === filter!.address.toLowerCase() && matches;
    }),
  eth_getTransactionReceipt: () => ({
    blockHash: hash("88"), blockNumber: "0x5", contractAddress: null, cumulativeGasUsed: "0x1", effectiveGasPrice: "0x1", from: address("05"),
    gasUsed: "0x1", logs: [], logsBloom: "0x", status: "0x1", to: chain.rollup, transactionHash: hash("77"), transactionIndex: "0x0", type: "0x2",
  }),
  eth_call: ([{ to, data }]) => {
    if (to === chain.rollup) return rollup.encodeFunctionResult("toBurn", [9n]);
    const [model] = registry.decodeFunctionData("model", data);
    return registry.encodeFunctionResult("model", [[model, address("00"), 130, 1, PRICES[model]!, hash("00"), address("00"), ""]]);
  },
};

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const asked = JSON.parse(Buffer.concat(chunks).toString());
  const answer = ({ id, method, params }: any) => ({ jsonrpc: "2.0", id, result: answers[method]!(params) });
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(Array.isArray(asked) ? asked.map(answer) : answer(asked)));
});
let node: Settlement;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(globalThis, { location: { href: url } });
  node = new Settlement(url, chain);
});
after(() => {
  node.close();
  server.close();
  server.closeAllConnections();
});

test("fees follow from outcomes and prices, read once", async () => {
  const score = { labelled: 4, correct: 3 };
  const quality = { [hash("01")]: score, [hash("02")]: score };
  const sums = { tasks: 6, fees: 2000n + 350n + 350n + 3n + 2n, uncharged: 1, burnt: 4n, toBurn: 9n, slashes: 1, labelled: 8, correct: 6, quality };
  assert.deepEqual(await node.paid(), sums);
  assert.deepEqual(await node.paid(), sums);
});

test("outcomes of a batch are those of its chunks", async () => {
  const batch = { header: { batch_id: 0 }, prove_tx: hash("77"), chunks: 2, count: 62 } as Batch;
  const outcomes = await node.outcomes(batch, 130);
  assert.equal(outcomes.length, 62);
  assert.deepEqual(outcomes.slice(0, 5), ["paid", "paid", "unsigned", "forged", "none"]);
  assert.deepEqual(outcomes.slice(60), ["unsigned", "none"]);
});
