/**
 * Requests to a sequencer, repeated where that does no harm: `sdk/src/client/retry.rs`.
 *
 * @module requests
 */
import { Refused, Unreachable } from "./failure.js";

/** Longest wait for an answer, where a request says nothing else. */
const TIMEOUT_MS = 60_000;
/** How long a request is repeated, and the pauses between. */
const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
const BUSY = [429, 502, 503, 504];
/** The server may have carried the request out. */
const LOST = [502, 504];

/** @param {number} ms @returns {Promise<void>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What an answer that is no success says. */
async function failureOf(response) {
  const told = await response.json().catch(() => null);
  if (told?.code) return new Refused({ status: response.status, ...told });
  return new Unreachable(`the sequencer answered ${response.status} in another format`, LOST.includes(response.status));
}

async function send(url, { timeoutMs = TIMEOUT_MS, ...request }) {
  try {
    return await fetch(url, { ...request, signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    const code = error.cause?.code;
    const isRefused = code === "ECONNREFUSED" || code === "ENOTFOUND";
    throw new Unreachable(`the sequencer does not answer: ${error.cause?.message ?? error.message}`, !isRefused, error);
  }
}

async function read(response) {
  if (!response.ok) throw await failureOf(response);
  return response.json().catch((error) => {
    throw new Unreachable(`the sequencer answered ${response.status} in another format`, true, error);
  });
}

/**
 * Asks once.
 *
 * @param {string} url
 * @param {RequestInit & {timeoutMs?: number}} [request]
 * @returns {Promise<any>} the JSON of the answer
 */
export const once = async (url, request = {}) => read(await send(url, request));

/** The bytes of an answer, asked once. */
export async function bytesOf(url, request = {}) {
  const response = await send(url, request);
  if (!response.ok) throw await failureOf(response);
  return new Uint8Array(await response.arrayBuffer());
}

/** What is to be done about a request that failed: its error, and how long to wait. */
async function tried(url, request, wait) {
  let response;
  try {
    response = await send(url, request);
  } catch (error) {
    return { error, wait };
  }
  if (!BUSY.includes(response.status)) return { answer: await read(response) };
  const after = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return { error: await failureOf(response), wait: Number.isNaN(after) ? wait : 1000 * after };
}

/**
 * Asks again while the sequencer cannot be reached or is busy: for what does no harm twice.
 *
 * @param {string} url
 * @param {RequestInit & {timeoutMs?: number}} [request]
 * @param {number} [patienceMs]
 * @returns {Promise<any>}
 */
export async function untilAnswered(url, request = {}, patienceMs = PATIENCE_MS) {
  const deadline = Date.now() + Math.min(patienceMs, PATIENCE_MS);
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
    const found = await tried(url, request, wait);
    if (!found.error) return found.answer;
    const rest = Math.min(found.wait, LONGEST_PAUSE_MS);
    if (Date.now() + rest > deadline) throw found.error;
    await pause(rest);
  }
}

/**
 * The events of a stream, without an end.
 *
 * @param {string} url
 * @returns {AsyncGenerator<any>}
 */
export async function* eventsOf(url) {
  const response = await fetch(url, { headers: { accept: "text/event-stream" } }).catch((error) => {
    throw new Unreachable(`the sequencer does not answer: ${error.message}`, false, error);
  });
  if (!response.ok || !response.body) throw await failureOf(response);
  let [text, data] = ["", ""];
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (text + part).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) data += line.slice(5);
      if (line.trim() !== "" || data === "") continue;
      const event = JSON.parse(data);
      data = "";
      yield event;
    }
  }
}
