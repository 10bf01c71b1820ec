# make        installs what is missing, builds dist/crsql.so and shows the demo
# make test   builds and runs every test
# make faults runs the tests of faults inside SQLite with every fault: hours. CRSQL_FAULTS=100 make faults: so many of each kind
# The other targets: build, demo, lint, bench, clean.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# Where scripts/setup.sh puts Rust on a machine that has none.
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: all setup build demo test faults lint bench clean

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

faults: build
	CRSQL_FAULTS=$${CRSQL_FAULTS:-all} cargo test --test faults -- --nocapture

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: build
	cargo bench --bench core
	cargo bench --bench slices

clean:
	cargo clean
	rm -rf dist
