import assert from "node:assert/strict";
import { test } from "node:test";
import { amountOf } from "./escrow";
import { failureOf, WalletFailure } from "./wallet-failure";

test("amounts are read to the last wei, and what is none is refused", () => {
  assert.equal(amountOf("1"), 10n ** 18n);
  assert.equal(amountOf(" 0.000000000000000001 "), 1n);
  assert.equal(amountOf("12.5"), 125n * 10n ** 17n);
  for (const text of ["", "0", "0.0", "-1", "1e3", "1,5", ".5", "1.", "0.0000000000000000001", "12345678901", "0x10"]) {
    assert.equal(amountOf(text), null, text);
  }
});

test("a wallet's refusal is told from its failure, however it is wrapped", () => {
  for (const error of [{ code: 4001 }, { code: "ACTION_REJECTED" }, { code: "UNKNOWN_ERROR", info: { error: { code: 4001 } } }]) {
    assert.equal(failureOf(error).reason, "refused");
  }
  assert.deepEqual(
    [failureOf({ code: -32603, message: "no" }), failureOf({ shortMessage: "short", message: "long" }), failureOf("text")].map(({ reason, message }) => [reason, message]),
    [["failed", "no"], ["failed", "short"], ["failed", "text"]],
  );
  const own = new WalletFailure("chain", "1");
  assert.equal(failureOf(own), own);
});
