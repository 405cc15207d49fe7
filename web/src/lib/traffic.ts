/** When a model was asked, as far as batches tell. */
import type { Batch } from "./api";

/** Tasks of a span of time. */
export interface Span {
  fromMs: number;
  toMs: number;
  tasks: number;
}

const MINUTE = 60_000;
/** Lengths that a span can have. */
const LENGTHS = [1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60].map((minutes) => minutes * MINUTE);

/** Tasks by when their batches were formed, from the first batch to `now`, in at most `most` spans where a week each is enough. */
export function traffic(batches: Batch[], now: number, most: number): Span[] {
  if (batches.length === 0) return [];
  const first = Math.min(...batches.map((batch) => batch.created_at_ms));
  const last = Math.max(now, ...batches.map((batch) => batch.created_at_ms));
  const places = (length: number) => Math.floor(last / length) - Math.floor(first / length) + 1;
  const length = LENGTHS.find((length) => places(length) <= most) ?? LENGTHS.at(-1)!;
  const start = Math.floor(first / length) * length;
  const spans = Array.from({ length: places(length) }, (_, i) => ({ fromMs: start + i * length, toMs: start + (i + 1) * length, tasks: 0 }));
  for (const batch of batches) spans[Math.floor((batch.created_at_ms - start) / length)]!.tasks += batch.count;
  return spans;
}
