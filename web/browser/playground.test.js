import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { drawn, fund } from "./play.js";
import { ask, browser, findings, open } from "./session.js";

/** Longest from an order to its settlement. */
const SETTLED_MS = 90_000;

let chromium;
before(async () => {
  chromium = await browser();
});
after(() => chromium?.close());

/** The class that was answered, once there is one. */
const classOf = (page) => page.locator("[role=status] strong").innerText();

async function settled(page) {
  await page.getByText(/Settlement: paid/).waitFor({ timeout: SETTLED_MS });
  await page.getByText("Proven: the model's exact answer to your input, and the one above.").waitFor();
}

test("a drawn digit is answered at once, and followed until it is proven, paid and verified", async () => {
  const context = await chromium.newContext();
  const { page, complaints } = await open(context, "#/playground");
  await fund(page);
  await drawn(page, 3);
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  await page.getByText("The worker signed this answer. It is not proven yet.").waitFor();
  assert.equal(await classOf(page), "3");
  const took = await page.getByText(/^Answered after/).innerText();
  const start = performance.now();
  await settled(page);
  console.log(`${took} Settled ${((performance.now() - start) / 1000).toFixed(1)} s later.`);
  const states = await page.locator("ol li .head > span:first-child").allInnerTexts();
  assert.deepEqual(states, ["queued", "assigned", "answered", "committed", "proven"]);
  await page.locator(".balance", { hasText: "0.99 DN" }).waitFor();
  assert.deepEqual(await findings(page), []);

  const id = (await page.getByRole("link", { name: "The task's page" }).getAttribute("href")).split("/").at(-1);
  assert.equal((await ask(`/v1/tasks/${id}`)).state, "proven");
  await page.getByRole("link", { name: "Verify it yourself" }).click();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("Everything agrees.").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a digit is drawn by keyboard alone, and a finger draws too", async () => {
  const context = await chromium.newContext({ hasTouch: true });
  const { page, complaints } = await open(context, "#/playground");
  await fund(page);
  await page.getByRole("application").focus();
  await page.keyboard.press("Space");
  for (let i = 0; i < 8; i++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  await page.getByText("pen up at 8, 12 of 16").waitFor();
  while ((await page.evaluate(() => document.activeElement.textContent)) !== "Ask for 0.01 DN") await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await classOf(page), "1");

  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("Nothing is drawn yet.").waitFor();
  const { x, y, width, height } = await page.getByRole("application").boundingBox();
  await page.touchscreen.tap(x + width / 2, y + height / 2);
  await page.getByText("Nothing is drawn yet.").waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await context.close();
});

test("another model is asked by sliders, random numbers, or pasted text, and bad text is named", async () => {
  const model = (await ask("/v1/models")).find(({ input_len }) => input_len !== 64);
  const context = await chromium.newContext();
  const { page, complaints } = await open(context, `#/playground/${model.model_id}`);
  await fund(page);
  const go = page.getByRole("button", { name: /^Ask for/ });
  await page.locator("#values").fill("1, 2, three");
  await page.getByText("three is no number").waitFor();
  assert.ok(await go.isDisabled());
  await page.locator("#values").fill("1, 2");
  await page.getByText(`2 numbers, where the model takes ${model.input_len}`).waitFor();
  await page.getByRole("button", { name: "Random numbers" }).click();
  const before = await page.locator("#values").inputValue();
  await page.locator("input[type=range]").first().press("Home");
  assert.notEqual(await page.locator("#values").inputValue(), before);
  await page.locator("input[type=file]").setInputFiles({ name: "row.csv", mimeType: "text/csv", buffer: Buffer.from(Array(model.input_len).fill("1.5").join(";")) });
  assert.match(await page.locator("#values").inputValue(), /^1.5;/);
  await page.getByText(/beyond what the model's codes stand for/).waitFor();
  await go.click();
  await page.getByText("The worker signed this answer. It is not proven yet.").waitFor();
  assert.equal(await page.locator("[role=status] ol li").count(), model.classes);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("an empty account is refused and told what to do, and the same order is good once there is enough", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/playground");
  await page.locator(".balance", { hasText: "0 DN" }).waitFor();
  await drawn(page, 7);
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  await page.getByText("The playground's account has not enough DN for this.").waitFor();
  assert.deepEqual(await findings(page), []);
  await fund(page);
  await page.getByRole("button", { name: "Send it again" }).click();
  assert.equal(await classOf(page), "7");
  await context.close();
});

test("an order whose answer was lost is sent again and is the same task, paid once", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/playground");
  await fund(page);
  await drawn(page, 0);
  const tasks = [];
  await page.route("**/v1/tasks", async (route) => {
    tasks.push((await (await route.fetch()).json()).task_id);
    if (tasks.length === 1) await route.abort();
    else await route.continue();
  });
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  await page.getByText("The sequencer does not answer.").waitFor();
  await page.getByRole("button", { name: "Send it again" }).click();
  assert.equal(await classOf(page), "0");
  assert.equal(tasks.length, 2);
  assert.equal(tasks[0], tasks[1]);
  await settled(page);
  await page.locator(".balance", { hasText: "0.99 DN" }).waitFor();
  await context.close();
});

test("a sequencer that is not heard from is said to be so, and the task is followed on", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/playground");
  await fund(page);
  await drawn(page, 2);
  let isRefused = true;
  await page.route("**/v1/tasks/*/events", (route) => (isRefused ? route.fulfill({ status: 503 }) : route.continue()));
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  assert.equal(await classOf(page), "2");
  await page.getByText("The sequencer is not heard from at the moment").waitFor();
  isRefused = false;
  await settled(page);
  await page.locator("ol li .head > span:first-child", { hasText: "proven" }).waitFor();
  assert.ok(await page.getByText("The sequencer is not heard from at the moment").isHidden());
  await context.close();
});

test("a chain node that is gone costs the balance and the settlement, not the answer", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/playground");
  await fund(page);
  await context.route(`${process.env.DN_RPC}/**`, (route) => route.abort());
  await drawn(page, 6);
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  assert.equal(await classOf(page), "6");
  await page.getByText("unknown: the chain node does not answer").waitFor();
  await page.getByRole("button", { name: "Put 1 DN in" }).click();
  await page.getByText("The chain node did not do it.").waitFor();
  await page.getByText("Proven: the model's exact answer to your input, and the one above.").waitFor({ timeout: SETTLED_MS });
  await page.getByText("The chain has not settled it yet, or no chain node tells.").waitFor();
  await context.close();
});

test("the key stays, can be shown, taken elsewhere, and forgotten", async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, "#/playground");
  const address = () => page.locator("dt", { hasText: "Address" }).locator("+ dd .mono").getAttribute("title");
  const first = await address();
  await page.reload();
  assert.equal(await address(), first);
  await page.getByText("Its key", { exact: true }).click();
  await page.getByRole("button", { name: "Show the key" }).click();
  const secret = await page.locator("details .mono").getAttribute("title");
  assert.match(secret, /^0x[0-9a-f]{64}$/);
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.getByRole("button", { name: "Forget it, with all DN in the account" }).click();
  assert.notEqual(await address(), first);
  await page.locator("#key").fill("not a key");
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByText("This is no key").waitFor();
  assert.deepEqual(await findings(page), []);
  await page.locator("#key").fill(secret.slice(2));
  await page.getByRole("button", { name: "Use it" }).click();
  assert.equal(await address(), first);
  await context.close();
});
