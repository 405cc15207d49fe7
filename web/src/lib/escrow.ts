/** A user's account in the rollup: what it holds, what leaves it, and how DN come in. Knows the calls of `Accounts` and of the token. */
import { Contract, type ContractTransactionResponse, Interface, type JsonRpcProvider, type Provider, type Signer } from "ethers";
import type { Chain } from "./api";

export const ACCOUNTS = new Interface([
  "function balanceOf(address account) view returns (uint256)",
  "function spendableOf(address account) view returns (uint256)",
  "function exitOf(address account) view returns (tuple(uint128 amount, uint64 readyAt))",
  "function depositFor(address account, uint256 amount)",
  "function requestExit(uint256 amount)",
  "function cancelExit()",
  "function claimExit() returns (uint256 paid)",
]);
export const TOKEN = new Interface([
  "function balanceOf(address account) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function approve(address spender, uint256 value) returns (bool)",
]);

/** What an account has, in token wei. */
export interface Held {
  /** In the rollup. */
  escrow: bigint;
  /** Of it, what orders can spend. */
  spendable: bigint;
  /** In the account's own hands. */
  wallet: bigint;
  /** What it has asked to take out; null where nothing. */
  exit: { amount: bigint; readyAt: number } | null;
}

export async function heldBy(provider: Provider, chain: Chain, account: string): Promise<Held> {
  const rollup = new Contract(chain.rollup, ACCOUNTS, provider);
  const token = new Contract(chain.token, TOKEN, provider);
  const ask = (contract: Contract, name: string) => contract.getFunction(name)(account);
  const [escrow, spendable, exit, wallet] = await Promise.all([
    ask(rollup, "balanceOf"),
    ask(rollup, "spendableOf"),
    ask(rollup, "exitOf"),
    ask(token, "balanceOf"),
  ]);
  const readyAt = Number(exit.readyAt);
  return { escrow, spendable, wallet, exit: readyAt === 0 ? null : { amount: exit.amount, readyAt } };
}

const DN = 10n ** 18n;
const DECIMALS = 18;

/** The token wei of a typed amount of DN; null where it is none, or nothing. */
export function amountOf(text: string): bigint | null {
  const [, whole, decimals = ""] = /^(\d{1,10})(?:\.(\d{1,18}))?$/.exec(text.trim()) ?? [];
  if (whole === undefined) return null;
  const amount = BigInt(whole) * DN + BigInt(decimals.padEnd(DECIMALS, "0"));
  return amount === 0n ? null : amount;
}

/** Changes of an account, each signed by a wallet and waited for until it is in a block. */
export class Purser {
  readonly #rollup: Contract;
  readonly #token: Contract;

  constructor(
    readonly signer: Signer,
    readonly chain: Chain,
  ) {
    this.#rollup = new Contract(chain.rollup, ACCOUNTS, signer);
    this.#token = new Contract(chain.token, TOKEN, signer);
  }

  /** Puts DN of the signer into an account: allows the rollup to take them where it may not yet, then has it do so. */
  async deposit(account: string, amount: bigint) {
    const owner = await this.signer.getAddress();
    const allowed: bigint = await this.#token.getFunction("allowance")(owner, this.chain.rollup);
    if (allowed < amount) await this.#send(this.#token, "approve", this.chain.rollup, amount);
    await this.#send(this.#rollup, "depositFor", account, amount);
  }

  requestExit = (amount: bigint) => this.#send(this.#rollup, "requestExit", amount);
  cancelExit = () => this.#send(this.#rollup, "cancelExit");
  claimExit = () => this.#send(this.#rollup, "claimExit");

  async #send(contract: Contract, name: string, ...args: unknown[]) {
    const sent: ContractTransactionResponse = await contract.getFunction(name)(...args);
    await sent.wait();
  }
}

/** How often a development chain is asked whether a transaction is in a block. */
const LOOK_MS = 300;

/**
 * Gives an account `amount` token wei from the faucet of a development chain: its node signs for it, whoever asks.
 *
 * @throws where the chain is no development chain, or the faucet is empty
 */
export async function drawFrom(faucet: string, provider: JsonRpcProvider, chain: Chain, account: string, amount: bigint) {
  await provider.send("anvil_impersonateAccount", [faucet]);
  const data = ACCOUNTS.encodeFunctionData("depositFor", [account, amount]);
  const hash: string = await provider.send("eth_sendTransaction", [{ from: faucet, to: chain.rollup, data }]);
  const receipt = await provider.waitForTransaction(hash, 1, 100 * LOOK_MS);
  if (receipt?.status !== 1) throw new Error(hash);
}
