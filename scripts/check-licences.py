#!/usr/bin/env python3
"""Holds every crate that is linked to the licences and sources of deny.toml: what `cargo deny check licenses sources`
does, without the tool. Known faults need its database: `cargo deny check advisories` where there is a network."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allows(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met by licences that are allowed."""
    tokens = re.findall(r"\(|\)|AND|OR|[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?", expression.replace("/", " OR "))

    def either() -> bool:
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        token = tokens.pop(0)
        if token == "(":
            met = either()
            tokens.pop(0)
            return met
        return token in allowed

    met = either()
    if tokens:
        raise ValueError(f"{expression}: not understood at {tokens}")
    return met


def main() -> int:
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    bad = []
    for package in metadata["packages"]:
        name, licence, source = f"{package['name']} {package['version']}", package["license"], package["source"]
        if not licence:
            bad.append(f"{name} names no licence")
        elif not allows(licence, allowed):
            bad.append(f"{name} is under {licence}, which deny.toml does not allow")
        if source and not source.startswith("registry+https://github.com/rust-lang/crates.io-index"):
            bad.append(f"{name} is not from crates.io")
    for line in bad:
        print(line)
    print(f"licences: {len(metadata['packages'])} crates, {len(bad)} against deny.toml")
    return 1 if bad else 0


if __name__ == "__main__":
    assert allows("(MIT OR Apache-2.0) AND NCSA", {"MIT", "NCSA"}) and not allows("MIT AND GPL-3.0", {"MIT"})
    sys.exit(main())
