import assert from "node:assert/strict";
import { test } from "node:test";
import { Wallet } from "ethers";
import { climb, path, root } from "./bundle.js";
import { orderSigner, signedTasks } from "./order.js";

const leaves = (count) => Array.from({ length: count }, (_, i) => "0x" + (i + 1).toString(16).padStart(2, "0").repeat(32));

test("every path leads to the root", () => {
  for (const size of [1, 2, 3, 5, 13, 64]) {
    const all = leaves(size);
    all.forEach((leaf, i) => assert.equal(climb(leaf, size, i, path(all, i)), root(all)));
    assert.notEqual(climb(all[0], size, 0, path(all, 0).map(() => all[0])), size > 2 ? root(all) : "");
    assert.throws(() => climb(all[0], size, 0, [...path(all, 0), all[0]]), RangeError);
    assert.throws(() => climb(all[0], size, size, []), RangeError);
  }
});

/** `core/src/bundle.rs` has the same vector. */
test("a tree is that of Rust", () => {
  assert.equal(root(leaves(5)), "0x644baaabdf96074e4c3774fcd82cc717cd4d53c48da8ac1e3029ebe434c64996");
});

test("orders of one word of nonces have one signature", async () => {
  const chain = { chain_id: 31337, rollup: "0x" + "a1".repeat(20) };
  const model = { model_id: "0x" + "5c".repeat(32), price: "100" };
  const wallet = new Wallet("0x" + "42".repeat(32));
  const asked = Array.from({ length: 6 }, (_, i) => ({ input: [i], salt: BigInt(i + 1) }));
  const tasks = await signedTasks(chain, model, wallet, asked, { deadline: 1900000000, nonce: 61 });
  assert.deepEqual(tasks.map((task) => task.bundle && [task.bundle.size, task.bundle.index]), [[3, 0], [3, 1], [3, 2], [3, 0], [3, 1], [3, 2]]);
  assert.notEqual(tasks[2].signature, tasks[3].signature);
  for (const task of tasks) {
    assert.equal(orderSigner(chain, task), wallet.address);
    assert.notEqual(orderSigner(chain, { ...task, bundle: null }), wallet.address);
  }
  const [alone] = await signedTasks(chain, model, wallet, [asked[0]], { deadline: 1900000000, nonce: 61 });
  assert.equal(alone.bundle, undefined);
  assert.equal(orderSigner(chain, alone), wallet.address);
  for (const bundle of [{ size: 1, index: 0, inputs: [], tags: [] }, { ...tasks[0].bundle, size: 4 }, { ...tasks[0].bundle, index: 62 }]) {
    assert.throws(() => orderSigner(chain, { ...tasks[0], bundle }), RangeError);
  }
});
