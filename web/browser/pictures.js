// Takes the pictures of docs/pictures from a running explorer: node browser/pictures.js
import { fileURLToPath } from "node:url";
import { ask, browser, open } from "./session.js";

const folder = fileURLToPath(new URL("../../docs/pictures/", import.meta.url));
const chromium = await browser();
const proven = (await ask("/v1/batches?from=0")).filter((batch) => batch.state === "proven");
const { id } = proven.toSorted((a, b) => b.count - a.count)[0];
const batch = await ask(`/v1/batches/${id}`);

async function picture(name, path, options = {}) {
  const context = await chromium.newContext({ viewport: { width: 1200, height: 800 }, colorScheme: "light", ...options });
  const { page } = await open(context, path);
  await page.getByText("Loading…").waitFor({ state: "detached" });
  if (path.startsWith("#/batches/")) {
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("Everything agrees.").waitFor();
  }
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
await chromium.close();
