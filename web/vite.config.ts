import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The sequencer and the chain node that the development server stands before. */
const sequencer = process.env.DN_SEQUENCER ?? "http://127.0.0.1:8080";
const rpc = process.env.DN_RPC ?? "http://127.0.0.1:8545";
const proxy = {
  "/v1": { target: sequencer, changeOrigin: true },
  "/readyz": { target: sequencer, changeOrigin: true },
  "/rpc": { target: rpc, changeOrigin: true, rewrite: () => "/" },
};

/** `sdk/js` has the same dependencies at the same versions: it takes this folder's. */
const shared = ["@noble/curves/bn254.js", "@noble/hashes/sha3.js", "ethers", "poseidon-lite/poseidon5"];
const alias = [
  ...shared.map((name) => ({ find: new RegExp(`^${name.replaceAll(".", "\\.")}$`), replacement: here(`./node_modules/${name}`) })),
  { find: "@sdk", replacement: here("../sdk/js") },
];

/** What the built page may load: its own files, and data from the sequencer and the chain node that the visitor names. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' http: https:; base-uri 'none'; form-action 'none'";
const policy: Plugin = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
  ],
};

export default defineConfig({
  base: "./",
  plugins: [svelte(), policy],
  resolve: { alias },
  server: { proxy, host: "127.0.0.1", fs: { allow: [here(".."), here(".")] } },
  preview: { proxy, host: "127.0.0.1" },
  build: { target: "es2022", chunkSizeWarningLimit: 400 },
});
