/**
 * Signed orders: what `POST /v1/tasks` takes.
 *
 * @module order
 */
import { AbiCoder, TypedDataEncoder, hexlify, keccak256, randomBytes, toBeHex } from "ethers";
import { inputCommitment } from "./commitment.js";

const TYPES = {
  Order: [
    { name: "user", type: "address" },
    { name: "modelId", type: "bytes32" },
    { name: "inputHash", type: "bytes32" },
    { name: "maxFee", type: "uint128" },
    { name: "deadline", type: "uint64" },
    { name: "nonce", type: "uint64" },
    { name: "tag", type: "bytes32" },
  ],
};

/**
 * The domain that separates a rollup's signatures from all others.
 *
 * @param {{chain_id: number, rollup: string}} chain answer of `GET /v1/chain`
 */
export function domain(chain) {
  return { name: "deepnode", version: "1", chainId: chain.chain_id, verifyingContract: chain.rollup };
}

/**
 * Id of the task that an order stands for: its EIP-712 digest.
 *
 * @returns {string} 0x and 64 hex digits
 */
export function taskId(chain, order) {
  return TypedDataEncoder.hash(domain(chain), TYPES, order);
}

/** Draws a salt: 31 random bytes, which are below the field's order. */
export function randomSalt() {
  return BigInt(hexlify(randomBytes(31)));
}

/**
 * The tag of an order whose task has a label. Any other number is the tag of an order without one.
 *
 * @param {number} label a class
 * @param {string} salt 0x and 64 random hex digits
 * @returns {string}
 */
export function labelTag(label, salt) {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["uint16", "bytes32"], [label, salt]));
}

/**
 * Signs an order and makes the body of `POST /v1/tasks`.
 *
 * @param chain answer of `GET /v1/chain`
 * @param model entry of `GET /v1/models`
 * @param signer an ethers signer
 * @param {number[]} input the quantised input
 * @param {{deadline: number, nonce: number, salt?: bigint, label?: number, tagSalt?: string}} terms unix seconds until
 *   which the order is good; a number that makes equal orders different; the class that the answer should have, for
 *   statistics of one's own, which is told when the task is proven
 */
export async function signedTask(chain, model, signer, input, terms) {
  const salt = terms.salt ?? randomSalt();
  const tagSalt = terms.tagSalt ?? hexlify(randomBytes(32));
  const hasLabel = terms.label !== undefined;
  const order = {
    user: await signer.getAddress(),
    modelId: model.model_id,
    inputHash: toBeHex(inputCommitment(input, salt), 32),
    maxFee: BigInt(model.price),
    deadline: terms.deadline,
    nonce: terms.nonce,
    tag: hasLabel ? labelTag(terms.label, tagSalt) : tagSalt,
  };
  const signature = await signer.signTypedData(domain(chain), TYPES, order);
  return {
    input: Array.from(input),
    salt: toBeHex(salt, 32),
    order: {
      user: order.user,
      model_id: order.modelId,
      input_hash: order.inputHash,
      max_fee: model.price,
      deadline: order.deadline,
      nonce: order.nonce,
      tag: order.tag,
    },
    signature,
    ...(hasLabel && { label: { class: terms.label, salt: tagSalt } }),
  };
}
