/**
 * Access tokens: they show a user the outputs of its own tasks.
 *
 * @module access
 */
import { domain } from "./order.js";

const TYPES = {
  Access: [
    { name: "user", type: "address" },
    { name: "expiresAt", type: "uint64" },
  ],
};

/**
 * Signs a token for `Authorization: Bearer ...` of `GET /v1/tasks/{id}`.
 *
 * @param chain answer of `GET /v1/chain`
 * @param signer an ethers signer: the user
 * @param {number} expiresAt unix seconds, at most a day ahead
 * @returns {Promise<string>}
 */
export async function accessToken(chain, signer, expiresAt) {
  const user = await signer.getAddress();
  const signature = await signer.signTypedData(domain(chain), TYPES, { user, expiresAt });
  return `${user.toLowerCase()}.${expiresAt}.${signature}`;
}
