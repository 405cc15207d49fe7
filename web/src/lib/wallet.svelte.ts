/** Wallets of the visitor, as EIP-6963 announces them; none is asked anything before the visitor chooses it. */
import { BrowserProvider, type Eip1193Provider, type Signer, toQuantity } from "ethers";
import type { Chain } from "./api";
import { failureOf, WalletFailure } from "./wallet-failure";

/** What a wallet tells of itself. */
export interface Announced {
  info: { uuid: string; name: string; icon: string; rdns: string };
  provider: Provider;
}

type Provider = Eip1193Provider & {
  on?: (event: string, heard: (value: never) => void) => void;
  removeListener?: (event: string, heard: (value: never) => void) => void;
};

/** What a wallet answers that does not know a chain: EIP-3085. */
const UNKNOWN_CHAIN = 4902;

/** Between two questions whether a transaction is in a block. */
const POLL_MS = 1_000;

class Wallets {
  found = $state.raw<Announced[]>([]);
  chosen = $state.raw<Announced | null>(null);
  /** In lower case; empty where no wallet is connected. */
  account = $state("");
  /** Null while it is not known. */
  chainId = $state<number | null>(null);
  readonly #accountsChanged = (accounts: string[]) => this.#take(accounts);
  readonly #chainChanged = (id: string) => (this.chainId = Number(id));

  /** Hears what wallets announce, until the answer is called. */
  look(): () => void {
    const heard = (event: Event) => {
      const { detail } = event as CustomEvent<Announced>;
      if (!detail?.info?.uuid || this.found.some(({ info }) => info.uuid === detail.info.uuid)) return;
      this.found = [...this.found, detail];
    };
    window.addEventListener("eip6963:announceProvider", heard);
    window.dispatchEvent(new window.Event("eip6963:requestProvider"));
    return () => window.removeEventListener("eip6963:announceProvider", heard);
  }

  /** Asks a wallet for its account. */
  async connect(wallet: Announced) {
    try {
      const accounts = await wallet.provider.request({ method: "eth_requestAccounts" });
      this.leave();
      this.chosen = wallet;
      wallet.provider.on?.("accountsChanged", this.#accountsChanged);
      wallet.provider.on?.("chainChanged", this.#chainChanged);
      this.#take(accounts);
      await this.#readChain(wallet);
    } catch (error) {
      throw failureOf(error);
    }
  }

  /** Forgets the wallet here; what it allows this page stays its own. */
  leave() {
    this.chosen?.provider.removeListener?.("accountsChanged", this.#accountsChanged);
    this.chosen?.provider.removeListener?.("chainChanged", this.#chainChanged);
    [this.chosen, this.account, this.chainId] = [null, "", null];
  }

  /** Has the wallet go to the rollup's chain; it is told where that is if it does not know. */
  async switchTo(chain: Chain, rpc: string) {
    const wallet = this.chosen;
    if (wallet === null) return;
    const chainId = toQuantity(chain.chain_id);
    try {
      try {
        await wallet.provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
      } catch (error) {
        if ((error as { code?: unknown }).code !== UNKNOWN_CHAIN || rpc === "") throw error;
        const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
        const rpcUrls = [new URL(rpc, location.href).href];
        await wallet.provider.request({ method: "wallet_addEthereumChain", params: [{ chainId, chainName: "deepnode", nativeCurrency, rpcUrls }] });
        await wallet.provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
      }
      await this.#readChain(wallet);
    } catch (error) {
      throw failureOf(error);
    }
  }

  /**
   * Signs transactions of the connected account, on the rollup's chain alone.
   *
   * @throws WalletFailure with `chain` where the wallet is on another one
   */
  async signer(chain: Chain): Promise<Signer> {
    const wallet = this.chosen;
    if (wallet === null) throw new WalletFailure("failed", "");
    await this.#readChain(wallet);
    if (this.chainId !== chain.chain_id) throw new WalletFailure("chain", String(this.chainId));
    const provider = new BrowserProvider(wallet.provider, chain.chain_id);
    provider.pollingInterval = POLL_MS;
    return provider.getSigner(this.account);
  }

  async #readChain(wallet: Announced) {
    this.chainId = Number(await wallet.provider.request({ method: "eth_chainId" }));
  }

  #take(accounts: string[]) {
    this.account = accounts[0]?.toLowerCase() ?? "";
    if (this.account === "") this.leave();
  }
}

export const wallets = new Wallets();
