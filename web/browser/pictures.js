// Takes the pictures of docs/pictures from a running explorer: node browser/pictures.js
import { fileURLToPath } from "node:url";
import { drawn, fund } from "./play.js";
import { ask, browser, open } from "./session.js";

const folder = fileURLToPath(new URL("../../docs/pictures/", import.meta.url));
const chromium = await browser();
const proven = (await ask("/v1/batches?from=0")).filter((batch) => batch.state === "proven");
const { id } = proven.toSorted((a, b) => b.count - a.count)[0];
const batch = await ask(`/v1/batches/${id}`);

/** A page, after what is done there. */
async function picture(name, path, options = {}, act = async () => {}) {
  const context = await chromium.newContext({ viewport: { width: 1200, height: 800 }, colorScheme: "light", ...options });
  const { page } = await open(context, path);
  await page.getByText("Loading…").waitFor({ state: "detached" });
  if (path.startsWith("#/batches/")) {
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("Everything agrees.").waitFor();
  }
  await act(page);
  await page.waitForTimeout(700);
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: !options.viewport });
  await context.close();
}

await picture("overview", "");
await picture("overview-dark", "", { colorScheme: "dark" });
await picture("batch", `#/batches/${id}`, { viewport: { width: 1200, height: 860 } });
await picture("batch-small", `#/batches/${id}`, { viewport: { width: 390, height: 844 } });
await picture("task", `#/tasks/${batch.slots[0].task_id}`);
await picture("model", `#/models/${batch.model_id}`, { viewport: { width: 1200, height: 860 } });
await picture("nodes", "#/nodes", { colorScheme: "dark" });
async function play(page) {
  await fund(page);
  await drawn(page, 3);
  await page.getByRole("button", { name: "Ask for 0.01 DN" }).click();
  await page.getByText(/Settlement: paid/).waitFor({ timeout: 90_000 });
  await page.evaluate(() => window.scrollTo(0, 0));
}
await picture("playground", "#/playground", { viewport: { width: 1200, height: 1250 } }, play);
await picture("playground-small", "#/playground", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }, async (page) => drawn(page, 8));
await picture("account", `#/account/${batch.slots[0].order.user}`, { viewport: { width: 1200, height: 860 } });
await picture("node", `#/nodes/${batch.slots[0].worker}`, { viewport: { width: 1200, height: 860 }, colorScheme: "dark" });
await chromium.close();
