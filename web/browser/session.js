/** A real Chromium on the explorer at DN_WEB_URL; CHROMIUM names the program. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Wallet } from "ethers";
import { chromium } from "playwright-core";
import { signedTask } from "../../sdk/js/order.js";

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

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** What axe finds wrong with a page as it is. */
export async function findings(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.ok(passes.length > 10, `axe looked at ${passes.length} things`);
  return violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.html).join(" ")}`);
}

/** Orders an answer from the first model, signed with the key in the file DN_USER_KEY; gives the task. */
export async function order() {
  const key = readFileSync(process.env.DN_USER_KEY, "utf8").trim();
  const wallet = new Wallet(key.startsWith("0x") ? key : `0x${key}`);
  const [chain, [model]] = await Promise.all([ask("/v1/chain"), ask("/v1/models")]);
  const input = Array.from({ length: model.input_len }, () => Math.floor(Math.random() * 16) - 8);
  const terms = { deadline: Math.floor(Date.now() / 1000) + 3600, nonce: Date.now() };
  const body = JSON.stringify(await signedTask(chain, model, wallet, input, terms));
  const response = await fetch(`${url}/v1/tasks`, { method: "POST", body, headers: { "content-type": "application/json" } });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).task_id;
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
