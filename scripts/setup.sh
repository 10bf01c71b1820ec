#!/usr/bin/env bash
# Installs what the build, the demo, the tests and the gate need, and only what is missing.
# Made for Debian 12; on other systems it says what to install by hand. With the argument g++, a compiler of C++ too.
set -euo pipefail

cd "$(dirname "$0")/.."
rust_version_min=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

# libclang-cpp, which other packages bring, is another library and of no use here.
have_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return 0
  compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' >/dev/null && return 0
  command -v ldconfig >/dev/null && ldconfig -p | grep -q 'libclang[-.0-9]*\.so'
}

have_rust() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [ -n "$version" ] && printf '%s\n' "$rust_version_min" "$version" | sort --check=quiet --version-sort
}

packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v sqlite3 >/dev/null || packages+=(sqlite3)
# valgrind finds its way in the C library by the symbols of libc6-dbg.
command -v valgrind >/dev/null || packages+=(valgrind libc6-dbg)
have_libclang || packages+=(libclang-dev)
[ "${1:-}" != g++ ] || command -v c++ >/dev/null || packages+=(g++)
have_rust || command -v curl >/dev/null || packages+=(curl ca-certificates)

if [ ${#packages[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "Please install what these Debian packages hold: ${packages[*]}" >&2
    exit 1
  fi
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "Installing ${packages[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "${packages[@]}"
fi

if ! have_rust; then
  echo "Installing Rust (rustup, into ~/.cargo)"
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --quiet --no-modify-path
fi
