#!/usr/bin/env python3
"""Checks docker-compose.yml without Docker: it parses, every variable that it names is in
.env.example, every file and program that it and the Dockerfiles name exists, and every DN_ variable
is one that a program reads. Building the images needs Docker and is not done here."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
problems = []


def expect(is_good, what):
    if not is_good:
        problems.append(what)


try:
    import yaml

    parsed = yaml.safe_load(COMPOSE)
    services = parsed["services"]
    for name, service in services.items():
        for needed in service.get("depends_on", []):
            expect(needed in services, f"service {name} depends on {needed}, which does not exist")
        for secret in service.get("secrets", []):
            expect(secret in parsed["secrets"], f"service {name} uses the undeclared secret {secret}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            expect(source[:1] in (".", "$") or source in parsed["volumes"], f"volume {source} is undeclared")
except ImportError:
    # PyYAML is not part of Python; the checks below still hold.
    expect(not re.search(r"^\t", COMPOSE, re.M), "docker-compose.yml has a tab")

declared = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
for name in sorted(used - declared):
    expect(False, f"{name} is used in docker-compose.yml and missing in .env.example")
for name in sorted(declared - used - {"RUST_LOG"}):
    expect(False, f"{name} is in .env.example and nothing uses it")

sources = "".join(p.read_text() for p in ROOT.glob("*/src/**/*.rs"))
read = set(re.findall(r'env = "(DN_[A-Z_]+)"', sources))
for name in sorted(set(re.findall(r"^ +(DN_[A-Z_]+):", COMPOSE, re.M)) - read):
    expect(False, f"{name} is set in docker-compose.yml and no program reads it")

for dockerfile in re.findall(r"dockerfile: (\S+)", COMPOSE):
    path = ROOT / dockerfile
    expect(path.is_file(), f"{dockerfile} does not exist")
    if path.is_file():
        for line in re.findall(r"^COPY (?!--from)(.+)", path.read_text(), re.M):
            for source in line.split()[:-1]:
                expect((ROOT / source).exists(), f"{dockerfile} copies {source}, which does not exist")

manifests = "".join(p.read_text() for p in ROOT.glob("*/Cargo.toml"))
for program in re.findall(r'command: \["([^"]+)"', COMPOSE):
    expect(f'name = "{program}"' in manifests, f"no crate builds {program}")

for problem in problems:
    print(f"docker-compose: {problem}", file=sys.stderr)
sys.exit(bool(problems))
