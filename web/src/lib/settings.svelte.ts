/** Where the page asks: kept in this browser. The served `config.json` says where a chain node is, unless the visitor does. */
const KEY = "deepnode-explorer";

type Theme = "auto" | "light" | "dark";

interface Kept {
  sequencer?: string;
  rpc?: string;
  theme?: Theme;
}

function kept(): Kept {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** Of the served `config.json`. */
interface Served {
  rpc: string;
  faucet: string;
}

class Settings {
  /** Empty: the origin that served the page. */
  sequencer = $state("");
  /** Empty: no chain node is known. */
  rpc = $state("");
  /** The account that gives away DN on a development chain; empty on others, and where another chain node is chosen. */
  faucet = $state("");
  theme = $state<Theme>("auto");

  #served: Served = { rpc: "", faucet: "" };

  async load() {
    const own = kept();
    this.theme = own.theme ?? "auto";
    this.sequencer = own.sequencer ?? "";
    this.#served = await served();
    this.rpc = own.rpc ?? this.#served.rpc;
    this.show();
  }

  save() {
    localStorage.setItem(KEY, JSON.stringify({ sequencer: this.sequencer, rpc: this.rpc, theme: this.theme }));
    this.show();
  }

  show() {
    this.faucet = this.rpc === this.#served.rpc ? this.#served.faucet : "";
    document.documentElement.dataset.theme = this.theme;
  }
}

async function served(): Promise<Served> {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  try {
    const { rpc, faucet } = await (await fetch("./config.json")).json();
    return { rpc: text(rpc), faucet: text(faucet) };
  } catch {
    return { rpc: "", faucet: "" };
  }
}

export const settings = new Settings();
