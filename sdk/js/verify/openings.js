/** Which columns are opened where, and which share a commitment: `core/src/system.rs` and `core/src/groups.rs`. */
import { mergedDigest } from "./contract.js";
import { Refusal } from "./refusal.js";

/** Pieces that a merged quotient is cut into. */
const PIECES = 2;
const MAX_PLACES = 64;

function unsupported(what) {
  return new Refusal("key", `the verifying key has an unsupported ${what}`);
}

/**
 * The claimed values of each queried column, in the order of first query.
 *
 * @param {import("./protocol.js").Query[]} queries
 * @param {number} valuesAt number of values before theirs
 * @returns {{column: number, here: number, before: number | null}[]} values at x and, where the gates read it, x / omega
 */
function openings(queries, valuesAt) {
  const all = [];
  for (const { column } of queries) {
    if (all.some((o) => o.column === column)) continue;
    const position = (rotation) => {
      const at = queries.findIndex((q) => q.column === column && q.rotation === rotation);
      return at < 0 ? null : valuesAt + at;
    };
    const [here, before] = [position(0), position(-1)];
    const known = 1 + Number(before !== null);
    if (here === null || queries.filter((q) => q.column === column).length !== known) throw unsupported("rotation");
    all.push({ column, here, before });
  }
  return all;
}

/** Checks that the key is of a shape that a data contract can have, and gives its openings. */
export function systemOf(p) {
  if (p.phases.length !== 2) throw unsupported("number of phases");
  const [first, second] = p.phases;
  const columns = [...first.advice, ...second.advice];
  if (columns.some((c, i) => c !== i) || second.challenges.length > 0) throw unsupported("order of columns");
  const advice = openings(p.adviceQueries, 0);
  if (advice.length === 0) throw unsupported("lack of advice columns");
  return { advice, fixed: openings(p.fixedQueries, p.adviceQueries.length) };
}

/**
 * The groups of a merged key. Values are counted over advice queries, fixed queries, the quotient's second piece and its
 * first.
 *
 * @param {import("./protocol.js").Protocol} p
 * @returns {{part: "phase 1" | "phase 2" | "fixed" | "quotient", isPair: boolean, places: {here: number, before: number | null}[]}[]}
 */
export function groupsOf(p) {
  if (p.places === null || p.places < PIECES || p.places > MAX_PLACES) {
    throw unsupported("number of columns to a commitment");
  }
  const { advice } = systemOf(p);
  const first = p.phases[0].advice.length;
  if (advice.length !== first + p.phases[1].advice.length) throw unsupported("column without a query");
  if (p.pieces !== PIECES) throw unsupported("degree of the gates");
  const kinds = [];
  for (const [part, inPhase] of [["phase 1", (o) => o.column < first], ["phase 2", (o) => o.column >= first]]) {
    for (const isPair of [true, false]) {
      kinds.push({ part, isPair, places: advice.filter((o) => inPhase(o) && (o.before !== null) === isPair) });
    }
  }
  const values = p.adviceQueries.length + p.fixedQueries.length;
  const single = (here) => ({ here, before: null });
  kinds.push({ part: "fixed", isPair: false, places: p.fixedQueries.map((_, i) => single(p.adviceQueries.length + i)) });
  kinds.push({ part: "quotient", isPair: false, places: [single(values + 1), single(values)] });
  const groups = [];
  for (const { part, isPair, places } of kinds) {
    for (let at = 0; at < places.length; at += p.places) {
      groups.push({ part, isPair, places: places.slice(at, at + p.places) });
    }
  }
  if (groups.filter((g) => g.part === "fixed").length !== p.fixed.length) {
    throw unsupported("number of fixed commitments");
  }
  if (mergedDigest(p) !== p.digest) throw new Refusal("key", "the verifying key has an invalid digest");
  return groups;
}
