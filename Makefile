# Two commands do everything: `make demo` and `make test`. Both set up first; a second run does not.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export DEEPNODE_CACHE ?= $(HOME)/.cache/deepnode
export CARGO_TARGET_DIR ?= $(DEEPNODE_CACHE)/target
export RUSTDOCFLAGS := -D warnings

.PHONY: help tools setup build check test demo bench

help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

tools: ## Checks that the machine has what the build needs.
	@scripts/check-tools.sh

setup: tools ## Fetches pinned parts: npm packages with anvil, forge and solc.
	@contracts/setup.sh

build: setup ## Builds every program.
	cargo build --workspace --locked

check: ## Format, lints and documentation.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo doc --workspace --no-deps --locked

test: setup check ## Sets up and passes every test.
	cargo test --workspace --locked
	contracts/test.sh

demo: setup ## Sets up and runs the digits model from ONNX to paid batches.
	cargo run --quiet --locked -p dn-e2e --bin demo -- $(DEEPNODE_CACHE)/data

bench: setup ## Prints cost and gas of digits proofs at several batch sizes.
	scripts/bench.sh
