#!/usr/bin/env python3
"""Prints the table of scripts/bench.sh and writes the JSON behind it: bench-table.py WORK OUTPUT"""
import json
import os
import pathlib
import platform
import re
import sys

COLUMNS = [
    ("net", "{net}"),
    ("B", "{batch}"),
    ("L", "{lanes}"),
    ("k", "{k}"),
    ("advice/fixed", "{advice_columns}/{fixed_columns}"),
    ("CPU s", "{cpu_s:.2f}"),
    ("CPU ms per inference", "{ms:.1f}"),
    ("wall s", "{wall_s:.1f}"),
    ("peak MiB", "{peak_rss_mb:.0f}"),
    ("keygen CPU s", "{keygen_cpu_s:.2f}"),
    ("pk, vk B", "{pk_bytes:,} {vk_bytes:,}"),
    ("fixed columns in memory MiB", "{resident_mib:.0f}"),
    ("proof B", "{proof_bytes:,}"),
    ("gas", "{gas:,}"),
    ("without the floor for calldata", "{gas_above_floor:,}"),
    ("of that execution", "{execution_gas:,}"),
    ("gas per inference", "{gas_per_inference:,}"),
    ("rows, predicted and used", "{estimated_rows:,} {rows:,}"),
    ("predicted CPU s, MiB", "{estimated_cpu_s:.2f} {estimated_memory_mb:.0f}"),
]


def machine():
    cpu = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{cpu.group(1) if cpu else platform.processor()}, {os.cpu_count()} cores"


def row(work, proved):
    at = proved.stem.split("-")[1]
    r = json.loads(proved.read_text())
    r["net"] = (work / f"name-{at}").read_text().strip()
    verified = json.loads((work / f"verify-{at}.json").read_text())
    for name in ("gas", "gas_above_floor", "execution_gas"):
        r[name] = verified[name]
    r["gas_per_inference"] = r["gas"] // r["batch"]
    r["ms"] = 1e3 * r["cpu_s"] / r["batch"]
    r["resident_mib"] = r["resident_bytes"] / 2**20
    return r


def main():
    work, output = map(pathlib.Path, sys.argv[1:])
    rows = [row(work, p) for p in sorted(work.glob("prove-*.json"), key=lambda p: int(p.stem.split("-")[1]))]
    print(f"{machine()}; zero-knowledge, hashing and the prover's check of its own proof included\n")
    print("| " + " | ".join(name for name, _ in COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for r in rows:
        print("| " + " | ".join(form.format(**r) for _, form in COLUMNS) + " |")
    output.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    print(f"\nJSON: {output}", file=sys.stderr)


main()
