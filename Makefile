# Two commands do everything: `make demo` and `make test`. Both set up first; a second run does not.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export DEEPNODE_CACHE ?= $(HOME)/.cache/deepnode
export CARGO_TARGET_DIR ?= $(DEEPNODE_CACHE)/target
export LIBTORCH ?= $(DEEPNODE_CACHE)/libtorch
export RUSTDOCFLAGS := -D warnings

# The worker runs on libtorch; a plain cargo command builds everything without it.
FEATURES := --features dn-worker/torch

.PHONY: help tools setup build check test test-all test-web web sim sim-economy soak fuzz demo bench bench-models bench-network check-clients check-openapi

help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

tools: ## Checks that the machine has what the build needs.
	@scripts/check-tools.sh

setup: tools ## Fetches pinned parts: npm packages with anvil, forge and solc; libtorch.
	@contracts/setup.sh
	@scripts/setup-libtorch.sh

build: setup ## Builds every program.
	cargo build --workspace --locked $(FEATURES)

check: setup ## Format, lints and documentation.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked $(FEATURES) -- -D warnings
	cargo doc --workspace --no-deps --locked $(FEATURES)

test: check build ## Sets up and passes every test.
	scripts/with-postgres.sh scripts/with-s3.sh cargo test --workspace --locked $(FEATURES)
	contracts/test.sh
	scripts/test-js.sh
	scripts/test-python.sh
	scripts/check-compose.py
	scripts/check-openapi.sh
	scripts/check-clients.sh
	scripts/check-licences.py
	scripts/test-starts.sh
	scripts/fuzz.sh 5

test-all: export DN_EXHAUSTIVE = 1
test-all: test ## As test, with every byte of a proof corrupted and half a million random inputs.

web: ## Builds the explorer into web/dist.
	scripts/setup-js.sh
	npm run --silent --prefix web build

test-web: build ## Tests every page of the explorer in Chromium; PICTURES=1 takes docs/pictures anew.
	scripts/test-web.sh

sim: setup ## Runs 100,000 seeds of the network's simulation; DN_SIM_SEEDS changes it, DN_SIM_SEED=7 replays one.
	DN_SIM_SEEDS=$${DN_SIM_SEEDS:-100000} cargo test --workspace --locked $(FEATURES) --lib nothing_is_lost_in_any_storm -- --nocapture

sim-economy: ## Prints what each strategy earns beside honesty; DN_SIM_NODES, DN_SIM_EPOCHS and DN_SIM_SEED change the world.
	mkdir -p $(DEEPNODE_CACHE)
	cargo run --release --locked -p dn-sim -- $(DEEPNODE_CACHE)/economy.svg

soak: build ## Runs the network under load and faults for a quarter of an hour; DN_SOAK_S and DN_SOAK_SEED change it.
	DN_SOAK_S=$${DN_SOAK_S:-900} cargo test --workspace --locked $(FEATURES) --test soak -- --nocapture

fuzz: setup ## Fuzzes every reader of bytes from outside for ten minutes each; DN_FUZZ_S and TARGETS="key proof" change it.
	scripts/fuzz.sh $${DN_FUZZ_S:-600} $(TARGETS)

demo: build ## Sets up and runs the digits model from ONNX to paid batches, through the real services.
	$(CARGO_TARGET_DIR)/debug/demo $(DEEPNODE_CACHE)/demo $(DEEPNODE_CACHE)/data

bench: setup ## Prints cost and gas of digits proofs at several batch sizes.
	scripts/bench.sh

bench-models: setup ## Proves a batch of every model in models/: error, accuracy, CPU time, gas; MODELS and BATCH choose.
	scripts/bench-models.sh

bench-network: build ## Prints what the services take: accepts, answers, batches; SECTIONS="accepts blocks" chooses.
	scripts/with-postgres.sh scripts/bench-network.sh $(SECTIONS)

check-clients: build ## Asks a running gateway with tritonclient, openai and mcp.
	scripts/check-clients.sh

check-openapi: build ## Holds a running sequencer to its OpenAPI document.
	scripts/check-openapi.sh
