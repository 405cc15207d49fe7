/** Numbers, times and hashes as text. */
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DN = 10n ** 18n;

export const integer = (x: number | bigint) => numbers.format(x);

/** With as many decimals as small numbers need. */
export function decimal(x: number): string {
  const digits = Math.abs(x) >= 100 ? 0 : Math.abs(x) >= 1 ? 2 : 4;
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(x);
}

export const percent = (x: number) => new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 }).format(x);

/** Token wei as DN, cut behind six decimals. */
export function dn(wei: bigint | string): string {
  const amount = BigInt(wei);
  const [whole, rest] = [amount / DN, amount % DN];
  const decimals = rest.toString().padStart(18, "0").slice(0, 6).replace(/0+$/, "");
  return numbers.format(whole) + (decimals === "" ? "" : "." + decimals) + " DN";
}

/** The ends of a hash or an address. */
export const short = (hex: string) => (hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex);

export function time(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** A span of milliseconds. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${decimal(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
