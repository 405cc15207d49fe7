/** Evaluates the gates at the opened values, equal to `verifier/src/gates.rs`. */
import { R } from "./field.js";

/**
 * All constraints, separated by powers of `y`, the first one with the highest power.
 *
 * @param {import("./protocol.js").Protocol} protocol
 * @param {{advice: bigint[], fixed: bigint[], instance: bigint, challenges: bigint[]}} values at the evaluation point
 * @param {bigint} y
 */
export function evaluateGates(protocol, { advice, fixed, instance, challenges }, y) {
  const steps = [];
  const of = {
    Constant: (i) => protocol.constants[i],
    Fixed: (i) => fixed[i],
    Advice: (i) => advice[i],
    Instance: () => instance,
    Challenge: (i) => challenges[i],
    Neg: (a) => (R - steps[a]) % R,
    Sum: (a, b) => (steps[a] + steps[b]) % R,
    Product: (a, b) => (steps[a] * steps[b]) % R,
  };
  for (const { kind, operands } of protocol.ops) steps.push(of[kind](...operands));
  return protocol.constraints.reduce((sum, c) => (sum * y + steps[c]) % R, 0n);
}
