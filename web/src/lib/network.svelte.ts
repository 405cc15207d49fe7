/** What all pages share of the rollup: asked for once, again when another sequencer or chain node is chosen. */
import { api, type Batch, type Chain, type Model } from "./api";
import { isOpen } from "./figures";
import { settings } from "./settings.svelte";
import type { Settlement } from "./settlement";

class Network {
  chain = $state<Chain | null>(null);
  models = $state<Model[]>([]);
  /** All batches, without their slots, in their order. */
  batches = $state<Batch[]>([]);
  failure = $state<unknown>(null);
  #settlement: Settlement | null = null;

  async load() {
    this.#settlement?.close();
    this.#settlement = null;
    this.failure = null;
    this.batches = [];
    try {
      [this.chain, this.models] = await Promise.all([api.chain(), api.models()]);
    } catch (error) {
      this.failure = error;
    }
  }

  /** Asks for new batches, and again for those that may still change. */
  async refresh() {
    const open = this.batches.find(isOpen);
    const from = open?.id ?? (this.batches.at(-1)?.id ?? -1) + 1;
    const later = await api.batches(from);
    this.batches = [...this.batches.filter((batch) => batch.id < from), ...later];
  }

  /** The chain node of the settings, or null where none is known. */
  async settlement(): Promise<Settlement | null> {
    if (settings.rpc === "" || this.chain === null) return null;
    const { Settlement } = await import("./settlement");
    this.#settlement ??= new Settlement(settings.rpc, this.chain);
    return this.#settlement;
  }

  model(id: string): Model | undefined {
    return this.models.find((model) => model.model_id === id);
  }
}

export const network = new Network();
