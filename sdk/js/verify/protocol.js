/**
 * A verifying key as data, as `GET /v1/models/{id}/protocol` serves it, equal to `core/src/protocol.rs`: domain, reference
 * string, commitments, and the gates as steps of arithmetic. Nothing here is believed before `matchesContract` has compared
 * it with the data contract that the chain names.
 *
 * @module verify/protocol
 */
import { number } from "./field.js";
import { Refusal } from "./refusal.js";

const FORMAT = "deepnode-protocol/1";
const MAX_K = 28;
const MAX_LEN = 1 << 16;

/**
 * @typedef {{column: number, rotation: number}} Query
 * @typedef {{kind: string, operands: number[]}} Op
 * @typedef {object} Protocol
 * @property {number} k log2 of the rows
 * @property {bigint} omega generator of the domain
 * @property {bigint} digest absorbed first
 * @property {number} instances number of public inputs
 * @property {bigint[]} g1 x, y
 * @property {bigint[]} g2 x.c0, x.c1, y.c0, y.c1
 * @property {bigint[]} tauG2 as g2
 * @property {bigint[][]} fixed commitments to fixed columns, or to groups of them
 * @property {{advice: number[], challenges: number[]}[]} phases
 * @property {Query[]} adviceQueries
 * @property {Query[]} fixedQueries
 * @property {number} pieces of the quotient
 * @property {number | null} places columns to a commitment, where openings are merged
 * @property {bigint[]} constants
 * @property {Op[]} ops operands of Neg, Sum and Product are indices of earlier steps
 * @property {number[]} constraints indices of steps
 * @property {string} layout the JSON whose hash names the layout
 */

function ensure(ok, field) {
  if (!ok) throw new Refusal("key", `the verifying key's field ${field} is invalid`);
}

function natural(x, field) {
  ensure(Number.isInteger(x) && x >= 0 && x < 2 ** 32, field);
  return x;
}

function list(x, field, most = MAX_LEN) {
  ensure(Array.isArray(x) && x.length <= most, field);
  return x;
}

function word(x, field) {
  ensure(Array.isArray(x) && x.length === 32 && x.every((b) => Number.isInteger(b) && b >= 0 && b < 256), field);
  return x;
}

function wordsOf(x, length, field) {
  ensure(Array.isArray(x) && x.length === length, field);
  return x.map((w) => word(w, field));
}

function queriesOf(x, field) {
  return list(x, field).map((query) => {
    const { column, rotation } = query ?? {};
    ensure(Number.isInteger(rotation), field);
    return { column: natural(column, field), rotation };
  });
}

/** How an operation is written: its name and its operands; several as an array, one by itself, none as the name alone. */
const ARITY = { Constant: 1, Fixed: 1, Advice: 1, Instance: 0, Challenge: 1, Neg: 1, Sum: 2, Product: 2 };

function opOf(x) {
  if (x === "Instance") return { kind: x, operands: [] };
  const [kind, ...rest] = x && typeof x === "object" ? Object.keys(x) : [];
  ensure(rest.length === 0 && ARITY[kind] > 0, "nodes");
  const operands = ARITY[kind] === 1 ? [x[kind]] : x[kind];
  ensure(Array.isArray(operands) && operands.length === ARITY[kind], "nodes");
  return { kind, operands: operands.map((i) => natural(i, "nodes")) };
}

const written = ({ kind, operands }) =>
  operands.length === 0 ? kind : { [kind]: operands.length === 1 ? operands[0] : operands };

/** The JSON that `core/src/system.rs` hashes. */
function layoutOf(p) {
  const columns = [p.phases, p.fixed.length, p.quotient_pieces];
  const parts = [[columns, p.advice_queries, p.fixed_queries, p.constants, p.ops.map(written)], p.constraints];
  return JSON.stringify(p.places === null ? parts : [parts, p.places]);
}

function inOrder(lists) {
  const all = lists.flat().sort((a, b) => a - b);
  return all.every((x, i) => x === i) ? all.length : null;
}

/** Checks that every index is in range. */
function check(p) {
  ensure(p.k >= 1 && p.k <= MAX_K, "k");
  ensure(p.instances < 2 ** p.k, "instances");
  ensure(p.quotient_pieces >= 1 && p.quotient_pieces <= 8, "quotient_pieces");
  const advice = inOrder(p.phases.map((phase) => phase.advice));
  const challenges = inOrder(p.phases.map((phase) => phase.challenges));
  ensure(advice !== null && challenges !== null, "phases");
  const fit = (queries, columns) => queries.every((q) => q.column < columns && Math.abs(q.rotation) < 2 ** p.k);
  ensure(fit(p.advice_queries, advice), "advice_queries");
  ensure(fit(p.fixed_queries, p.places === null ? p.fixed.length : MAX_LEN), "fixed_queries");
  const bounds = {
    Constant: p.constants.length,
    Fixed: p.fixed_queries.length,
    Advice: p.advice_queries.length,
    Challenge: challenges,
  };
  p.ops.forEach(({ kind, operands }, i) => ensure(operands.every((x) => x < (bounds[kind] ?? i)), "nodes"));
  ensure(p.constraints.every((c) => c < p.ops.length), "constraints");
}

/**
 * Reads and checks a key.
 *
 * @param {string | object} json the file's text, or what it says
 * @returns {Protocol}
 * @throws {Refusal} on anything but a key's encoding
 */
export function readProtocol(json) {
  let file = json;
  if (typeof json === "string") {
    try {
      file = JSON.parse(json);
    } catch {
      throw new Refusal("key", "the verifying key is no JSON");
    }
  }
  ensure(file?.format === FORMAT, "format");
  const raw = file.protocol ?? {};
  const phase = (x) => ({
    advice: list(x?.advice, "phases").map((c) => natural(c, "phases")),
    challenges: list(x?.challenges, "phases").map((c) => natural(c, "phases")),
  });
  const p = {
    k: natural(raw.k, "k"),
    instances: natural(raw.instances, "instances"),
    fixed: list(raw.fixed, "fixed").map((p) => wordsOf(p, 2, "fixed")),
    phases: list(raw.phases, "phases", 2).map(phase),
    advice_queries: queriesOf(raw.advice_queries, "advice_queries"),
    fixed_queries: queriesOf(raw.fixed_queries, "fixed_queries"),
    quotient_pieces: natural(raw.quotient_pieces, "quotient_pieces"),
    places: raw.places === undefined || raw.places === null ? null : natural(raw.places, "places"),
    constants: list(raw.constants, "constants").map((w) => word(w, "constants")),
    ops: list(raw.nodes, "nodes").map(opOf),
    constraints: list(raw.constraints, "constraints").map((c) => natural(c, "constraints")),
  };
  check(p);
  return {
    k: p.k,
    omega: number(word(raw.omega, "omega")),
    digest: number(word(raw.digest, "digest")),
    instances: p.instances,
    g1: wordsOf(raw.g1, 2, "g1").map(number),
    g2: wordsOf(raw.g2, 4, "g2").map(number),
    tauG2: wordsOf(raw.s_g2, 4, "s_g2").map(number),
    fixed: p.fixed.map((point) => point.map(number)),
    phases: p.phases,
    adviceQueries: p.advice_queries,
    fixedQueries: p.fixed_queries,
    pieces: p.quotient_pieces,
    places: p.places,
    constants: p.constants.map(number),
    ops: p.ops,
    constraints: p.constraints,
    layout: layoutOf(p),
  };
}
