/** Tasks of one user, as far as batches tell whose they are. */
import { api, type Batch } from "./api";
import { network } from "./network.svelte";

/** Batches that are looked into, from the last one on. */
export const LATEST = 20;

export interface OwnTask {
  taskId: string;
  batch: Batch;
}

/** Of the latest batches, the last first. */
export async function tasksOf(user: string): Promise<OwnTask[]> {
  await network.refresh();
  const latest = network.batches.slice(-LATEST).toReversed();
  const batches = await Promise.all(latest.map(({ id }) => api.batch(id)));
  return batches.flatMap((batch) =>
    batch.slots.filter(({ order }) => order.user.toLowerCase() === user).map(({ task_id }) => ({ taskId: task_id, batch })),
  );
}
