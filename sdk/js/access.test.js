import assert from "node:assert/strict";
import { test } from "node:test";
import { Wallet, verifyTypedData } from "ethers";
import { accessToken } from "./access.js";
import { domain } from "./order.js";

/** Of key 0x0101…, until second 1234; the same stands in `sdk/src/order.rs`. */
const SIGNATURE =
  "0xa576b928fe45054136e32d14a77e488d8451849711920d72178ebb9f07c077247357607aee96470fc302aeb7e1929271c9174d69746afab068bfd12851f4efab1b";

test("an access token is the user's, for a while", async () => {
  const chain = { chain_id: 31337, rollup: "0x" + "07".repeat(20) };
  const wallet = new Wallet("0x" + "01".repeat(32));
  const [user, expiresAt, signature] = (await accessToken(chain, wallet, 1234)).split(".");
  assert.equal(user, wallet.address.toLowerCase());
  assert.equal(expiresAt, "1234");
  assert.equal(signature, SIGNATURE);
  const types = { Access: [{ name: "user", type: "address" }, { name: "expiresAt", type: "uint64" }] };
  assert.equal(verifyTypedData(domain(chain), types, { user, expiresAt: 1234 }, signature), wallet.address);
});
