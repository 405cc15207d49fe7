/**
 * Receipts: what workers sign of an answer.
 *
 * @module receipt
 */
import { verifyTypedData } from "ethers";
import { domain } from "./order.js";

const TYPES = {
  Receipt: [
    { name: "taskId", type: "bytes32" },
    { name: "modelId", type: "bytes32" },
    { name: "inputHash", type: "bytes32" },
    { name: "outputHash", type: "bytes32" },
    { name: "startedAtMs", type: "uint64" },
    { name: "finishedAtMs", type: "uint64" },
  ],
};

/**
 * @typedef {object} Receipt as the interface has it
 * @property {string} task_id
 * @property {string} model_id
 * @property {string} input_hash
 * @property {string} output_hash
 * @property {number} started_at_ms
 * @property {number} finished_at_ms
 * @property {string} worker
 * @property {string} signature
 */

/**
 * Who signed a receipt, in lower case.
 *
 * @param {{chain_id: number, rollup: string}} chain
 * @param {Receipt} r
 * @returns {string}
 */
export function receiptSigner(chain, r) {
  const message = {
    taskId: r.task_id,
    modelId: r.model_id,
    inputHash: r.input_hash,
    outputHash: r.output_hash,
    startedAtMs: r.started_at_ms,
    finishedAtMs: r.finished_at_ms,
  };
  return verifyTypedData(domain(chain), TYPES, message, r.signature).toLowerCase();
}
