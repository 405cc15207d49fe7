/** What a wallet answers when its owner refuses: EIP-1193. */
const REFUSED = 4001;

/** Why a wallet did not do what it was asked. */
export class WalletFailure extends Error {
  constructor(
    readonly reason: "refused" | "chain" | "failed",
    message: string,
  ) {
    super(message);
  }
}

/** The failure of a wallet's or of ethers' error. */
export function failureOf(error: unknown): WalletFailure {
  if (error instanceof WalletFailure) return error;
  const told = error as { code?: unknown; info?: { error?: { code?: unknown } }; shortMessage?: string; message?: string };
  const isRefused = told.code === REFUSED || told.code === "ACTION_REJECTED" || told.info?.error?.code === REFUSED;
  return new WalletFailure(isRefused ? "refused" : "failed", told.shortMessage ?? told.message ?? String(error));
}
