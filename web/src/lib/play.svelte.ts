/** One order of the playground, from the signature to the settlement. */
import { answerOf, type Answer, type Asked, commits, send, sign } from "./ask";
import { ApiFailure, type Chain, type Model, type Task } from "./api";
import { Journey } from "./journey.svelte";
import { key } from "./key.svelte";
import { purse } from "./purse.svelte";

/** The sequencer reads an account every few seconds: how often, and after how long, an order is sent again that it finds not covered yet. */
const [RESENDS, RESEND_MS] = [7, 1_000];
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class Play {
  /** Null until the sequencer has taken the order. */
  journey = $state.raw<Journey | null>(null);
  answer = $state.raw<Answer | null>(null);
  /** From the request to the answer. */
  tookMs = $state<number | null>(null);
  isSending = $state(true);
  /** Why it was not taken, or not answered. */
  failure = $state<unknown>(null);
  #asked: Asked | null = null;
  #isOver = false;

  constructor(
    readonly chain: Chain,
    readonly model: Model,
    readonly input: number[],
    readonly price: string = model.price,
  ) {}

  /** Signs once, and sends; again, where the sequencer was not reached. */
  async start() {
    const start = performance.now();
    [this.isSending, this.failure] = [true, null];
    const { wallet } = key;
    try {
      this.#asked ??= await sign(this.chain, this.model, wallet, this.input, key.nextNonce());
      await this.#send(this.#asked);
      if (this.#isOver) return;
      if (this.journey === null) {
        this.journey = new Journey(this.#asked.taskId);
        this.journey.follow();
      }
    } catch (error) {
      this.failure = error;
      return;
    } finally {
      this.isSending = false;
    }
    try {
      this.answer = await answerOf(this.chain, wallet, this.#asked, () => this.#isOver);
      if (this.answer !== null) this.tookMs = performance.now() - start;
    } catch (error) {
      this.failure = error;
    }
  }

  /** Sends, and again while the chain has the DN that the sequencer has not seen yet. */
  async #send(asked: Asked): Promise<Task> {
    for (let left = RESENDS; ; left--) {
      try {
        return await send(asked);
      } catch (error) {
        if (left === 0 || this.#isOver || !(error instanceof ApiFailure) || error.code !== "insufficient_escrow") throw error;
        if (purse.held === null || purse.held.spendable < BigInt(this.price)) throw error;
        await later(RESEND_MS);
      }
    }
  }

  /** Whether the answer that is shown is the one with this commitment. */
  isOf(hash: string | null | undefined): boolean {
    return hash != null && this.answer !== null && this.#asked !== null && commits(hash, this.answer.output, this.#asked);
  }

  end() {
    this.#isOver = true;
    this.journey?.end();
  }
}
