#!/usr/bin/env bash
# The demo: an office and two field devices, three databases, edit the same real data offline, exchange
# their changes in a chaotic order and end equal. Every step is a plain SQL script in sql/demo.
# DEMO_DIR names the directory for the databases; CRSQL_EXTENSION and SQLITE3 other programs.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
extension=${CRSQL_EXTENSION:-$root/dist/crsql.so}
sqlite3=${SQLITE3:-sqlite3}
directory=${DEMO_DIR:-$root/target/demo}

rm -rf "$directory"
mkdir -p "$directory/offline"
cd "$directory"
ln -s "$extension" crsql.so
ln -s "$root/sql/demo" demo

on() { # on DATABASE SCRIPT
  "$sqlite3" -batch -bail -init /dev/null "$1.db" <"demo/$2.sql"
}
letter() { # letter FROM TO SCRIPT-OF-THE-RECEIVER
  on "$1" send
  printf '%-6s -> %-6s  ' "$1" "$2"
  on "$2" "$3"
  rm letter.db
}
heading() {
  printf '\n== %s\n' "$1"
}

heading 'Three devices'
on office 01_office_starts
on north 02_north_starts
on west 03_west_starts

heading 'First exchange'
letter office north receive
letter office west receive
letter north office receive
letter north west receive
for device in office north west; do on "$device" mark_sent; done

heading 'Offline: all three edit the same rows'
cp office.db offline/start.db
on offline/start tell
on office 04_office_edits
on north 05_north_edits
on west 06_west_edits
for device in office north west; do
  cp "$device.db" "offline/$device.db"
  on "offline/$device" tell
done

heading 'Together again, in chaos: in part, twice, backwards, relayed'
letter west north receive_half
letter north office receive_twice
letter office west receive_reversed
letter west office receive_shuffled
letter west north receive_shuffled
letter office north receive_reversed

heading 'All of it once more: nothing is left to apply'
letter office north receive
letter north west receive
letter west office receive

heading 'The conflicts: what each wrote, and who won'
on office tell
on report 07_conflicts

heading 'The proof: rows in each, and rows that one has and another lacks'
on proof 08_proof
printf '\nThe databases are in %s\n' "$directory"
