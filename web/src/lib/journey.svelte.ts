/** A task as it is followed: what it is, its events, its batch, and what the chain says of its settlement. */
import { api, type Batch, type Event, type Task } from "./api";
import { type Outcome, outcomesOf } from "./outcomes";
import { settings } from "./settings.svelte";

/** Between two looks at the chain, from the proof on until the task is settled: ever longer, since no node may answer. */
const [FIRST_LOOK_MS, LAST_LOOK_MS] = [1_000, 60_000];

export class Journey {
  task = $state<Task | null>(null);
  batch = $state<Batch | null>(null);
  /** Null until the chain tells one. */
  outcome = $state<Outcome | null>(null);
  events = $state<Event[]>([]);
  failure = $state<unknown>(null);
  /** Whether the sequencer is not heard from at the moment. */
  isLost = $state(false);
  #stop = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_LOOK_MS;
  /** How often it was loaded; what an earlier request answers late is not taken. */
  #loads = 0;

  constructor(readonly id: string) {}

  /** Until {@link end}. */
  follow() {
    const heard = (event: Event) => {
      this.events = [...this.events, event];
      if (this.task !== null && event.at_ms > this.task.updated_at_ms) void this.load();
    };
    this.#stop = api.follow(`/v1/tasks/${this.id}/events`, heard, (isLost) => (this.isLost = isLost));
    void this.load();
  }

  async load() {
    clearTimeout(this.#timer);
    const load = ++this.#loads;
    try {
      const task = await api.task(this.id);
      const batch = task.batch_id === null ? null : await api.batch(task.batch_id);
      const slot = batch?.slots.findIndex((slot) => slot.task_id === this.id) ?? -1;
      const outcome = (batch === null ? null : await outcomesOf(batch))?.[slot] ?? null;
      if (load !== this.#loads) return;
      [this.task, this.batch, this.outcome, this.failure] = [task, batch, outcome, null];
    } catch (error) {
      if (load === this.#loads) this.failure = error;
      return;
    }
    if (settings.rpc === "" || this.task?.state !== "proven" || (this.outcome ?? "none") !== "none") return;
    this.#timer = setTimeout(() => void this.load(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LAST_LOOK_MS);
  }

  end() {
    this.#loads += 1;
    clearTimeout(this.#timer);
    this.#stop();
  }
}
