# make        installs what is missing, builds dist/crsql.so and shows the demo
# make test   builds and runs every test
# make bench  measures the speed (docs/performance.md)
# make gate   compares instruction counts with benches/gate.txt; gate-record writes them anew
# The other targets: build, demo, lint, clean.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# Where scripts/setup.sh puts Rust on a machine that has none.
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: all setup build demo test lint bench gate gate-record clean

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

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: build
	cargo bench --bench core -- compare changesets digests flights
	cargo bench --bench slices

gate gate-record: build
	cargo bench --bench core -- $@

clean:
	cargo clean
	rm -rf dist
