import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import { headerHash, openings } from "@sdk/settlement.js";
import { explain } from "./inputs";
import { examine, spoiled, STEPS, type ChainNode, type Claim, type Spoil, type Step } from "./proof-check";

const read = (path: string) => JSON.parse(gunzipSync(readFileSync(new URL(path, import.meta.url))).toString());
const { protocol, code, instances, proof } = read("../../../sdk/js/testdata/merged.json.gz");
const { chain, batch, nullInput, slots } = read("../../testdata/batch.json.gz");
const claim: Claim = { chain, batch, proof: { instances, proof }, protocol };

const leaves = openings(instances.map(BigInt), batch.slots, batch.prover).map(({ leaves }) => leaves);
/** A chain that says what the recorded one said. */
const node: ChainNode = {
  model: async () => ({ vk: "0x", code, isUnchanged: true, slots, nullInput: BigInt(nullInput), isActive: true }),
  batch: async () => ({ headerHash: headerHash(batch.header), status: "proven" }),
  verify: async (_, given) => given === proof,
  isProven: async (_, index, opening) => opening.prover === batch.prover && isDeepStrictEqual(opening.leaves, leaves[index]),
};

async function wrong(claim: Claim, node: ChainNode | null, verdict = "bad") {
  const steps: Step[] = [];
  for await (const step of examine(claim, node)) steps.push(step);
  assert.deepEqual(steps.map((step) => step.name), STEPS);
  return steps.filter((step) => step.verdict === verdict).map((step) => step.name);
}

test("an honest batch passes every step", async () => {
  assert.deepEqual(await wrong(claim, node), []);
});

test("each spoiled part fails where it is checked", async () => {
  const failing: Record<Spoil, string[]> = {
    none: [],
    proof: ["proof", "contract"],
    output: ["proof", "receipts", "kept"],
    order: ["slots", "orders"],
  };
  for (const [spoil, steps] of Object.entries(failing)) {
    assert.deepEqual(await wrong(spoiled(claim, spoil as Spoil), node), steps, spoil);
  }
});

test("what the chain says otherwise is seen", async () => {
  const model = await node.model("");
  const other = (changes: Partial<ChainNode>) => wrong(claim, { ...node, ...changes });
  assert.deepEqual(await other({ model: async () => ({ ...model, code: code + "00" }) }), ["key"]);
  assert.deepEqual(await other({ model: async () => ({ ...model, isUnchanged: false }) }), ["key"]);
  assert.deepEqual(await other({ model: async () => ({ ...model, nullInput: 5n }) }), ["statement"]);
  assert.deepEqual(await other({ batch: async () => ({ headerHash: "0x00", status: "proven" }) }), ["header"]);
  const committed = { headerHash: headerHash(batch.header), status: "committed" };
  assert.deepEqual(await other({ batch: async () => committed }), ["header"]);
  assert.deepEqual(await other({ verify: async () => false }), ["contract"]);
  assert.deepEqual(await other({ isProven: async () => false }), ["kept"]);
});

test("a batch that is another than its header says is seen", async () => {
  const changed = (change: (claim: Claim) => void) => {
    const other = structuredClone(claim);
    change(other);
    return wrong(other, node);
  };
  assert.deepEqual(await changed((c) => (c.batch.slots[0]!.worker = "0x" + "11".repeat(20))), ["slots", "receipts"]);
  assert.deepEqual(await changed((c) => c.batch.slots.pop()), ["slots"]);
  assert.deepEqual(await changed((c) => c.batch.slots.reverse()), ["slots", "orders", "receipts"]);
  assert.deepEqual(await changed((c) => (c.batch.header!.deadline += 1)), ["header"]);
  assert.deepEqual(await changed((c) => (c.batch.prover = "0x" + "11".repeat(20))), ["header", "kept"]);
  assert.deepEqual(await changed((c) => (c.batch.slots[0]!.receipt.output_hash = "0x01")), ["receipts"]);
});

test("without a chain node the steps that ask it are skipped", async () => {
  assert.deepEqual(await wrong(claim, null, "skipped"), ["key", "header", "contract", "kept"]);
  assert.deepEqual(await wrong(claim, null), []);
});

test("every public input is explained", () => {
  const rows = explain(instances.map(BigInt));
  assert.equal(rows.length, instances.length);
  assert.equal(rows[3]!.meaning, "Commitment to the input of slot 0");
  assert.equal(rows[3 + slots - 1]!.meaning, `Padding input of unused slot ${slots - 1}`);
  assert.equal(rows.at(-1)!.meaning, `Padding output of unused slot ${slots - 1}`);
  assert.equal(rows.find((row) => row.meaning === "Tasks with a label")!.value, BigInt(batch.score.labelled));
});
