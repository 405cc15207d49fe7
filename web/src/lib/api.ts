/** The sequencer's public API: what `GET /openapi.json` describes, as far as pages show it. */
import { settings } from "./settings.svelte";

export type TaskState = "queued" | "assigned" | "executed" | "committed" | "proven" | "refunded" | "failed";
export type BatchState = "formed" | "committed" | "proof_ready" | "proven" | "expired";

export interface Chain {
  chain_id: number;
  rollup: string;
  token: string;
  staking: string;
  registry: string;
  sequencer: string;
}

export interface Model {
  model_id: string;
  name: string;
  service: string;
  input_len: number;
  output_len: number;
  classes: number;
  batch_slots: number;
  work_units: number;
  price: string;
  developer: string;
  vk: string;
  null_input_hash: string;
  input_scale: number[];
  input_offset: number[];
  output_scale: number[];
  output_offset: number[];
}

export interface Trust {
  completion: number;
  accuracy: number;
  uptime: number;
  speed: number;
  history: number;
  weight: number;
}

export interface Node {
  node: string;
  role: "worker" | "prover";
  last_seen_ms: number;
  is_alive: boolean;
  completed: number;
  held: number;
  allowance: number;
  is_barred: boolean;
  trust: Trust;
}

export interface Receipt {
  task_id: string;
  model_id: string;
  input_hash: string;
  output_hash: string;
  started_at_ms: number;
  finished_at_ms: number;
  worker: string;
  signature: string;
}

export interface Order {
  user: string;
  model_id: string;
  input_hash: string;
  max_fee: string;
  deadline: number;
  nonce: number;
  tag: string;
}

/** Where an order stands among those that were signed together. */
export interface Bundle {
  size: number;
  index: number;
  inputs: string[];
  tags: string[];
}

export interface Slot {
  task_id: string;
  worker: string;
  order: Order;
  signature: string;
  bundle?: Bundle;
  receipt: Receipt;
}

export interface Header {
  chain_id: number;
  rollup: string;
  batch_id: number;
  model_id: string;
  slots_hash: string;
  opened_at: number;
  deadline: number;
}

export interface Batch {
  id: number;
  state: BatchState;
  model_id: string;
  header: Header | null;
  slots: Slot[];
  count: number;
  score: { labelled: number; correct: number; margin_sum: number } | null;
  prover: string | null;
  /** Chunks that have tasks, and how many of them are settled. */
  chunks: number;
  settled: number;
  commit_tx: string | null;
  prove_tx: string | null;
  prove_gas: number | null;
  proving_ms: number | null;
  prove_cpu_ms: number | null;
  reason: string | null;
  created_at_ms: number;
}

export interface Proof {
  instances: string[];
  proof: string;
}

export interface Task {
  task_id: string;
  model_id: string;
  user: string;
  state: TaskState;
  reason: string | null;
  output_hash: string | null;
  proven_output_hash: string | null;
  /** Codes; for the task's user alone. */
  output?: number[] | null;
  receipt: Receipt | null;
  batch_id: number | null;
  tx_hash: string | null;
  created_at_ms: number;
  updated_at_ms: number;
}

export interface Event {
  seq: number;
  task_id: string;
  state: TaskState;
  reason: string | null;
  batch_id: number | null;
  at_ms: number;
}

export interface Readiness {
  status: string;
  events: number;
  open_tasks: number;
  chain_time_s: number;
}

/** What a sequencer says is wrong, or that none answered. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string | null,
    /** Of the problem; empty where no sequencer answered. */
    readonly code = "",
  ) {
    super(message);
  }
}

/** From a refused connection to the next. */
const RENEW_MS = 2_000;

const address = (path: string) => settings.sequencer.replace(/\/$/, "") + path;

async function ask<T>(path: string, request: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path), { ...request, headers: { accept: "application/json", ...request.headers } });
  } catch (error) {
    throw new ApiFailure(0, String(error), null);
  }
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new ApiFailure(response.status, problem.detail ?? problem.title ?? response.statusText, problem.hint ?? null, problem.code ?? "");
}

export const api = {
  chain: () => ask<Chain>("/v1/chain"),
  models: () => ask<Model[]>("/v1/models"),
  nodes: () => ask<Node[]>("/v1/nodes"),
  batch: (id: number) => ask<Batch>(`/v1/batches/${id}`),
  proof: (id: number) => ask<Proof>(`/v1/batches/${id}/proof`),
  protocol: (model: string) => ask<object>(`/v1/models/${model}/protocol`),
  task: (id: string) => ask<Task>(`/v1/tasks/${id}`),
  /** Queues a task. The same order again is the same task. */
  submit: (order: object) => ask<Task>("/v1/tasks", { method: "POST", body: JSON.stringify(order), headers: { "content-type": "application/json" } }),
  /** A task as its user sees it, once it is answered, at the latest after `waitMs`. */
  answer: (id: string, waitMs: number, token: string) =>
    ask<Task>(`/v1/tasks/${id}?wait_ms=${waitMs}`, { headers: { authorization: `Bearer ${token}` } }),
  ready: () => ask<Readiness>("/readyz"),
  /** The proof as a file that `deepnode model verify` takes. */
  proofFile: (id: number) => address(`/v1/batches/${id}/proof-file`),
  package: (model: string) => address(`/v1/models/${model}/package`),

  /** All batches from an id on, in their order. */
  async batches(from = 0): Promise<Batch[]> {
    const all: Batch[] = [];
    for (;;) {
      const page = await ask<Batch[]>(`/v1/batches?from=${from}`);
      all.push(...page);
      const last = page.at(-1);
      if (page.length < 100 || !last) return all;
      from = last.id + 1;
    }
  },

  /** Follows a log of events from a position on, each told once; `lost` hears whether the connection is. Call the answer to stop. */
  follow(path: string, heard: (event: Event) => void, lost: (isLost: boolean) => void): () => void {
    let [source, last]: [EventSource | null, number] = [null, -1];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      const opened = new EventSource(address(path));
      source = opened;
      opened.onopen = () => lost(false);
      opened.onmessage = (message) => {
        const event: Event = JSON.parse(message.data);
        if (event.seq <= last) return;
        last = event.seq;
        heard(event);
      };
      opened.onerror = () => {
        lost(true);
        // It renews a connection by itself, but not where it was refused.
        if (opened.readyState === EventSource.CLOSED) timer = setTimeout(open, RENEW_MS);
      };
    };
    open();
    return () => {
      clearTimeout(timer);
      source?.close();
    };
  },
};
