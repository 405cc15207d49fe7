/** What the playground's key has in the rollup, and how it gets more on a development chain. */
import type { Held } from "./escrow";
import { key } from "./key.svelte";
import { network } from "./network.svelte";
import { settings } from "./settings.svelte";

/** What the faucet gives at once, in token wei. */
const DRAW = 10n ** 18n;

class Purse {
  /** Null while the chain has not told. */
  held = $state.raw<Held | null>(null);
  /** Why the chain does not tell. */
  failure = $state<unknown>(null);
  isDrawing = $state(false);

  async load() {
    const account = key.address;
    try {
      const node = await network.settlement();
      const { heldBy } = await import("./escrow");
      const held = node === null ? null : await heldBy(node.provider, node.chain, account);
      if (account !== key.address) return;
      [this.held, this.failure] = [held, null];
    } catch (error) {
      [this.held, this.failure] = [null, error];
    }
  }

  /** Puts DN of the faucet into the account. */
  async draw() {
    this.isDrawing = true;
    try {
      const node = await network.settlement();
      if (node === null) return;
      const { drawFrom } = await import("./escrow");
      await drawFrom(settings.faucet, node.provider, node.chain, key.address, DRAW);
      await this.load();
    } catch (error) {
      this.failure = error;
    } finally {
      this.isDrawing = false;
    }
  }
}

export const purse = new Purse();
