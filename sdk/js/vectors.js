// Writes core/testdata/commitment.json, the vectors that Rust and JavaScript must agree on:
// node sdk/js/vectors.js
import { writeFileSync } from "node:fs";
import { Wallet, toBeHex } from "ethers";
import { FIELD_ORDER, inputCommitment, outputCommitment } from "./commitment.js";
import { tree } from "./digest.js";
import { signedTask, taskId } from "./order.js";

const values = (length, seed) => Array.from({ length }, (_, i) => (((i * 89 + seed * 57) ^ (i >> 3)) % 256) - 128);
const cases = [0, 1, 30, 31, 32, 64, 93, 94, 217, 784].map((length, seed) => ({
  values: length === 31 ? Array(31).fill(-128) : values(length, seed),
  salt: seed % 3 === 0 ? FIELD_ORDER - 1n - BigInt(seed) : BigInt(seed) ** 40n,
}));
const commitments = cases.map(({ values, salt }) => ({
  values,
  salt: toBeHex(salt, 32),
  input: toBeHex(inputCommitment(values, salt), 32),
  output: toBeHex(outputCommitment(values, salt), 32),
}));

const key = "0x" + "42".repeat(32);
const chain = { chain_id: 31337, rollup: "0x" + "a1".repeat(20) };
const model = { model_id: "0x" + "5c".repeat(32), price: "10000000000000000" };
const terms = { deadline: 1900000000, nonce: 7, salt: 5n, label: 2, tagSalt: "0x" + "7b".repeat(32) };
const body = await signedTask(chain, model, new Wallet(key), [1, -2, 3], terms);
const order = { key, chain, model, body, task_id: taskId(chain, body.order) };

const leaves = Array.from({ length: 2 * 16 + 5 }, (_, i) => BigInt(i + 1) ** 30n);
const digest = { leaves: leaves.map((leaf) => toBeHex(leaf, 32)), root: toBeHex(tree(leaves)[0], 32) };

const file = new URL("../../core/testdata/commitment.json", import.meta.url);
writeFileSync(file, JSON.stringify({ commitments, order, digest }, null, 1) + "\n");
