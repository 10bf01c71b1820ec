#!/usr/bin/env python3
"""Runs parts of the benchmark and puts their tables into docs/performance.md, in place of those with the same heading:

    scripts/record-bench.py compare digests     runs these parts (those of `cargo bench --bench core`)
    scripts/record-bench.py --from FILE ...     takes what they printed before
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/performance.md"


def tables(lines):
    """The first line and the line after the last of each table."""
    start = None
    for number, line in enumerate([*lines, ""]):
        if line.startswith("|") and start is None:
            start = number
        elif not line.startswith("|") and start is not None:
            yield start, number
            start = None


def heading(line):
    """What names a table: its first cell, and the second where tables share the first."""
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return tuple(cells[:2])


def main(arguments):
    if arguments[:1] == ["--from"]:
        printed = "\n\n".join(pathlib.Path(name).read_text() for name in arguments[1:])
    else:
        command = ["cargo", "bench", "--bench", "core", "--", *arguments]
        printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = printed.split("\n")
    measured = {heading(lines[start]): lines[start:end] for start, end in tables(lines)}

    document = DOCUMENT.read_text().split("\n")
    recorded = set()
    for start, end in reversed(list(tables(document))):
        name = heading(document[start])
        if name in measured:
            document[start:end] = measured[name]
            recorded.add(name)
    DOCUMENT.write_text("\n".join(document))
    print(f"{len(recorded)} tables recorded in {DOCUMENT.relative_to(ROOT)}")
    for name in measured.keys() - recorded:
        print(f"the document has no table {' | '.join(name)}")


main(sys.argv[1:])
