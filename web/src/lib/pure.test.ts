import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch, Event, Node } from "./api";
import { gasPerInference, isOpen, lately, shareOf, totals, trustOf } from "./figures";
import { decimal, dn, short, span, time } from "./format";
import { link, parse, search } from "./route";

test("amounts are cut, not rounded up", () => {
  assert.equal(dn(0n), "0 DN");
  assert.equal(dn("10000000000000000"), "0.01 DN");
  assert.equal(dn(1_999_999_999_999_999_999n), "1.999999 DN");
  assert.equal(dn(1_234_567n * 10n ** 18n), "1,234,567 DN");
  assert.equal(dn(1n), "0 DN");
});

test("times, spans and hashes are short", () => {
  assert.equal(time(0), "1970-01-01 00:00:00");
  assert.equal(span(12.4), "12 ms");
  assert.equal(span(5160), "5.16 s");
  assert.equal(span(61_000), "1 min 1 s");
  assert.equal(short("0x" + "ab".repeat(32)), "0xababab…abab");
  assert.equal(decimal(25.256), "25.26");
});

test("addresses name pages", () => {
  assert.deepEqual(parse(""), { page: "overview", id: "" });
  assert.deepEqual(parse("#/nowhere/7"), { page: "overview", id: "" });
  assert.deepEqual(parse(link("batches", 7)), { page: "batches", id: "7" });
  assert.deepEqual(parse(link("models")), { page: "models", id: "" });
});

test("the search tells batches, tasks and models apart", () => {
  const [task, model] = ["0x" + "1A".repeat(32), "0x" + "2b".repeat(32)];
  assert.equal(search(" 12 ", []), "#/batches/12");
  assert.equal(search(task, [model]), `#/tasks/${task.toLowerCase()}`);
  assert.equal(search(model, [model]), `#/models/${model}`);
  assert.equal(search(`0x${"Ab".repeat(20)}`, [model]), `#/account/0x${"ab".repeat(20)}`);
  assert.equal(search("0x12", [model]), null);
});

const batch = (changes: Partial<Batch>) =>
  ({ id: 1, state: "proven", count: 8, prove_gas: 800_000, prove_cpu_ms: 400, chunks: 1, settled: 1, ...changes }) as Batch;

test("sums are of proven batches, gas of those that are settled", () => {
  const unsettled = batch({ count: 80, chunks: 2 });
  const batches = [batch({}), batch({ count: 12, prove_gas: 900_000, prove_cpu_ms: null }), unsettled, batch({ state: "committed" })];
  assert.deepEqual(totals(batches), { proven: 100, batches: 3, gas: 85_000, cpuMs: 800 / 88 });
  assert.deepEqual(totals([unsettled]), { proven: 80, batches: 1, gas: null, cpuMs: 5 });
  assert.equal(totals([]).cpuMs, null);
  assert.equal(gasPerInference(batch({})), 100_000);
  assert.equal(gasPerInference(batch({ prove_gas: null })), null);
  assert.equal(gasPerInference(unsettled), null);
  const states = [batch({}), unsettled, batch({ state: "proof_ready", settled: 0 }), batch({ state: "expired", settled: 0 })];
  assert.deepEqual(states.map(isOpen), [false, true, true, false]);
});

test("events count within their span", () => {
  const event = (state: string, at_ms: number) => ({ state, at_ms }) as Event;
  const events = [event("executed", 100), event("executed", 50), event("proven", 100)];
  assert.equal(lately(events, "executed", 110, 20), 1);
  assert.equal(lately(events, "executed", 110, 1000), 2);
});

test("trust is shown from 0 to 1, history as its share of one half", () => {
  const trust = { completion: 2 ** 31, accuracy: 2 ** 32 - 1, uptime: 0, speed: 2 ** 30, history: 2 ** 40, weight: 2 ** 30 };
  const { completion, uptime, speed, history, weight } = trustOf(trust);
  assert.deepEqual([completion, uptime, speed, history, weight], [0.5, 0, 0.25, 0.5, 0.25]);
  const node = (role: string, completed: number) => ({ role, completed }) as Node;
  const nodes = [node("worker", 3), node("worker", 1), node("prover", 9)];
  assert.equal(shareOf(nodes[0]!, nodes), 0.75);
  assert.equal(shareOf(node("prover", 0), [node("prover", 0)]), 0);
});
