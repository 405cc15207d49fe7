import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, browser, findings, open } from "./session.js";
import { announce, rpc, testWallet } from "./wallet.js";

/** An account that holds nothing. */
const STRANGER = `0x${"5a".repeat(20)}`;

let chromium;
before(async () => {
  chromium = await browser();
});
after(async () => {
  rpc.destroy();
  await chromium?.close();
});

const fact = (page, term) => page.locator("dt", { hasText: new RegExp(`^${term}$`) }).locator("+ dd");

async function connected(owner, path) {
  const context = await chromium.newContext();
  await announce(context, owner, "Tester");
  const { page, complaints } = await open(context, path);
  await page.getByRole("button", { name: "Connect Tester" }).click();
  await page.getByText("Tester is connected with").waitFor();
  return { context, page, complaints };
}

async function deposit(page, amount) {
  await page.locator("#deposit").fill(amount);
  await page.getByRole("button", { name: "Deposit", exact: true }).click();
}

test("a wallet deposits, asks for an exit, cancels it and asks again; its DN wait for their time", async () => {
  const owner = await testWallet(5);
  const { context, page, complaints } = await connected(owner, "#/account");
  await fact(page, "DN in its own hands").getByText("5 DN", { exact: true }).waitFor();
  await deposit(page, "2.5");
  await page.getByText("Deposited.").waitFor();
  await fact(page, "In the rollup").getByText("2.5 DN", { exact: true }).waitFor();
  assert.equal(owner.asked.filter((method) => method === "eth_sendTransaction").length, 2, "an approval and a deposit");

  assert.deepEqual(await findings(page), []);
  const leave = async () => {
    await page.locator("#leaving").fill("1");
    await page.getByRole("button", { name: "Ask for an exit" }).click();
    await page.getByText("The exit is asked for.").waitFor();
    await fact(page, "Of it, what orders can spend").getByText("1.5 DN", { exact: true }).waitFor();
  };
  await leave();
  assert.ok(await page.getByRole("button", { name: "Take the DN" }).isDisabled(), "not before its time");
  await page.getByRole("button", { name: "Cancel the exit" }).click();
  await page.getByText("The exit is cancelled.").waitFor();
  await fact(page, "Of it, what orders can spend").getByText("2.5 DN", { exact: true }).waitFor();
  await leave();
  // The end of two days is `e2e/tests/network/users.rs`: here others go on with the chain.
  assert.ok(await page.getByRole("button", { name: "Take the DN" }).isDisabled(), "not before its time");
  await fact(page, "In the rollup").getByText("2.5 DN", { exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a wallet deposits for the playground's account, which nobody else can take out of", async () => {
  const owner = await testWallet(1);
  const context = await chromium.newContext();
  await announce(context, owner, "Tester");
  const { page, complaints } = await open(context, "#/playground");
  await page.getByRole("link", { name: "Put DN in from a wallet" }).click();
  await page.getByText("the playground's account in this browser").waitFor();
  await page.getByRole("button", { name: "Connect Tester" }).click();
  await page.getByText("Its owner alone can take DN out").waitFor();
  await deposit(page, "0.5");
  await page.getByText("Deposited.").waitFor();
  await page.getByRole("link", { name: "the playground's account in this browser" }).click();
  await page.locator(".balance", { hasText: /^0.5 DN$/ }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("every wallet is offered, and a refusal does nothing and says so", async () => {
  const [owner, other] = [await testWallet(1), await testWallet(1)];
  const context = await chromium.newContext();
  await announce(context, owner, "Tester");
  await announce(context, other, "Another");
  const { page } = await open(context, "#/account");
  await page.getByRole("button", { name: "Connect Another" }).waitFor();
  assert.deepEqual(other.asked, [], "nothing is asked of a wallet that was not chosen");
  owner.refuses = true;
  await page.getByRole("button", { name: "Connect Tester" }).click();
  await page.getByText("You refused it in the wallet. Nothing was done.").waitFor();
  owner.refuses = false;
  await page.getByRole("button", { name: "Connect Tester" }).click();
  await page.getByText("Tester is connected with").waitFor();
  owner.refuses = true;
  await deposit(page, "1");
  await page.getByText("You refused it in the wallet. Nothing was done.").waitFor();
  await fact(page, "DN in its own hands").getByText("1 DN", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByRole("button", { name: "Connect Another" }).waitFor();
  assert.deepEqual(other.asked, []);
  await context.close();
});

test("a wallet on another chain signs nothing, is brought to this one, and told of it", async () => {
  const owner = await testWallet(1);
  [owner.chainId, owner.known] = [1, [1]];
  const { context, page } = await connected(owner, "#/account");
  await page.getByText(/The wallet is on chain 1; this rollup is on chain/).waitFor();
  await deposit(page, "1");
  await page.getByText("The wallet is on another chain. Nothing was done.").waitFor();
  assert.ok(!owner.asked.includes("eth_sendTransaction"));
  await page.getByRole("button", { name: "Switch the wallet's chain" }).click();
  await page.getByText(/The wallet is on chain 1/).waitFor({ state: "detached" });
  assert.ok(owner.asked.includes("wallet_addEthereumChain"));
  await deposit(page, "1");
  await page.getByText("Deposited.").waitFor();
  await context.close();
});

test("amounts that are none, and more than a wallet has, are refused", async () => {
  const owner = await testWallet(1);
  const { context, page } = await connected(owner, "#/account");
  await fact(page, "In the rollup").getByText("0 DN", { exact: true }).waitFor();
  await deposit(page, "1,5");
  await page.getByText(/This is no amount/).waitFor();
  await deposit(page, "2");
  await page.getByText(/The wallet could not do it/).waitFor();
  await fact(page, "In the rollup").getByText("0 DN", { exact: true }).waitFor();
  await context.close();
});

test("anybody's account can be read, with its tasks, without a wallet", async () => {
  const [batch] = (await ask("/v1/batches?from=0")).filter(({ state }) => state === "proven").slice(-1);
  const { user } = (await ask(`/v1/batches/${batch.id}`)).slots[0].order;
  const context = await chromium.newContext();
  const { page, complaints } = await open(context, "#/account");
  await page.getByText(/No wallet has announced itself/).waitFor();
  await page.locator("#address").fill("0x12");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText(/This is no address/).waitFor();
  await page.locator("#address").fill(user);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.locator("tbody tr").first().waitFor();
  await fact(page, "In the rollup").getByText(/^[\d.]*[1-9] DN$/).waitFor();
  await page.goto(`${page.url().split("#")[0]}#/account/${STRANGER}`);
  await page.getByText("None in these batches.").waitFor();
  assert.equal(await fact(page, "In the rollup").innerText(), "0 DN");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("without an answer of the chain node an account says so, and is read again", async () => {
  const context = await chromium.newContext();
  await context.route(`${process.env.DN_RPC}/**`, (route) => route.abort());
  const { page } = await open(context, `#/account/${STRANGER}`);
  await page.getByText("The chain node does not answer.").waitFor({ timeout: 60_000 });
  await context.unroute(`${process.env.DN_RPC}/**`);
  await page.getByRole("button", { name: "Read again" }).click();
  await fact(page, "In the rollup").getByText("0 DN", { exact: true }).waitFor();
  await context.close();
});
