# Two commands do everything: `make demo` and `make test`. Both set up first; a second run does not.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export DEEPNODE_CACHE ?= $(HOME)/.cache/deepnode
export CARGO_TARGET_DIR ?= $(DEEPNODE_CACHE)/target
export RUSTDOCFLAGS := -D warnings

.PHONY: help tools setup build check test bench clean

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
