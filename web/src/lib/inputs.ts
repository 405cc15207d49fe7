/** What each public input of a proof means. */
import { readStatement } from "@sdk/verify/statement.js";
import { t } from "../strings";

export interface Explained {
  index: number;
  meaning: string;
  value: bigint;
  /** Shown as a number, not as a hash. */
  isNumber: boolean;
}

const LABELS_PER_WORD = 15;

/** All public inputs with their meaning; throws where they are those of no batch. */
export function explain(instances: bigint[]): Explained[] {
  const { form, inputs, count } = readStatement(instances);
  const meanings: [string, boolean][] = [
    [t.inputs.version, false],
    [t.inputs.header, false],
    [t.inputs.count, true],
  ];
  const add = (meaning: string, isNumber = false) => meanings.push([meaning, isNumber]);
  if (form === "digest") {
    add(t.inputs.digest);
  } else {
    const slots = inputs.length;
    for (let i = 0; i < slots; i++) add(i < count ? t.inputs.inputOf(i) : t.inputs.padding(i));
    for (let i = 0; i < slots; i += LABELS_PER_WORD) add(t.inputs.labels(i, Math.min(i + LABELS_PER_WORD, slots) - 1));
    add(t.inputs.labelled, true);
    add(t.inputs.correct, true);
    add(t.inputs.margin, true);
    for (let i = 0; i < slots; i++) add(i < count ? t.inputs.outputOf(i) : t.inputs.paddingOutput(i));
  }
  return instances.map((value, index) => ({ index, meaning: meanings[index]![0], isNumber: meanings[index]![1], value }));
}
