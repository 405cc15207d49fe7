/** Sums that the overview shows. */
import type { Batch, Event, Node, TaskState, Trust } from "./api";

export interface Totals {
  proven: number;
  batches: number;
  /** Gas of all proofs that are on chain. */
  gas: number;
  /** CPU milliseconds of proving one inference, over batches whose prover told. */
  cpuMs: number | null;
}

/** Gas of one inference of a batch that is proven. */
export const gasPerInference = (batch: Batch) => (batch.prove_gas === null ? null : batch.prove_gas / batch.count);

export function totals(batches: Batch[]): Totals {
  const proven = batches.filter((batch) => batch.state === "proven");
  const sum = (of: Batch[], value: (batch: Batch) => number) => of.reduce((all, batch) => all + value(batch), 0);
  const timed = proven.filter((batch) => batch.prove_cpu_ms !== null);
  return {
    proven: sum(proven, (b) => b.count),
    batches: proven.length,
    gas: sum(proven, (b) => b.prove_gas ?? 0),
    cpuMs: timed.length === 0 ? null : sum(timed, (b) => b.prove_cpu_ms!) / sum(timed, (b) => b.count),
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
