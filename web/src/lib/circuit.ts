/** What a key says of its circuit. */
import { isForgeable, matchesContract, readProtocol } from "@sdk/verify/verify.js";

export interface Circuit {
  rows: number;
  columns: number;
  constraints: number;
  isMerged: boolean;
  /** Its reference string has a public secret. */
  isForgeable: boolean;
}

export function circuitOf(protocol: object): Circuit {
  const key = readProtocol(protocol);
  const columns = key.phases.reduce((sum, phase) => sum + phase.advice.length, 0);
  return { rows: 2 ** key.k, columns, constraints: key.constraints.length, isMerged: key.places !== null, isForgeable: isForgeable(key) };
}

/** Whether the key is the one in a contract with this code. */
export const isKeyOf = (protocol: object, code: string): boolean => matchesContract(readProtocol(protocol), code);
