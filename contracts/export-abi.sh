#!/bin/sh
# Builds the contracts and writes ABI and creation code of each to sdk/abi/<Name>.json, or to another folder.
# The files are checked in, so that the Rust build needs neither forge nor solc.
set -eu
folder=$(realpath -m "${1:-$(dirname "$0")/../sdk/abi}")
cd "$(dirname "$0")"
./setup.sh
node_modules/@foundry-rs/forge-linux-amd64/bin/forge build src
mkdir -p "$folder"
node - "$folder" <<'JS'
const fs = require("fs");
const folder = process.argv[2];
const names = ["DnToken", "Staking", "ModelRegistry", "InferenceRollup", "Epochs", "Validators", "Probes", "Emission", "KeyCheck", "RoyaltySplit", "DefaultVerifier", "NarrowVerifier", "WideVerifier", "MergedDefaultVerifier", "MergedNarrowVerifier", "MergedWideVerifier", "VerifierRouter", "IHalo2Verifier"];
for (const name of names) {
  const path = `out/${name}.sol/${name}.json`;
  if (!fs.existsSync(path)) {
    console.log(`contracts: ${name} is not built, skipped`);
    continue;
  }
  const { abi, bytecode } = JSON.parse(fs.readFileSync(path, "utf8"));
  fs.writeFileSync(`${folder}/${name}.json`, JSON.stringify({ abi, bytecode: bytecode.object }) + "\n");
}
JS
