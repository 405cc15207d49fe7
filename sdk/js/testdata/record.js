// Writes the fixtures of the verifier's tests from a running rollup and from a proof by digest:
//   node testdata/record.js SEQUENCER RPC merged=BATCH plain=BATCH
//   node testdata/record.js digest=KEY,PROOF     (a `.merged` key and a proof of `deepnode model prove --digest`)
// Each has the key, its data contract's code where there is one, the public inputs and the proof.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

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
  const fixture = file ? fromFiles(key, file) : await fromRollup(key);
  writeFileSync(new URL(`${name}.json.gz`, import.meta.url), gzipSync(JSON.stringify(fixture), { level: 9 }));
}
