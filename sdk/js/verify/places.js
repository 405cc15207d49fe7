/**
 * Where things stand among the public inputs that list commitments: `core/src/statement.rs`.
 *
 * @module verify/places
 */
/** Index of the first input commitment; behind the inputs come words of labels, three words of score, and outputs. */
export const INPUTS_AT = 3;
export const LABELS_PER_WORD = 15;

/** Public inputs of a batch of `slots`. */
export const lengthOf = (slots) => INPUTS_AT + 2 * slots + Math.ceil(slots / LABELS_PER_WORD) + 3;

/** Slots of a batch with so many public inputs, or null. */
export function slotsOf(length) {
  const words = length - lengthOf(0);
  const slots = Math.floor(words / 31) * 15 + Math.floor((words % 31) / 2);
  return words >= 0 && lengthOf(slots) === length ? slots : null;
}
