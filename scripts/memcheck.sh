#!/usr/bin/env bash
# Runs tests/sql under valgrind, with the debug build of the extension: no leak, no use of memory that is not ours.
# Arguments: the scripts to run (names in tests/sql without .sql); all of them if there are none.
# CRSQL_EXTENSION and SQLITE3 name other programs. JOBS: how many run side by side.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
extension=${CRSQL_EXTENSION:-$root/target/debug/libcrsql.so}
sqlite3=${SQLITE3:-sqlite3}
jobs=${JOBS:-$(nproc)}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# A copy: the build must not replace a library that runs.
cp "$extension" "$scratch/crsql.so"

# --errors-for-leak-kinds: blocks that nobody points to, or only into the middle of. What is still reachable at the end
#   is the shell's own.
# --keep-debuginfo: the extension is unloaded before leaks are looked for.
# --fair-sched, --run-cxx-freeres and suppressions: none are needed.
check() {
  local name=$1 directory=$scratch/$1
  mkdir "$directory"
  ln -s "$scratch/crsql.so" "$directory/crsql.so"
  ln -s "$root/tests/sql/include" "$directory/include"
  cd "$directory"
  local code=0
  valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect,possible \
    --errors-for-leak-kinds=definite,indirect,possible --keep-debuginfo=yes --num-callers=30 \
    --log-file="$directory/valgrind.%p" \
    "$sqlite3" -batch -init /dev/null :memory: <"$root/tests/sql/$name.sql" >output 2>&1 || code=$?
  # The shell itself ends with 1 where a script shows an error.
  if [ "$code" -gt 1 ] || [ -s "$(echo valgrind.*)" ]; then
    echo "== $name (exit code $code)"
    cat valgrind.*
    return 1
  fi
}
export -f check
export root scratch sqlite3

if [ $# -eq 0 ]; then
  scripts=("$root"/tests/sql/*.sql)
  set -- "${scripts[@]##*/}"
  set -- "${@%.sql}"
fi
printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -euc 'check {}'
echo "$# scripts: no leak, no error"
