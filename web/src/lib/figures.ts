/** Sums that the overview shows. */
import type { Batch, Event, Node, TaskState, Trust } from "./api";

export interface Totals {
  proven: number;
  batches: number;
  /** Gas of one inference, over batches that are settled as a whole. */
  gas: number | null;
  /** CPU milliseconds of proving one inference, over batches whose prover told. */
  cpuMs: number | null;
}

/** Whether every task of a batch is settled. */
export const isSettled = (batch: Batch) => batch.state === "proven" && batch.settled === batch.chunks;

/** Whether a batch can still change. */
export const isOpen = (batch: Batch) => batch.state !== "expired" && !isSettled(batch);

/** Gas of one inference of a batch that is settled as a whole. */
export const gasPerInference = (batch: Batch) =>
  batch.prove_gas === null || !isSettled(batch) ? null : batch.prove_gas / batch.count;

export function totals(batches: Batch[]): Totals {
  const proven = batches.filter((batch) => batch.state === "proven");
  const sum = (of: Batch[], value: (batch: Batch) => number) => of.reduce((all, batch) => all + value(batch), 0);
  const mean = (of: Batch[], value: (batch: Batch) => number) => (of.length === 0 ? null : sum(of, value) / sum(of, (b) => b.count));
  return {
    proven: sum(proven, (b) => b.count),
    batches: proven.length,
    gas: mean(proven.filter((b) => gasPerInference(b) !== null), (b) => b.prove_gas!),
    cpuMs: mean(proven.filter((b) => b.prove_cpu_ms !== null), (b) => b.prove_cpu_ms!),
  };
}

/** How many tasks came to a state in the last `span` milliseconds, as far as the events tell. */
export const lately = (events: Event[], state: TaskState, now: number, span: number) =>
  events.filter((event) => event.state === state && event.at_ms > now - span).length;

const ONE = 2 ** 32;
/** Work at which the history counts one half. */
const HALF_HISTORY = 2 ** 40;

export const PARTS = ["completion", "accuracy", "uptime", "speed", "history"] as const;

/** The five parts of a trust weight and the weight itself, each from 0 to 1: `core/src/trust.rs`. */
export function trustOf(trust: Trust) {
  const fraction = (x: number) => x / ONE;
  return {
    completion: fraction(trust.completion),
    accuracy: fraction(trust.accuracy),
    uptime: fraction(trust.uptime),
    speed: fraction(trust.speed),
    history: trust.history / (trust.history + HALF_HISTORY),
    weight: fraction(trust.weight),
  };
}

/** What a node has done of all that nodes of its role did. */
export function shareOf(node: Node, nodes: Node[]): number {
  const all = nodes.filter((other) => other.role === node.role).reduce((sum, other) => sum + other.completed, 0);
  return all === 0 ? 0 : node.completed / all;
}
