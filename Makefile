# make        installs what is missing, builds dist/crsql.so and shows the demo
# make test   builds and runs every test
# make sim    runs one simulated fleet: make sim SEED=7 STEPS=1000
# make soak   runs one fleet after the other until it is stopped or one fails; SEED=n is the first
# The other targets: build, demo, lint, bench, clean.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# Where scripts/setup.sh puts Rust on a machine that has none.
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: all setup build demo test sim soak lint bench clean

all: setup
	@$(MAKE) --no-print-directory demo

setup:
	@scripts/setup.sh

build:
	cargo build --release
	@mkdir -p dist
	@cp -f target/release/libcrsql.so dist/crsql.so.new
	@mv -f dist/crsql.so.new dist/crsql.so

demo: build
	@scripts/demo.sh

test: build
	cargo test

SEED ?= 1
STEPS ?= 300

sim: build
	CRSQL_SIM_SEED=$(SEED) CRSQL_SIM_STEPS=$(STEPS) cargo test --test simulator simulated -- --nocapture

soak: build
	CRSQL_SIM_FIRST_SEED=$(SEED) cargo test --test simulator soak -- --ignored --nocapture

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: build
	cargo bench --bench core

clean:
	cargo clean
	rm -rf dist
