/**
 * The playground's key: it signs orders without asking, so it lies unencrypted in this browser, and should hold no
 * more than one would lose.
 */
import { Wallet, hexlify, randomBytes } from "ethers";

const KEPT = "deepnode-playground-key";
const NONCE = "deepnode-playground-nonce";

class Key {
  wallet = $state.raw<Wallet>(this.#kept() ?? this.#draw());

  #kept(): Wallet | null {
    try {
      return new Wallet(localStorage.getItem(KEPT) ?? "");
    } catch {
      return null;
    }
  }

  #draw(): Wallet {
    return this.#keep(new Wallet(hexlify(randomBytes(32))));
  }

  #keep(wallet: Wallet): Wallet {
    localStorage.setItem(KEPT, wallet.privateKey);
    localStorage.removeItem(NONCE);
    return wallet;
  }

  get address(): string {
    return this.wallet.address.toLowerCase();
  }

  /** What an order signed with it has against being taken twice: one after the other, since those of one word of 64 cost the least gas. */
  nextNonce(): number {
    const last = Number(localStorage.getItem(NONCE));
    // A key from elsewhere has used numbers that this browser does not know: times are above them.
    const nonce = last > 0 ? last + 1 : Date.now();
    localStorage.setItem(NONCE, String(nonce));
    return nonce;
  }

  /** Takes another key: 64 hex digits. False where it is none. */
  take(text: string): boolean {
    const typed = text.trim();
    try {
      this.wallet = this.#keep(new Wallet(typed.startsWith("0x") ? typed : `0x${typed}`));
      return true;
    } catch {
      return false;
    }
  }

  /** Draws a new one. What the old one holds is lost to whoever has not kept it. */
  forget() {
    this.wallet = this.#draw();
  }
}

export const key = new Key();
