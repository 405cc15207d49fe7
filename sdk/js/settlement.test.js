import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { keccak256, toBeHex } from "ethers";
import { path } from "./bundle.js";
import * as settlement from "./settlement.js";
import { lengthOf, slotsOf } from "./verify/places.js";

const { boundHeader, chunkCount, chunkSlots, feeOf, headerHash, openings, outcomesOf, placeOf, slotHashes, slotsHash } = settlement;

/** As the tests of `sdk/src/settlement.rs` make them. */
const slot = (i) => ({
  worker: "0x" + (i % 3).toString(16).padStart(2, "0").repeat(20),
  order: {
    user: "0x" + i.toString(16).padStart(2, "0").repeat(20),
    max_fee: "7",
    deadline: 8,
    nonce: i,
    input_hash: "0x" + "02".repeat(32),
    tag: "0x" + i.toString(16).padStart(2, "0").repeat(32),
  },
});
const slots = Array.from({ length: 130 }, (_, i) => slot(i));

test("chunks cover every slot once", () => {
  for (let batch = 1; batch <= 1024; batch++) {
    let end = 0;
    for (let chunk = 0; chunk < chunkCount(batch); chunk++) {
      const [from, to] = chunkSlots(batch, chunk);
      assert.equal(from, end);
      assert.ok(to > from && to - from <= 64);
      assert.deepEqual([placeOf(batch, from), placeOf(batch, to - 1)], [{ chunk, place: 0 }, { chunk, place: to - 1 - from }]);
      end = to;
    }
    assert.equal(end, batch);
  }
  assert.deepEqual([1, 4, 64, 65, 124, 125, 1024].map(chunkCount), [1, 1, 1, 2, 2, 3, 17]);
});

test("a chunk's hash is over packed slots and workers, each once", () => {
  const packed = (i) =>
    [slots[i].order.user.slice(2), "01", toBeHex(1, 8).slice(2), "07".padStart(32, "0"), "08".padStart(16, "0")].join("") +
    toBeHex(i, 8).slice(2) + slots[i].order.tag.slice(2);
  const workers = ["00", "01"].map((byte) => "00".repeat(12) + byte.repeat(20)).join("");
  const expected = keccak256("0x0303" + packed(3) + packed(1) + packed(0) + "000100" + workers);
  const some = [slots[3], slots[1], slots[0]];
  const inputs = keccak256("0x" + some.map(({ order }) => order.input_hash.slice(2)).join(""));
  assert.deepEqual(slotHashes(4, some), [expected, inputs]);
  assert.equal(slotsHash(4, some), keccak256(expected + inputs.slice(2)));
  const hashes = slotHashes(130, slots.slice(0, 61));
  assert.deepEqual(hashes.map((hash) => BigInt(hash) === 0n), [false, false, true, false]);
  assert.notEqual(hashes[0], hashes[1]);
});

/** Orders of one bundle, as `sdk/src/settlement.rs` makes them. */
function bundled(size, members) {
  const leaves = (first) => Array.from({ length: size }, (_, i) => "0x" + (first + i).toString(16).padStart(2, "0").repeat(32));
  const [inputs, tags] = [leaves(1), leaves(100)];
  return members.map((index) => ({
    ...slot(0),
    order: { ...slot(0).order, model_id: "0x" + "01".repeat(32), nonce: 128 + index, input_hash: inputs[index], tag: tags[index] },
    bundle: { size, index, inputs: path(inputs, index), tags: path(tags, index) },
  }));
}

/** The hash is that of Rust, which the contracts' tests hold against the rollup. */
test("orders that are signed together are one entry", () => {
  const some = [...bundled(5, [0, 3]), slot(9), ...bundled(6, [1])];
  assert.equal(slotsHash(64, some), "0x5136c089052e2d1476e7808a4492541463ae3dd03a62d5cb5433f1463f541b19");
  assert.notEqual(slotsHash(64, [some[1], some[0], some[2], some[3]]), "0x5136c089052e2d1476e7808a4492541463ae3dd03a62d5cb5433f1463f541b19");
});

test("an opening divides the public inputs by chunks", () => {
  const instances = Array.from({ length: lengthOf(130) }, (_, i) => BigInt(i));
  const opened = openings(instances, slots, "0x" + "11".repeat(20));
  assert.deepEqual(opened.map(({ statement }) => statement.length), [60 + 4 + 60, 60 + 4 + 60, 10 + 1 + 10]);
  // Three words before the inputs, nine words of labels, three of the score.
  assert.deepEqual(opened[2].statement.slice(0, 11), [...Array.from({ length: 10 }, (_, i) => BigInt(3 + 120 + i)), BigInt(3 + 130 + 8)]);
  assert.equal(opened[2].statement.at(-1), instances.at(-1));
  assert.equal(opened[0].statement.at(-1), BigInt(3 + 130 + 9 + 3 + 59));
  const words = opened[1].statement.map((word) => toBeHex(word, 32).slice(2)).join("");
  assert.equal(opened[0].leaves[1], keccak256("0x" + words));
  assert.deepEqual(opened[0].slotHashes, slotHashes(130, slots));
  assert.throws(() => openings(instances.slice(1), slots, "0x" + "11".repeat(20)), RangeError);
  assert.throws(() => openings([], slots, "0x" + "11".repeat(20)), RangeError);
});

test("outcomes are read by slot, and tell the fee", () => {
  const outcomes = outcomesOf(0x0731n | (2n << 252n));
  assert.deepEqual(outcomes.slice(0, 4), ["paid", "short", "forged", "none"]);
  assert.equal(outcomes[63], "unsigned");
  assert.deepEqual(["none", "paid", "unsigned", "short"].map((outcome) => feeOf(outcome, 101n)), [0n, 101n, 36n, 0n]);
});

test("the rollup keeps what is computed here of a batch that it settled", () => {
  const read = JSON.parse(gunzipSync(readFileSync(new URL("testdata/settled.json.gz", import.meta.url))).toString());
  const { header, prover, slots: tasks, instances } = read;
  assert.equal(headerHash(header), read.headerHash);
  assert.equal(slotsHash(slotsOf(instances.length), tasks), header.slots_hash);
  assert.equal(boundHeader(read.headerHash, prover), BigInt(instances[1]));
  const opened = openings(instances.map(BigInt), tasks, prover);
  assert.ok(opened.length > 1 && tasks.length > 60, "one chunk alone has tasks");
  assert.deepEqual(opened.map(({ leaves }) => leaves), opened.map(() => read.leaves));
  assert.equal(slotsOf(instances.length), 72);
});
