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

class Settings {
  /** Empty: the origin that served the page. */
  sequencer = $state("");
  /** Empty: no chain node is known. */
  rpc = $state("");
  theme = $state<Theme>("auto");

  async load() {
    const own = kept();
    this.theme = own.theme ?? "auto";
    this.sequencer = own.sequencer ?? "";
    this.rpc = own.rpc ?? (await served());
    this.show();
  }

  save() {
    localStorage.setItem(KEY, JSON.stringify({ sequencer: this.sequencer, rpc: this.rpc, theme: this.theme }));
    this.show();
  }

  show() {
    document.documentElement.dataset.theme = this.theme;
  }
}

async function served(): Promise<string> {
  try {
    const { rpc } = await (await fetch("./config.json")).json();
    return typeof rpc === "string" ? rpc : "";
  } catch {
    return "";
  }
}

export const settings = new Settings();
