// Writes batch.json.gz, one proven batch with all that is needed to verify it: node testdata/record.js SEQUENCER BATCH
// The key is in ../../sdk/js/testdata/merged.json.gz: record both of the same batch.
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [sequencer, id] = process.argv.slice(2);

async function ask(path) {
  const response = await fetch(sequencer + path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

const batch = await ask(`/v1/batches/${id}`);
const model = (await ask("/v1/models")).find((model) => model.model_id === batch.model_id);
const fixture = { chain: await ask("/v1/chain"), batch, nullInput: model.null_input_hash, slots: model.batch_slots };
writeFileSync(new URL("batch.json.gz", import.meta.url), gzipSync(JSON.stringify(fixture), { level: 9 }));
