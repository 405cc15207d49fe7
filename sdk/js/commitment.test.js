import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Wallet, toBeHex } from "ethers";
import { FIELD_ORDER, inputCommitment, outputCommitment } from "./commitment.js";
import { branches, opens, tree } from "./digest.js";
import { signedTask } from "./order.js";

const file = new URL("../../core/testdata/commitment.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8"));

test("commitments are those of the vectors", () => {
  assert.ok(vectors.commitments.length >= 10);
  for (const { values, salt, input, output } of vectors.commitments) {
    assert.equal(toBeHex(inputCommitment(values, BigInt(salt)), 32), input);
    assert.equal(toBeHex(outputCommitment(values, BigInt(salt)), 32), output);
  }
});

test("a signed task is that of the vectors", async () => {
  const { key, chain, model, body } = vectors.order;
  const { deadline, nonce } = body.order;
  const terms = { deadline, nonce, salt: BigInt(body.salt), label: body.label.class, tagSalt: body.label.salt };
  assert.deepEqual(await signedTask(chain, model, new Wallet(key), body.input, terms), body);
});

test("leaves open against the digest of the vectors, at their places only", () => {
  const leaves = vectors.digest.leaves.map(BigInt);
  const root = BigInt(vectors.digest.root);
  const slots = 16;
  const elements = tree(leaves);
  assert.equal(elements[0], root);
  leaves.forEach((value, leaf) => {
    const path = [];
    for (let at = branches(slots) + leaf; at > 0; at = Math.floor((at - 1) / 5)) {
      const first = at - ((at - 1) % 5);
      path.push(elements.slice(first, first + 5).toSpliced(at - first, 1));
    }
    assert.ok(opens(root, slots, leaf, value, path));
    assert.ok(!opens(root, slots, leaf, value + 1n, path));
    assert.ok(!opens(root, slots, (leaf + 1) % leaves.length, value, path));
    assert.ok(!opens(root, slots, leaf, value, path.slice(1)));
    assert.ok(!opens(root, slots, leaf, value + FIELD_ORDER, path));
    assert.ok(!opens(root, slots, leaf, value, [path[0].map((x) => x + FIELD_ORDER), ...path.slice(1)]));
    assert.ok(!opens(root, slots + 1, leaf, value, path));
  });
  assert.ok(!opens(root, 0, 0, root, []));
  assert.throws(() => tree(leaves.slice(1)), RangeError);
});

test("what is no int8 or no field element is refused", () => {
  assert.throws(() => inputCommitment([128], 0n), RangeError);
  assert.throws(() => inputCommitment([0.5], 0n), RangeError);
  assert.throws(() => inputCommitment([0], FIELD_ORDER), RangeError);
});
