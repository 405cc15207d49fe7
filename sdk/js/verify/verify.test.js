import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { R } from "./field.js";
import { withLeaves } from "./statement.js";
import { Refusal, isForgeable, matchesContract, readProtocol, readStatement, verify } from "./verify.js";

/** Of a rollup's batches, and of `deepnode model prove --digest`: `testdata/record.js`. */
function fixture(name) {
  const file = new URL(`../testdata/${name}.json.gz`, import.meta.url);
  const data = JSON.parse(gunzipSync(readFileSync(file)).toString());
  const proof = Uint8Array.from(Buffer.from(data.proof.slice(2), "hex"));
  return { ...data, key: readProtocol(data.protocol), instances: data.instances.map(BigInt), proof };
}

const all = ["merged", "plain", "digest"].map((name) => [name, fixture(name)]);
const refused = (key, instances, proof, what) => assert.throws(() => verify(key, instances, proof), Refusal, what);

/** One in eight in every run; all with DN_EXHAUSTIVE. */
const chosen = (list) => (process.env.DN_EXHAUSTIVE ? list : list.filter((_, i) => i % 8 === 0));

test("good proofs of both schemes and both forms are accepted", () => {
  for (const [name, { key, instances, proof, tasks }] of all) {
    const start = performance.now();
    const statement = verify(key, instances, proof);
    console.log(`${name}: ${(performance.now() - start).toFixed(0)} ms`);
    assert.equal(statement.count, tasks, name);
  }
});

test("a key is the one in its contract, and no other", () => {
  for (const [name, { protocol, key, code }] of all) {
    if (code === null) continue;
    assert.ok(matchesContract(key, code), name);
    const changes = {
      gate: (p) => p.constraints.reverse(),
      query: (p) => p.advice_queries.reverse(),
      constant: (p) => (p.constants[0][31] ^= 1),
      tau: (p) => (p.s_g2[0][31] ^= 1),
      fixed: (p) => (p.fixed[0][0][31] ^= 1),
      digest: (p) => (p.digest[31] ^= 1),
      inputs: (p) => (p.instances += 1),
    };
    for (const [what, change] of Object.entries(changes)) {
      const file = structuredClone(protocol);
      change(file.protocol);
      assert.ok(!matchesContract(readProtocol(file), code), `${name}: ${what}`);
    }
  }
});

test("the development string is known by sight", () => {
  const { protocol, key } = fixture("merged");
  assert.ok(isForgeable(key));
  const file = structuredClone(protocol);
  file.protocol.s_g2 = file.protocol.g2;
  assert.ok(!isForgeable(readProtocol(file)));
});

test("every word of a proof counts", () => {
  for (const [name, { key, instances, proof }] of all) {
    const words = chosen(Array.from({ length: proof.length / 32 }, (_, i) => i));
    for (const word of words) {
      const forged = proof.slice();
      forged[32 * word + 31] ^= 1;
      refused(key, instances, forged, `${name}: word ${word}`);
    }
    refused(key, instances, proof.slice(0, -1), name);
    refused(key, instances, Uint8Array.of(...proof, 0), name);
    refused(key, instances, new Uint8Array(proof.length), name);
  }
});

test("every public input counts", () => {
  for (const [name, { key, instances, proof }] of all) {
    for (const i of chosen(instances.map((_, i) => i))) {
      refused(key, instances.with(i, (instances[i] + 1n) % R), proof, `${name}: input ${i}`);
    }
    refused(key, instances.with(1, instances[1] + R), proof, name);
    refused(key, instances.slice(1), proof, name);
    refused(key, [...instances, 0n], proof, name);
  }
});

test("two words of one another's value are refused", () => {
  const { key, instances, proof } = fixture("merged");
  const swapped = proof.slice();
  const values = 32 * 12;
  swapped.set(proof.slice(values, values + 32), values + 32);
  swapped.set(proof.slice(values + 32, values + 64), values);
  refused(key, instances, swapped, "swapped values");
});

test("a proof is not one of another key", () => {
  const [merged, plain, digest] = all.map(([, data]) => data);
  refused(plain.key, merged.instances, merged.proof, "another scheme");
  refused(digest.key, merged.instances, merged.proof, "another form");
  const key = { ...merged.key, digest: merged.key.digest ^ 1n };
  refused(key, merged.instances, merged.proof, "another digest");
  const gates = { ...plain.key, constraints: plain.key.constraints.toReversed() };
  refused(gates, plain.instances, plain.proof, "other gates");
});

test("a digest's leaves are those of an honest batch", () => {
  const { instances, leaves } = fixture("digest");
  const statement = readStatement(instances);
  const all = leaves.map(BigInt);
  const whole = withLeaves(statement, all);
  assert.equal(whole.inputs.length, 8);
  assert.equal(whole.score.labelled, whole.labels.filter((label) => label !== null).length);
  for (let i = 0; i < all.length; i++) {
    assert.throws(() => withLeaves(statement, all.with(i, all[i] + 1n)), Refusal, `leaf ${i}`);
  }
  assert.throws(() => withLeaves(statement, all.slice(1)), Refusal);
});

test("statements that no honest batch has are refused", () => {
  const { instances, tasks } = fixture("merged");
  const slots = readStatement(instances).inputs.length;
  const [labels, score, outputs] = [3 + slots, 5 + slots, 8 + slots];
  const forged = {
    "no statement": [0, 5n],
    "no task": [2, 0n],
    "more tasks than slots": [2, BigInt(slots) + 1n],
    "a label of an unused slot": [labels, instances[labels] | (1n << BigInt(16 * tasks))],
    "a label of no slot": [labels + 1, 1n << 16n],
    "a word of 2^240": [labels, 1n << 240n],
    "more probes than labels": [score, instances[score] + 1n],
    "more right than probes": [score + 1, instances[score] + 1n],
    "a margin above its bound": [score + 2, 255n * instances[score + 1] + 1n],
    "an unused input of its own": [3 + slots - 1, 7n],
    "an unused output of its own": [outputs + slots - 1, 7n],
    "an output of zero": [outputs, 0n],
  };
  for (const [what, [at, value]] of Object.entries(forged)) {
    assert.throws(() => readStatement(instances.with(at, value)), Refusal, what);
  }
});

test("what is no key is refused", () => {
  const { protocol } = fixture("merged");
  assert.throws(() => readProtocol("{"), Refusal);
  assert.throws(() => readProtocol({ ...protocol, format: "deepnode-protocol/2" }), Refusal);
  const changes = [
    (p) => (p.k = 29),
    (p) => (p.instances = 1 << p.k),
    (p) => (p.omega = p.omega.slice(1)),
    (p) => (p.omega[0] = 256),
    (p) => (p.nodes[0] = { Sum: [0, 0] }),
    (p) => (p.nodes[5] = { Power: [0, 0] }),
    (p) => (p.nodes[5] = { Advice: 1 << 16 }),
    (p) => p.constraints.push(p.nodes.length),
    (p) => (p.advice_queries[0].column = 10_000),
    (p) => (p.advice_queries[0].rotation = 0.5),
    (p) => (p.phases[0].challenges = p.phases[0].challenges.slice(1)),
    (p) => delete p.fixed,
  ];
  for (const [i, change] of changes.entries()) {
    const file = structuredClone(protocol);
    change(file.protocol);
    assert.throws(() => readProtocol(file), Refusal, `change ${i}`);
  }
});

test("a key outside its groups is refused", () => {
  const { key, instances, proof } = fixture("plain");
  const changed = [
    { omega: 1n },
    { omega: key.omega + R },
    { g1: [0n, 0n] },
    { g2: [0n, 0n, 0n, 0n] },
    { tauG2: key.tauG2.with(0, key.tauG2[0] + 1n) },
    { fixed: key.fixed.with(0, [1n, 3n]) },
    { constants: key.constants.with(0, R) },
  ];
  for (const change of changed) refused({ ...key, ...change }, instances, proof, Object.keys(change)[0]);
});
