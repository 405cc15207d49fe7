/** Inputs as text: JSON, or numbers between commas, semicolons and white space, as CSV files have them. */

/** Why a text is no input. */
export class NoInput extends Error {
  constructor(
    readonly reason: "number" | "length",
    readonly found: string,
  ) {
    super(`${reason}: ${found}`);
  }
}

/**
 * The `length` numbers of a text.
 *
 * @throws NoInput with the word that is no number, or with how many there are
 */
export function read(text: string, length: number): number[] {
  const words = text.replace(/[[\]]/g, " ").split(/[\s,;]+/).filter((word) => word !== "");
  const numbers = words.map((word) => {
    const number = Number(word);
    if (!Number.isFinite(number)) throw new NoInput("number", word);
    return number;
  });
  if (numbers.length !== length) throw new NoInput("length", String(numbers.length));
  return numbers;
}

/** As {@link read} takes it, with as many digits as codes can tell apart. */
export const write = (values: number[]): string => values.map((value) => Number(value.toPrecision(6))).join(", ");
