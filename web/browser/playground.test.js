import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DIGITS } from "./digits.js";
import { ask, browser, open } from "./session.js";

/** Longest from an order to its settlement. */
const SETTLED_MS = 90_000;

let chromium;
before(async () => {
  chromium = await browser();
});
after(() => chromium?.close());

async function drawn(page, digit) {
  const box = await page.getByRole("application").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  for (const stroke of DIGITS[digit]) {
    await page.mouse.move(...at(stroke[0]));
    await page.mouse.down();
    for (const point of stroke) await page.mouse.move(...at(point), { steps: 4 });
    await page.mouse.up();
  }
}

/** Puts 1 DN of the development chain into the playground's account. */
async function fund(page) {
  await page.getByRole("button", { name: "Put 1 DN in" }).click();
  await page.locator(".balance", { hasText: /^[1-9].* DN$/ }).waitFor();
}

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

  const id = (await page.getByRole("link", { name: "The task's page" }).getAttribute("href")).split("/").at(-1);
  assert.equal((await ask(`/v1/tasks/${id}`)).state, "proven");
  await page.getByRole("link", { name: "Verify it yourself" }).click();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("Everything agrees.").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});
