// Writes the fixtures of the verifier's tests from a running rollup and from a proof by digest:
//   node testdata/record.js SEQUENCER RPC merged=BATCH plain=BATCH
//   node testdata/record.js digest=KEY,PROOF     (a `.merged` key and a proof of `deepnode model prove --digest`)
//   node testdata/record.js SEQUENCER RPC settled=BATCH     (of more than 64 slots, so that there are several chunks)
// Each has the key, its data contract's code where there is one, the public inputs and the proof. What is settled has no
// proof, but the hash that the rollup keeps of its header, and openings that the rollup says are its own.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { Contract, JsonRpcProvider } from "ethers";
import { openings } from "../settlement.js";

const args = process.argv.slice(2);
const [sequencer, rpc] = args.filter((arg) => arg.startsWith("http"));

async function ask(path) {
  const response = await fetch(sequencer + path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function codeAt(address) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_getCode", params: [address, "latest"] });
  const response = await fetch(rpc, { method: "POST", body, headers: { "content-type": "application/json" } });
  return (await response.json()).result;
}

async function fromRollup(id) {
  const batch = await ask(`/v1/batches/${id}`);
  const model = (await ask("/v1/models")).find((model) => model.model_id === batch.model_id);
  const protocol = await ask(`/v1/models/${batch.model_id}/protocol`);
  const { instances, proof } = await ask(`/v1/batches/${id}/proof`);
  return { protocol, code: await codeAt(model.vk), instances, proof, tasks: batch.count };
}

const ROLLUP = [
  "function batch(uint64) view returns (tuple(bytes32 headerHash, uint8 status, uint32 settled))",
  "function isProven(uint64, uint256, tuple(address prover, bytes32[] slotHashes, bytes32[] leaves, uint256[] statement)) view returns (bool)",
];

async function settled(id) {
  const { header, prover, slots: all } = await ask(`/v1/batches/${id}`);
  const { instances } = await ask(`/v1/batches/${id}/proof`);
  const slots = all.map(({ worker, order, bundle }) => ({ worker, order, bundle }));
  const opened = openings(instances.map(BigInt), slots, prover);
  const provider = new JsonRpcProvider(rpc);
  const rollup = new Contract(header.rollup, ROLLUP, provider);
  for (const [chunk, opening] of opened.entries()) {
    if (!(await rollup.isProven(header.batch_id, chunk, opening))) throw new Error(`chunk ${chunk} is another on chain`);
  }
  const { headerHash } = await rollup.batch(header.batch_id);
  provider.destroy();
  return { header, prover, slots, instances, headerHash, leaves: opened[0].leaves };
}

function fromFiles(key, file) {
  const protocol = JSON.parse(readFileSync(key, "utf8"));
  const bytes = readFileSync(file);
  const end = bytes.indexOf("\n");
  const { instances, leaves, batch } = JSON.parse(bytes.subarray(0, end).toString());
  return { protocol, code: null, instances, leaves, proof: "0x" + bytes.subarray(end + 1).toString("hex"), tasks: batch };
}

for (const arg of args.filter((arg) => arg.includes("="))) {
  const [name, source] = arg.split("=");
  const [key, file] = source.split(",");
  const record = name === "settled" ? settled : fromRollup;
  const fixture = file ? fromFiles(key, file) : await record(key);
  writeFileSync(new URL(`${name}.json.gz`, import.meta.url), gzipSync(JSON.stringify(fixture), { level: 9 }));
}
