/**
 * What can go wrong while a sequencer is asked.
 *
 * @module failure
 */

/** The sequencer refuses: a problem document of RFC 9457. `code` is stable, `hint` says what to do. */
export class Refused extends Error {
  /** @param {{status: number, code: string, detail: string, hint: string}} problem */
  constructor({ status, code, detail, hint }) {
    super(`${code}: ${detail} (${hint})`);
    this.name = "Refused";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.hint = hint;
  }
}

/**
 * The sequencer cannot be reached, or does not answer in its format. `isLost` says whether the request may have been
 * carried out although no answer came.
 */
export class Unreachable extends Error {
  /** @param {string} message @param {boolean} isLost @param {unknown} [cause] */
  constructor(message, isLost, cause) {
    super(message, { cause });
    this.name = "Unreachable";
    this.isLost = isLost;
  }
}

/** A task has no answer, and will have none, or not in the time that was given for it. */
export class Unanswered extends Error {
  name = "Unanswered";
}

/** What a sequencer, a worker or a chain says is not so. */
export class Untrue extends Error {
  name = "Untrue";
}
