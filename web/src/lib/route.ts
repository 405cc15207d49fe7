/** Pages are named behind the `#` of the address, so that any server of plain files will do. */
export const PAGES = ["overview", "playground", "batches", "tasks", "models", "nodes", "account", "settings"] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  page: PageName;
  /** Of a batch, task or model; empty for lists. */
  id: string;
}

/** Reads `#/batches/7`; what names no page is the overview. */
export function parse(hash: string): Route {
  const [page = "", id = ""] = hash.replace(/^#\/?/, "").split("/");
  const known = PAGES.find((name) => name === page);
  return known ? { page: known, id: decodeURIComponent(id) } : { page: "overview", id: "" };
}

export const link = (page: PageName, id: string | number = "") => `#/${page}${id === "" ? "" : `/${id}`}`;

/** The page of what somebody typed: a task's or model's id, an account's address, or a batch's number. */
export function search(text: string, models: string[]): string | null {
  const typed = text.trim().toLowerCase();
  if (/^0x[0-9a-f]{40}$/.test(typed)) return link("account", typed);
  if (/^\d+$/.test(typed)) return link("batches", typed);
  if (!/^0x[0-9a-f]{64}$/.test(typed)) return null;
  return models.includes(typed) ? link("models", typed) : link("tasks", typed);
}
