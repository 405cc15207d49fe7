/**
 * The public inputs of a batch proof, and whether an honest batch can have them: `core/src/statement.rs`,
 * `core/src/canonical.rs`.
 *
 * @module verify/statement
 */
import { labelLeaves, tree } from "../digest.js";
import { isScalar } from "./field.js";
import { INPUTS_AT, LABELS_PER_WORD, slotsOf } from "./places.js";
import { Refusal } from "./refusal.js";

/** The ASCII bytes of `dn-batch` followed by version 3: commitments are listed. */
const LISTED = 0x646e2d626174636803n;
/** The same followed by version 4: a digest stands for them. */
const DIGEST = LISTED + 1n;
/** Largest margin of an answer, in int8 steps. */
const MAX_MARGIN = 255n;

/**
 * @typedef {object} Statement
 * @property {"listed" | "digest"} form
 * @property {bigint} header public input 1: binds the proof to a batch
 * @property {number} count tasks; slots from there on are padding
 * @property {bigint | null} digest stands for all below, which {@link withLeaves} adds
 * @property {bigint[]} inputs commitments, one per slot
 * @property {(number | null)[]} labels of every slot, if it has one
 * @property {{labelled: number, correct: number, marginSum: number} | null} score
 * @property {bigint[]} outputs commitments, one per slot
 */

const flaw = (message) => new Refusal("statement", message);

/** What stands for the label of each slot and those behind them: 0 for none, else class and one. */
function entriesOf(words) {
  return words.flatMap((word, i) => {
    if (word >> 240n !== 0n) throw flaw(`slot ${i * LABELS_PER_WORD} cannot have its label`);
    return Array.from({ length: LABELS_PER_WORD }, (_, j) => Number((word >> BigInt(16 * j)) & 0xffffn));
  });
}

/** Reads what a listing says of `count` tasks. */
function listing(count, inputs, labels, [labelled, correct, marginSum], outputs) {
  if (count > inputs.length) throw flaw("public input 2 is no number of tasks");
  const entries = entriesOf(labels);
  const unused = entries.findIndex((entry, slot) => slot >= count && entry !== 0);
  if (unused >= 0) throw flaw(`slot ${unused} cannot have its label`);
  const isPossible = labelled <= BigInt(count) && correct <= labelled && marginSum <= MAX_MARGIN * correct;
  if (!isPossible || BigInt(entries.filter((entry) => entry !== 0).length) !== labelled) {
    throw flaw(`no batch of ${count} tasks has the score that is stated`);
  }
  for (const [name, words] of [["input", inputs], ["output", outputs]]) {
    const other = words.findIndex((word, slot) => slot > count && word !== words[count]);
    if (other >= 0) throw flaw(`the ${name} commitment of unused slot ${other} is another one`);
  }
  const zero = outputs.indexOf(0n);
  if (zero >= 0) throw flaw(`slot ${zero} cannot have its output commitment`);
  return {
    inputs,
    labels: entries.slice(0, inputs.length).map((entry) => (entry === 0 ? null : entry - 1)),
    score: { labelled: Number(labelled), correct: Number(correct), marginSum: Number(marginSum) },
    outputs,
  };
}

/**
 * Reads public inputs.
 *
 * @param {bigint[]} instances
 * @returns {Statement}
 * @throws {Refusal} naming the first thing that no honest batch has
 */
export function readStatement(instances) {
  if (instances.length < INPUTS_AT) throw flaw(`${instances.length} public inputs are those of no batch`);
  const [version, header, tasks, ...rest] = instances;
  if (tasks < 1n || tasks >= 2n ** 32n) throw flaw("public input 2 is no number of tasks");
  const count = Number(tasks);
  if (version !== LISTED && version !== DIGEST) throw flaw("public input 0 names another statement");
  if (version === DIGEST) {
    if (rest.length !== 1) throw flaw(`${instances.length} public inputs are those of no batch`);
    return { form: "digest", header, count, digest: rest[0], inputs: [], labels: [], score: null, outputs: [] };
  }
  const slots = slotsOf(instances.length);
  if (slots === null) throw flaw(`${instances.length} public inputs are those of no batch`);
  const score = rest.slice(-slots - 3).slice(0, 3);
  const labels = rest.slice(slots, rest.length - slots - 3);
  const listed = listing(count, rest.slice(0, slots), labels, score, rest.slice(rest.length - slots));
  return { form: "listed", header, count, digest: null, ...listed };
}

/**
 * Adds what a digest stands for.
 *
 * @param {Statement} statement
 * @param {bigint[]} leaves of the digest's tree
 * @returns {Statement}
 */
export function withLeaves(statement, leaves) {
  const other = flaw("the commitments are not those of the digest");
  if (statement.digest === null || !leaves.every(isScalar)) throw other;
  let root;
  try {
    root = tree(leaves)[0];
  } catch {
    throw other;
  }
  if (root !== statement.digest) throw other;
  const pairs = (leaves.length - 1) / 2;
  const slots = pairs - 2 * Math.ceil(pairs / 62);
  const scoreAt = slots + labelLeaves(slots);
  const packed = leaves[scoreAt];
  if (packed >> 64n !== 0n) throw flaw(`no batch of ${statement.count} tasks has the score that is stated`);
  const score = [packed & 0xffffn, (packed >> 16n) & 0xffffn, packed >> 32n];
  const listed = listing(statement.count, leaves.slice(0, slots), leaves.slice(slots, scoreAt), score, leaves.slice(scoreAt + 1));
  return { ...statement, ...listed };
}
