/** Why a key, public inputs or a proof are refused. */
export class Refusal extends Error {
  /** @param {"key" | "statement" | "proof" | "pairing"} part what is at fault @param {string} message */
  constructor(part, message) {
    super(message);
    this.name = "Refusal";
    this.part = part;
  }
}
