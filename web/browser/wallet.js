/**
 * A wallet that a page finds by EIP-6963. It signs in this process, with a key of its own, and does what its owner is told
 * to do: `wallet.refuses` has it refuse every question.
 */
import { Interface, JsonRpcProvider, toQuantity, Wallet } from "ethers";
import { ask, url } from "./session.js";

const TOKEN = new Interface(["function transfer(address to, uint256 value)"]);
const GAS_MONEY = 10n ** 20n;

/** Remembers nothing: two transactions in a row need two nonces. */
export const rpc = new JsonRpcProvider(process.env.DN_RPC, undefined, { staticNetwork: true, cacheTimeout: -1 });

/** A wallet with gas money and `dn` DN of the development chain's faucet. */
export async function testWallet(dn) {
  const wallet = Wallet.createRandom(rpc);
  const [{ faucet }, { token }] = await Promise.all([(await fetch(`${url}/config.json`)).json(), ask("/v1/chain")]);
  await rpc.send("anvil_setBalance", [wallet.address, toQuantity(GAS_MONEY)]);
  await rpc.send("anvil_impersonateAccount", [faucet]);
  const data = TOKEN.encodeFunctionData("transfer", [wallet.address, BigInt(dn) * 10n ** 18n]);
  await rpc.waitForTransaction(await rpc.send("eth_sendTransaction", [{ from: faucet, to: token, data }]));
  const { chainId } = await rpc.getNetwork();
  return { address: wallet.address.toLowerCase(), chainId: Number(chainId), known: [Number(chainId)], refuses: false, asked: [], wallet };
}

const refusal = (code, message) => ({ error: { code, message } });

async function answer(owner, { method, params = [] }) {
  owner.asked.push(method);
  const isQuestion = /^(eth_requestAccounts|eth_sendTransaction|wallet_)/.test(method);
  if (isQuestion && owner.refuses) return refusal(4001, "User rejected the request.");
  switch (method) {
    case "eth_requestAccounts":
    case "eth_accounts":
      return { result: [owner.address] };
    case "eth_chainId":
      return { result: toQuantity(owner.chainId) };
    case "wallet_switchEthereumChain": {
      const wanted = Number(params[0].chainId);
      if (!owner.known.includes(wanted)) return refusal(4902, "Unrecognized chain.");
      owner.chainId = wanted;
      return { result: null };
    }
    case "wallet_addEthereumChain":
      owner.known.push(Number(params[0].chainId));
      return { result: null };
    case "eth_sendTransaction": {
      const { to, data } = params[0];
      return { result: (await owner.wallet.sendTransaction({ to, data })).hash };
    }
    default:
      return { result: await rpc.send(method, params) };
  }
}

/** Has pages of a context find the wallet. */
export async function announce(context, owner, name) {
  const ask = `ask${name}`;
  await context.exposeFunction(ask, async (request) => {
    try {
      return await answer(owner, request);
    } catch (error) {
      return refusal(-32603, error.shortMessage ?? error.message);
    }
  });
  await context.addInitScript(
    ({ ask, name }) => {
      const provider = {
        async request(request) {
          const { result, error } = await window[ask](request);
          if (error) throw Object.assign(new Error(error.message), { code: error.code });
          return result;
        },
        on() {},
        removeListener() {},
      };
      const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><rect width='1' height='1'/></svg>";
      const detail = Object.freeze({ info: { uuid: ask, name, icon, rdns: `example.${name}` }, provider });
      const tell = () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
      window.addEventListener("eip6963:requestProvider", tell);
      tell();
    },
    { ask, name },
  );
}
