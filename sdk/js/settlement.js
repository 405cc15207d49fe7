/**
 * What the rollup keeps of a batch, computed from what the sequencer serves: `sdk/src/settlement.rs`,
 * `core/src/chunks.rs`. So a third party can compare the two, and settle or report by itself.
 *
 * @module settlement
 */
import { AbiCoder, concat, keccak256, toBeHex } from "ethers";
import { bundleOf } from "./order.js";
import { INPUTS_AT, LABELS_PER_WORD, lengthOf, slotsOf } from "./verify/places.js";

/** Slots of every chunk but the last, which has at most four more. */
const CHUNK_SLOTS = 60;
const MORE = 4;
/** A hash below the field's order: without its three highest bits. */
const MASK = (1n << 253n) - 1n;
const NOTHING = "0x" + "00".repeat(32);

/** Of a fee, in percent. */
const WORKER_PERCENT = 65n;

/**
 * What became of a task at settlement: `IInferenceRollup.Outcome`.
 *
 * @typedef {"none" | "paid" | "unsigned" | "short" | "used" | "late" | "dear" | "forged"} Outcome
 */

/** @type {readonly Outcome[]} by the number that the contract gives it */
const OUTCOMES = ["none", "paid", "unsigned", "short", "used", "late", "dear", "forged"];

/**
 * @typedef {object} Header as `GET /v1/batches/{id}` has it
 * @property {number} chain_id
 * @property {string} rollup
 * @property {number} batch_id
 * @property {string} model_id
 * @property {string} slots_hash
 * @property {number} opened_at
 * @property {number} deadline
 */

/**
 * @typedef {object} Slot what is committed of a task
 * @property {string} worker
 * @property {{user: string, max_fee: string, deadline: number, nonce: number, tag: string}} order
 * @property {{size: number, index: number, inputs: string[], tags: string[]}} [bundle] where several are signed together
 */

/** Chunks of a batch with so many slots. */
export const chunkCount = (batchSlots) =>
  batchSlots <= CHUNK_SLOTS + MORE ? 1 : Math.ceil((batchSlots - MORE) / CHUNK_SLOTS);

/** Slots of a chunk: from the first up to, not including, the second. */
export function chunkSlots(batchSlots, chunk) {
  const from = chunk * CHUNK_SLOTS;
  return [from, chunk + 1 === chunkCount(batchSlots) ? batchSlots : from + CHUNK_SLOTS];
}

/** Where a slot is settled: its chunk and its place there. */
export function placeOf(batchSlots, slot) {
  const chunk = Math.min(Math.floor(slot / CHUNK_SLOTS), chunkCount(batchSlots) - 1);
  return { chunk, place: slot - chunk * CHUNK_SLOTS };
}

/** Hash of a batch's header, which the rollup keeps. */
export function headerHash(h) {
  const types = ["uint256", "address", "uint64", "bytes32", "bytes32", "uint64", "uint64"];
  const values = [h.chain_id, h.rollup, h.batch_id, h.model_id, h.slots_hash, h.opened_at, h.deadline];
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, values));
}

/** Public input 1, which binds a proof to a header and to its prover. */
export const boundHeader = (hash, prover) =>
  BigInt(keccak256(AbiCoder.defaultAbiCoder().encode(["bytes32", "address"], [hash, prover]))) & MASK;

/** What a slot's user has signed: the order, or the bundle that it belongs to. */
function signedOf({ order, bundle }) {
  if (!bundle) return { size: 1, index: 0, nonce: order.nonce, tags: order.tag };
  const { inputs, nonce, tags } = bundleOf(order, bundle);
  const key = [order.user, order.max_fee, order.deadline, bundle.size, inputs, nonce, tags].join();
  return { key, size: bundle.size, index: bundle.index, nonce, tags };
}

/** Slots behind each other that one signature stands for; the members of a bundle rise. */
function groupsOf(slots) {
  const groups = [];
  for (const slot of slots) {
    const signed = signedOf(slot);
    const last = groups.at(-1);
    if (last && signed.key && signed.key === last.key && signed.index > last.index) {
      last.members |= 1n << BigInt(signed.index);
      last.index = signed.index;
    } else {
      groups.push({ ...signed, order: slot.order, members: 1n << BigInt(signed.index) });
    }
  }
  return groups;
}

/** Hash of a chunk's orders, tasks and workers, these in the order of their first slots; zero where no slot is in use. */
function chunkHash(slots) {
  if (slots.length === 0) return NOTHING;
  const groups = groupsOf(slots);
  const workers = [...new Set(slots.map((slot) => slot.worker.toLowerCase()))];
  const orders = groups.flatMap(({ order, size, members, nonce, tags }) => [
    order.user,
    toBeHex(size, 1),
    toBeHex(members, 8),
    toBeHex(order.max_fee, 16),
    toBeHex(order.deadline, 8),
    toBeHex(nonce, 8),
    tags,
  ]);
  const executors = slots.map(({ worker }) => toBeHex(workers.indexOf(worker.toLowerCase()), 1));
  const numbers = [toBeHex(groups.length, 1), toBeHex(slots.length, 1)];
  return keccak256(concat([...numbers, ...orders, ...executors, ...workers.map((worker) => toBeHex(worker, 32))]));
}

/** Hash of each chunk's slots, and behind them that of all tasks' inputs. */
export const slotHashes = (batchSlots, slots) => [
  ...Array.from({ length: chunkCount(batchSlots) }, (_, chunk) => chunkHash(slots.slice(...chunkSlots(batchSlots, chunk)))),
  keccak256(concat(slots.map(({ order }) => order.input_hash))),
];

/** What a batch's header says of its slots. */
export const slotsHash = (batchSlots, slots) => keccak256(concat(slotHashes(batchSlots, slots)));

/** A chunk's part of the public inputs: its input commitments, words of labels and output commitments. */
function statementOf(instances, batchSlots, chunk) {
  const [from, to] = chunkSlots(batchSlots, chunk);
  const labelsAt = INPUTS_AT + batchSlots;
  const outputsAt = lengthOf(batchSlots) - batchSlots;
  return [
    ...instances.slice(INPUTS_AT + from, INPUTS_AT + to),
    ...instances.slice(labelsAt + Math.floor(from / LABELS_PER_WORD), labelsAt + Math.ceil(to / LABELS_PER_WORD)),
    ...instances.slice(outputsAt + from, outputsAt + to),
  ];
}

const leafOf = (statement) => keccak256(concat(statement.map((word) => toBeHex(word, 32))));

/**
 * Where each chunk stands in its proven batch: what `isProven`, `settleChunks` and `slashReceipt` take.
 *
 * @param {bigint[]} instances public inputs that list commitments
 * @param {Slot[]} slots
 * @param {string} prover
 * @returns {{prover: string, slotHashes: string[], leaves: string[], statement: bigint[]}[]} by chunk
 * @throws {RangeError} where no batch has so many public inputs
 */
export function openings(instances, slots, prover) {
  const batchSlots = slotsOf(instances.length);
  if (!batchSlots) throw new RangeError(`${instances.length} public inputs list no batch`);
  const chunks = Array.from({ length: chunkCount(batchSlots) }, (_, chunk) => statementOf(instances, batchSlots, chunk));
  const shared = { prover, slotHashes: slotHashes(batchSlots, slots), leaves: chunks.map(leafOf) };
  return chunks.map((statement) => ({ ...shared, statement }));
}

/**
 * The outcomes that `ChunkSettled` tells, by place in the chunk.
 *
 * @param {bigint} word
 * @returns {Outcome[]}
 */
export const outcomesOf = (word) =>
  Array.from({ length: CHUNK_SLOTS + MORE }, (_, place) => OUTCOMES[Number((word >> BigInt(4 * place)) & 15n)] ?? "none");

/** Whether the user of a task with this outcome has paid. */
export const isPaid = (outcome) => outcome === "paid" || outcome === "unsigned";

/** What the user of a task with this outcome has paid, in token wei. */
export function feeOf(outcome, price) {
  if (!isPaid(outcome)) return 0n;
  return outcome === "paid" ? price : price - (price * WORKER_PERCENT) / 100n;
}
