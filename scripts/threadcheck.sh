#!/usr/bin/env bash
# Runs the test of threads (tests/endurance) under Helgrind, with the debug build of the extension: no memory of the
# extension is used by two threads without a lock between them. ROUNDS: how long each thread works.
set -euo pipefail

cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo build
# A copy: the build must not replace a library that runs.
cp target/debug/libcrsql.so "$scratch/crsql.so"
cargo test --test endurance --no-run --message-format=json >"$scratch/messages"
test=$(sed -n 's/.*"executable":"\([^"]*endurance[^"]*\)".*/\1/p' "$scratch/messages")

code=0
RUST_BACKTRACE=0 CRSQL_EXTENSION="$scratch/crsql.so" CRSQL_ROUNDS=${ROUNDS:-4} \
  valgrind --tool=helgrind --suppressions=scripts/helgrind.supp --error-exitcode=99 --num-callers=20 --read-inline-info=yes \
  --log-file="$scratch/helgrind" "$test" threads:: || code=$?
if [ "$code" -ne 0 ]; then
  cat "$scratch/helgrind"
  exit "$code"
fi
tail -n 1 "$scratch/helgrind"
