import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Wallet, toBeHex } from "ethers";
import { FIELD_ORDER, inputCommitment, outputCommitment } from "./commitment.js";
import { signedTask } from "./order.js";

const file = new URL("../../core/testdata/commitment.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8"));

test("commitments are those of the vectors", () => {
  assert.ok(vectors.commitments.length >= 10);
  for (const { values, salt, label, input, output } of vectors.commitments) {
    assert.equal(toBeHex(inputCommitment(values, BigInt(salt), label), 32), input);
    assert.equal(toBeHex(outputCommitment(values, BigInt(salt)), 32), output);
  }
});

test("a signed task is that of the vectors", async () => {
  const { key, chain, model, body } = vectors.order;
  const { deadline, nonce } = body.order;
  const terms = { deadline, nonce, salt: BigInt(body.salt) };
  assert.deepEqual(await signedTask(chain, model, new Wallet(key), body.input, terms), body);
});

test("what is no int8 or no field element is refused", () => {
  assert.throws(() => inputCommitment([128], 0n), RangeError);
  assert.throws(() => inputCommitment([0.5], 0n), RangeError);
  assert.throws(() => inputCommitment([0], FIELD_ORDER), RangeError);
});
