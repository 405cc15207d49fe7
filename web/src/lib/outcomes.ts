/** What became of a batch's tasks at settlement, as far as the chain tells. */
import type { Outcome } from "@sdk/settlement.js";
import type { Batch } from "./api";
import { network } from "./network.svelte";

export type { Outcome };

/** By slot; null where nothing can be settled yet or no chain node answers. */
export async function outcomesOf(batch: Batch): Promise<Outcome[] | null> {
  const model = network.model(batch.model_id);
  if (batch.state !== "proven" || model === undefined) return null;
  const node = await network.settlement();
  return (await node?.outcomes(batch, model.batch_slots).catch(() => null)) ?? null;
}
