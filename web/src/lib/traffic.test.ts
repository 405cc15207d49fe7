import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "./api";
import { traffic } from "./traffic";

const MINUTE = 60_000;
const batch = (minute: number, count: number) => ({ created_at_ms: minute * MINUTE, count }) as Batch;

test("every task is in one span, and the spans are as short as fit", () => {
  const asked = [batch(10, 3), batch(10.9, 4), batch(12, 5)];
  const spans = traffic(asked, 13 * MINUTE, 10);
  assert.deepEqual(spans.map(({ fromMs, tasks }) => [fromMs / MINUTE, tasks]), [[10, 7], [11, 0], [12, 5], [13, 0]]);
  assert.deepEqual(traffic(asked, 13 * MINUTE, 3).map(({ tasks }) => tasks), [12]);
  assert.deepEqual(traffic([], 0, 3), []);
});

test("a clock that is behind the sequencer's loses no batch, and years are told in weeks", () => {
  assert.equal(traffic([batch(10, 3), batch(20, 1)], 0, 100).reduce((sum, { tasks }) => sum + tasks, 0), 4);
  const years = traffic([batch(0, 1)], 60 * 24 * 3650 * MINUTE, 48);
  assert.equal(years.length, Math.floor(3650 / 7) + 1);
});
