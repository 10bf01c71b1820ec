#!/usr/bin/env bash
# Runs a fuzz target for so many seconds under libFuzzer and AddressSanitizer. Arguments: a file of fuzz/targets without
# its .rs, and seconds. What fails is written to fuzz/artifacts; fuzz/corpus grows, fuzz/seeds is what the repository keeps.
set -euo pipefail

cd "$(dirname "$0")/.."
target=$1
seconds=$2

if [ ! -f "fuzz/targets/$target.rs" ]; then
  names=(fuzz/targets/*.rs)
  names=("${names[@]##*/}")
  echo "There is no fuzz target $target; make fuzz TARGET= one of ${names[*]%.rs}" >&2
  exit 1
fi

# libFuzzer is written in C++.
scripts/setup.sh g++
if ! compgen -G "$(rustc --print sysroot)/lib/rustlib/*/lib/librustc*_rt.asan.a" >/dev/null; then
  echo "This Rust comes without AddressSanitizer; install the one of https://rustup.rs" >&2
  exit 1
fi
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked

# The sanitizer needs unstable flags of the compiler, which a stable one has too.
export RUSTC_BOOTSTRAP=1
# Whole stacks of allocations cost a fifth of the speed; ASAN_OPTIONS=malloc_context_size=30 shows them.
export ASAN_OPTIONS=malloc_context_size=2${ASAN_OPTIONS:+:$ASAN_OPTIONS}
mkdir -p "fuzz/corpus/$target"
cd fuzz
cargo fuzz run --fuzz-dir . "$target" "corpus/$target" "seeds/$target" -- \
  -max_total_time="$seconds" -max_len=2000 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1
