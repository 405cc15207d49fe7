import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, browser, findings, open, order, provenBatches, url } from "./session.js";

/** Most bytes on the wire of the first page. */
const FIRST_LOAD = 300_000;

let chromium;
let batches;
let task;
let model;
let user;
let node;
/** A model that takes no digits. */
let numbers;

before(async () => {
  chromium = await browser();
  batches = await provenBatches();
  assert.ok(batches.length > 0, "the rollup has proven no batch");
  const batch = await ask(`/v1/batches/${batches[0]}`);
  numbers = (await ask("/v1/models")).find(({ input_len }) => input_len !== 64).model_id;
  [task, model, user, node] = [batch.slots[0].task_id, batch.model_id, batch.slots[0].order.user, batch.slots[0].worker];
});
after(() => chromium?.close());

const paths = () => ({
  overview: "",
  playground: "#/playground",
  "playground of numbers": `#/playground/${numbers}`,
  batches: "#/batches",
  batch: `#/batches/${batches[0]}`,
  tasks: "#/tasks",
  task: `#/tasks/${task}`,
  models: "#/models",
  model: `#/models/${model}`,
  nodes: "#/nodes",
  node: `#/nodes/${node}`,
  account: "#/account",
  "account of somebody": `#/account/${user}`,
  settings: "#/settings",
});

/** Until nothing is loading. */
const settled = (page) => page.getByText("Loading…").waitFor({ state: "detached" });

for (const colorScheme of ["light", "dark"]) {
  test(`every page loads without a complaint and without a finding of axe, ${colorScheme}`, async () => {
    const context = await chromium.newContext({ colorScheme });
    for (const [name, path] of Object.entries(paths())) {
      const { page, complaints } = await open(context, path);
      await settled(page);
      await page.waitForTimeout(300);
      assert.deepEqual(await findings(page), [], name);
      assert.deepEqual(complaints, [], name);
      await page.close();
    }
    await context.close();
  });
}

test("no page is wider than a small screen", async () => {
  const context = await chromium.newContext({ viewport: { width: 360, height: 740 } });
  for (const [name, path] of Object.entries(paths())) {
    const { page } = await open(context, path);
    await settled(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${name}: ${width} pixels`);
    await page.close();
  }
  await context.close();
});

test("files come compressed, with a policy, and are sent again only when they have changed", async () => {
  const page = await fetch(`${url}/`, { headers: { "accept-encoding": "gzip" } });
  assert.equal(page.headers.get("content-encoding"), "gzip");
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
  const again = await fetch(`${url}/`, { headers: { "if-none-match": page.headers.get("etag") } });
  assert.equal(again.status, 304);
  const [script] = (await page.text()).match(/assets\/index-[\w-]+\.js/);
  assert.match((await fetch(`${url}/${script}`)).headers.get("cache-control"), /immutable/);
  const config = await (await fetch(`${url}/config.json`)).json();
  const chain = await ask("/v1/chain");
  assert.deepEqual([config.rollup, config.chain_id], [chain.rollup, chain.chain_id]);
  assert.match(await (await fetch(`${url}/llms.txt`)).text(), /OpenAPI/);
  assert.equal((await fetch(`${url}/nowhere`)).status, 404);
});

test("the first page is small", async () => {
  const context = await chromium.newContext();
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  const sizes = new Map();
  const scripts = new Set();
  client.on("Network.responseReceived", ({ requestId, response }) => {
    if (/\.(js|css|svg|html)$|\/$/.test(new URL(response.url).pathname)) scripts.add(requestId);
  });
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await page.goto(`${url}/`, { waitUntil: "load" });
  await page.waitForTimeout(1500);
  const bytes = [...scripts].reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
  console.log(`first load: ${bytes} bytes on the wire`);
  assert.ok(bytes > 0 && bytes <= FIRST_LOAD, `${bytes} bytes`);
  await context.close();
});

async function verdict(page, spoil) {
  await page.locator("#spoil").selectOption(spoil);
  await page.getByRole("button", { name: "Verify" }).click();
  const outcome = page.locator("#verify [role=status]");
  await page.waitForFunction(() => document.querySelector("#verify [role=status]")?.textContent !== "");
  const wrong = await page.locator("#verify li:has(.mark.bad)").allInnerTexts();
  return { text: await outcome.innerText(), wrong };
}

test("a good batch is verified by the browser and by the contract; spoiled ones are refused", async () => {
  const context = await chromium.newContext();
  for (const id of batches) {
    const { page, complaints } = await open(context, `#/batches/${id}`);
    await page.getByRole("button", { name: "Verify" }).waitFor();
    const start = performance.now();
    const good = await verdict(page, "none");
    console.log(`batch ${id}: all steps in ${(performance.now() - start).toFixed(0)} ms`);
    assert.deepEqual(good, { text: "Everything agrees.", wrong: [] }, `batch ${id}`);
    const times = await page.locator("#verify li").allInnerTexts();
    console.log(times.map((text) => text.replaceAll(/\s+/g, " ")).join("\n"));
    assert.equal(times.length, 9);

    const proof = await verdict(page, "proof");
    assert.equal(proof.text, "Refused.");
    assert.ok(proof.wrong.some((step) => step.includes("says this browser")), proof.wrong.join());
    assert.ok(proof.wrong.some((step) => step.includes("says the contract")), proof.wrong.join());
    const output = await verdict(page, "output");
    assert.ok(output.wrong.some((step) => step.includes("says this browser")), output.wrong.join());
    assert.ok(output.wrong.some((step) => step.includes("signed the answer")), output.wrong.join());
    assert.ok(output.wrong.some((step) => step.includes("keeps this statement")), output.wrong.join());
    const order = await verdict(page, "order");
    assert.deepEqual(order.wrong.length, 2, order.wrong.join());
    assert.ok(order.wrong[0].includes("names these orders"));
    assert.ok(order.wrong[1].includes("signed by its user"));
    assert.deepEqual(complaints, []);
    await page.close();
  }
  await context.close();
});

test("without a chain node the browser verifies what it can and says so", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/settings");
  await page.locator("#rpc").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved").waitFor();
  await page.goto(`${page.url().split("#")[0]}#/batches/${batches[0]}`);
  await page.getByRole("button", { name: "Verify" }).waitFor();
  const { text, wrong } = await verdict(page, "none");
  assert.deepEqual(wrong, []);
  assert.match(text, /the key is the sequencer's word/);
  await context.close();
});

test("a task's journey is told from queued to proven", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `#/tasks/${task}`);
  await page.locator("ol li").nth(4).waitFor();
  const states = await page.locator("ol li .head > span:first-child").allInnerTexts();
  assert.deepEqual(states, ["queued", "assigned", "answered", "committed", "proven"]);
  await page.getByText("the same: the worker was right").waitFor();
  await page.locator("dd", { hasText: /^paid/ }).waitFor();
  await context.close();
});

test("a batch says what of it is settled, and how", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `#/batches/${batches[0]}`);
  await page.getByText("1 of 1 chunk").waitFor();
  await page.locator(".slots th", { hasText: "Settlement" }).waitFor();
  const { count } = await ask(`/v1/batches/${batches[0]}`);
  const outcomes = await page.locator(".slots td:last-child").allInnerTexts();
  assert.equal(outcomes.length, count);
  for (const outcome of outcomes) assert.match(outcome, /^paid/);
  await context.close();
});

test("the sums are those of the chain", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "");
  const proven = (await ask("/v1/batches?from=0")).filter((batch) => batch.state === "proven");
  await page.getByText(`for ${proven.reduce((sum, batch) => sum + batch.count, 0)} tasks; 0 not charged`).waitFor();
  await page.getByText(/DN of it put aside; 0 receipts slashed/).waitFor();
  await context.close();
});

test("an order shows up as it happens, and is followed until it is proven", async () => {
  const context = await chromium.newContext();
  const { page, complaints } = await open(context, "");
  const ordered = await order();
  const row = page.locator("li", { has: page.locator(`a[title="${ordered}"]`) }).first();
  await row.waitFor();
  await row.locator("a").click();
  await page.locator("ol li").nth(4).waitFor({ timeout: 60_000 });
  assert.equal(await page.locator("ol li .head > span:first-child").last().innerText(), "proven");
  await page.getByText("the same: the worker was right").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the keyboard reaches the content, and the search finds pages", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  const search = page.locator("#search");
  await search.fill(String(batches[0]));
  await search.press("Enter");
  await page.getByRole("heading", { name: `Batch ${batches[0]}` }).waitFor();
  await search.fill(task);
  await search.press("Enter");
  await page.getByRole("heading", { name: "Journey" }).waitFor();
  await search.fill(model);
  await search.press("Enter");
  await page.getByText("Contract of the key").waitFor();
  await search.fill("nonsense");
  await search.press("Enter");
  await page.getByText("Neither a batch number").waitFor();
  await context.close();
});

test("what does not exist is said to be missing", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `#/tasks/0x${"00".repeat(32)}`);
  await page.getByRole("alert").getByText("This could not be loaded").waitFor();
  await context.close();
});
