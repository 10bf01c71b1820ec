# make                                      installs what is missing, builds dist/crsql.so and shows the demo
# make test                                 builds and runs every test
# make sim SEED=7 STEPS=1000                one simulated fleet of replicas
# make soak                                 one fleet after the other until it is stopped or one fails; SEED=n is the first
# make bench                                measures the speed (docs/performance.md)
# make gate                                 compares instruction counts with benches/gate.txt; make gate-record writes them anew
# make faults                               the tests of faults inside SQLite, with every fault: hours; CRSQL_FAULTS=100: so many of each kind
# make memcheck                             the SQL scripts of the tests under valgrind
# make threadcheck                          the test of threads under Helgrind; ROUNDS=n: so long
# make fuzz TARGET=changesets SECONDS=600   a fuzz target under libFuzzer and AddressSanitizer
# The other targets: build, demo, lint, clean.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# Where scripts/setup.sh puts Rust on a machine that has none.
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: all setup build demo test sim soak faults memcheck threadcheck fuzz lint bench gate gate-record clean

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

faults: build
	CRSQL_FAULTS=$${CRSQL_FAULTS:-all} cargo test --test faults -- --nocapture

# SCRIPTS names some of tests/sql; all of them otherwise.
memcheck: setup
	cargo build
	scripts/memcheck.sh $(SCRIPTS)

threadcheck: setup
	scripts/threadcheck.sh

# TARGET is a file of fuzz/targets.
TARGET ?= changesets
SECONDS ?= 60
fuzz: setup
	@scripts/fuzz.sh $(TARGET) $(SECONDS)

# The crate of the fuzz targets is looked at, not linked: libFuzzer need not be there.
lint:
	cargo fmt --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --all-targets -- -D warnings
	CUSTOM_LIBFUZZER_PATH=$(CURDIR)/libfuzzer.a cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings

bench: build
	cargo bench --bench core -- compare changesets digests flights
	cargo bench --bench slices

gate gate-record: build
	cargo bench --bench core -- $@

clean:
	cargo clean
	rm -rf dist
