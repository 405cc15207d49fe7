/**
 * Signed orders: what `POST /v1/tasks` takes.
 *
 * @module order
 */
import { AbiCoder, TypedDataEncoder, hexlify, keccak256, randomBytes, toBeHex, verifyTypedData } from "ethers";
import { MAX_SIZE, climb, path } from "./bundle.js";
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

/** What is signed for several orders at once. */
const BUNDLE = {
  Bundle: [
    { name: "user", type: "address" },
    { name: "modelId", type: "bytes32" },
    { name: "inputs", type: "bytes32" },
    { name: "maxFee", type: "uint128" },
    { name: "deadline", type: "uint64" },
    { name: "nonce", type: "uint64" },
    { name: "tags", type: "bytes32" },
    { name: "size", type: "uint8" },
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
 * @param chain answer of `GET /v1/chain`
 * @param order as `POST /v1/tasks` has it
 * @returns {string} 0x and 64 hex digits
 */
export function taskId(chain, order) {
  return TypedDataEncoder.hash(domain(chain), TYPES, typed(order));
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

async function unsignedTask(model, signer, input, terms) {
  const salt = terms.salt ?? randomSalt();
  const tagSalt = terms.tagSalt ?? hexlify(randomBytes(32));
  const hasLabel = terms.label !== undefined;
  const order = {
    user: await signer.getAddress(),
    model_id: model.model_id,
    input_hash: toBeHex(inputCommitment(input, salt), 32),
    max_fee: model.price,
    deadline: terms.deadline,
    nonce: terms.nonce,
    tag: hasLabel ? labelTag(terms.label, tagSalt) : tagSalt,
  };
  const label = hasLabel && { label: { class: terms.label, salt: tagSalt } };
  return { input: Array.from(input), salt: toBeHex(salt, 32), order, ...label };
}

/** The order that is signed. */
const typed = (order) => ({
  user: order.user,
  modelId: order.model_id,
  inputHash: order.input_hash,
  maxFee: BigInt(order.max_fee),
  deadline: order.deadline,
  nonce: order.nonce,
  tag: order.tag,
});

/**
 * The bundle that an order belongs to.
 *
 * @param order as `POST /v1/tasks` has it
 * @param {{size: number, index: number, inputs: string[], tags: string[]}} place
 * @throws {RangeError} where no bundle has such an order
 */
export function bundleOf(order, { size, index, inputs, tags }) {
  const nonce = order.nonce - index;
  if (size < 2 || nonce < 0 || (nonce % MAX_SIZE) + size > MAX_SIZE) throw new RangeError(`no bundle has ${size} orders from ${nonce} on`);
  return {
    user: order.user,
    modelId: order.model_id,
    inputs: climb(order.input_hash, size, index, inputs),
    maxFee: BigInt(order.max_fee),
    deadline: order.deadline,
    nonce,
    tags: climb(order.tag, size, index, tags),
    size,
  };
}

/**
 * Who signed an order, alone or together with others.
 *
 * @param chain answer of `GET /v1/chain`
 * @param {{order: object, signature: string, bundle?: object | null}} slot as a batch has it
 * @returns {string} an address
 * @throws where the signature is none, or no bundle has such an order
 */
export function orderSigner(chain, { order, signature, bundle }) {
  return bundle
    ? verifyTypedData(domain(chain), BUNDLE, bundleOf(order, bundle), signature)
    : verifyTypedData(domain(chain), TYPES, typed(order), signature);
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
  const task = await unsignedTask(model, signer, input, terms);
  return { ...task, signature: await signer.signTypedData(domain(chain), TYPES, typed(task.order)) };
}

/**
 * The same for several inputs, with nonces from `terms.nonce` on: those of one word of 64 nonces have one signature.
 *
 * @param {{input: number[], salt?: bigint, label?: number, tagSalt?: string}[]} asked
 * @param {{deadline: number, nonce: number}} terms
 */
export async function signedTasks(chain, model, signer, asked, terms) {
  const tasks = await Promise.all(
    asked.map((one, i) => unsignedTask(model, signer, one.input, { ...one, ...terms, nonce: terms.nonce + i })),
  );
  const signed = [];
  for (let from = 0; from < tasks.length; ) {
    const to = from + MAX_SIZE - (tasks[from].order.nonce % MAX_SIZE);
    signed.push(...(await signTogether(chain, signer, tasks.slice(from, to))));
    from = to;
  }
  return signed;
}

/** Signs orders of one word of nonces. */
async function signTogether(chain, signer, tasks) {
  const [first] = tasks;
  if (tasks.length === 1) return [{ ...first, signature: await signer.signTypedData(domain(chain), TYPES, typed(first.order)) }];
  const [inputs, tags] = [tasks.map(({ order }) => order.input_hash), tasks.map(({ order }) => order.tag)];
  const place = (index) => ({ size: tasks.length, index, inputs: path(inputs, index), tags: path(tags, index) });
  const signature = await signer.signTypedData(domain(chain), BUNDLE, bundleOf(first.order, place(0)));
  return tasks.map((task, index) => ({ ...task, bundle: place(index), signature }));
}
