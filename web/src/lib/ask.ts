/** Orders of one's own: signed here, sent to the sequencer, and answered to their user alone. */
import { accessToken } from "@sdk/access.js";
import { outputCommitment } from "@sdk/commitment.js";
import { signedTask, taskId } from "@sdk/order.js";
import type { Signer } from "ethers";
import { api, type Chain, type Model, type Task } from "./api";

/** How long an order is good, and an access token, in seconds. */
const GOOD_S = 3_600;
/** How long one request waits for an answer. */
const WAIT_MS = 10_000;

/** A signed order. Sent again it is the same task, and paid once. */
export interface Asked {
  taskId: string;
  /** Of `POST /v1/tasks`. */
  body: Awaited<ReturnType<typeof signedTask>>;
  salt: bigint;
}

const inAnHour = () => Math.floor(Date.now() / 1000) + GOOD_S;

export async function sign(chain: Chain, model: Model, signer: Signer, input: number[], nonce: number): Promise<Asked> {
  const body = await signedTask(chain, model, signer, input, { deadline: inAnHour(), nonce });
  return { taskId: taskId(chain, body.order), body, salt: BigInt(body.salt) };
}

export const send = (asked: Asked): Promise<Task> => api.submit(asked.body);

/** What a worker answered. */
export interface Answer {
  /** Codes. */
  output: number[];
  /** Commitment to them. */
  hash: string;
}

/** Waits until there is an answer; null where the task ended without one. */
export async function answerOf(chain: Chain, signer: Signer, asked: Asked, isOver: () => boolean): Promise<Answer | null> {
  const token = await accessToken(chain, signer, inAnHour());
  while (!isOver()) {
    const task = await api.answer(asked.taskId, WAIT_MS, token);
    if (task.output) return { output: task.output, hash: task.output_hash ?? "" };
    if (task.state === "refunded" || task.state === "failed") return null;
  }
  return null;
}

/** Whether an answer is the one that a commitment was made to, with the salt of the order. */
export const commits = (hash: string, output: number[], asked: Asked): boolean => BigInt(hash) === outputCommitment(output, asked.salt);
