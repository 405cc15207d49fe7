/** What all pages share of the rollup: asked for once, again when another sequencer or chain node is chosen. */
import { api, type Chain, type Model } from "./api";
import { settings } from "./settings.svelte";
import type { Settlement } from "./settlement";

class Network {
  chain = $state<Chain | null>(null);
  models = $state<Model[]>([]);
  failure = $state<unknown>(null);
  #settlement: Settlement | null = null;

  async load() {
    this.#settlement?.close();
    this.#settlement = null;
    this.failure = null;
    try {
      [this.chain, this.models] = await Promise.all([api.chain(), api.models()]);
    } catch (error) {
      this.failure = error;
    }
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
