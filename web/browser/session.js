/** A real Chromium on the explorer at DN_WEB_URL; CHROMIUM names the program. */
import { chromium } from "playwright-core";

export const url = process.env.DN_WEB_URL ?? "http://127.0.0.1:4173";

export async function browser() {
  // As root, and in containers, Chromium's own sandbox cannot be had.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** A page that keeps what its console complains about. */
export async function open(context, path) {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${url}/${path}`);
  await page.locator("h1").waitFor();
  return { page, complaints };
}

/** Of the rollup behind the explorer. */
export async function ask(path) {
  const response = await fetch(url + path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** The id of the last batch of each model that is proven. */
export async function provenBatches() {
  const last = new Map();
  for (const batch of await ask("/v1/batches?from=0")) if (batch.state === "proven") last.set(batch.model_id, batch.id);
  return [...last.values()];
}
