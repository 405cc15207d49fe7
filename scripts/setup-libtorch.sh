#!/usr/bin/env bash
# Installs libtorch 2.11.0 for the worker into the cache; does nothing when it is there, or when
# LIBTORCH or LIBTORCH_USE_PYTORCH names one.
set -euo pipefail

version=2.11.0
cache=${DEEPNODE_CACHE:-$HOME/.cache/deepnode}
target=$cache/libtorch
wheels=$cache/wheels

# What the linker and the programs need. libtorch_cuda and its libraries are not among them: where
# there is a GPU, they come with the user's PyTorch.
libraries=(libc10.so libtorch.so libtorch_cpu.so libgomp.so.1 libcudart.so.13 libcupti.so.13)

# Wheels on PyPI: requirement, sha256, file.
pinned=(
    "torch==2.11.0 0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756 torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    "nvidia-cuda-runtime==13.0.96 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
    "nvidia-cuda-cupti==13.0.85 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl"
)

say() { printf 'libtorch: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

is_complete() { # folder
    [ "$(cat "$1/build-version" 2>/dev/null)" = "$version" ] || return 1
    [ -f "$1/include/torch/csrc/api/include/torch/torch.h" ] || return 1
    for library in "${libraries[@]}"; do
        [ -s "$1/lib/$library" ] || return 1
    done
}

is_intact() { # sha256, file name
    [ -f "$wheels/$2" ] && echo "$1  $wheels/$2" | sha256sum --check --status
}

fetch() {
    local wheel requirement sha256 file
    for wheel in "${pinned[@]}"; do
        read -r requirement sha256 file <<<"$wheel"
        if is_intact "$sha256" "$file"; then
            continue
        fi
        rm -f "$wheels/$file"
        say "downloading $requirement"
        python3 -m pip download --disable-pip-version-check --no-deps --only-binary=:all: \
            --python-version 3.12 --implementation cp --abi cp312 --abi none \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
            --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
            --dest "$wheels" "$requirement" >&2 ||
            fail "pip could not download $requirement; check the network and that python3 has pip (apt-get install python3-pip)"
        is_intact "$sha256" "$file" ||
            fail "$wheels/$file is not the pinned wheel (sha256 $sha256); remove it and run this again"
    done
}

unpack() { # destination
    say "unpacking the libraries and headers"
    python3 - "$1" "${#libraries[@]}" "${libraries[@]}" "${pinned[@]/#* /$wheels/}" <<'PYTHON'
import pathlib, shutil, sys, zipfile

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
libraries, wheels = set(sys.argv[3 : 3 + count]), sys.argv[3 + count :]
for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = pathlib.PurePosixPath(entry.filename)
            if path.parts[:2] == ("torch", "include"):
                to = folder.joinpath(*path.parts[1:])
            elif path.parent.name == "lib" and path.name in libraries:
                to = folder / "lib" / path.name
            else:
                continue
            if entry.is_dir() or ".." in path.parts:
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(to, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
PYTHON
    echo "$version" >"$1/build-version"
}

if [ -n "${LIBTORCH_USE_PYTORCH+set}" ]; then
    exit 0
fi
if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$target" ]; then
    [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] ||
        fail "LIBTORCH is $LIBTORCH, which has no lib/libtorch_cpu.so; set it to a libtorch $version, or unset it and run this again"
    exit 0
fi
if is_complete "$target"; then
    exit 0
fi

[ "$(uname -sm)" = "Linux x86_64" ] ||
    fail "the pinned build is for Linux on x86_64; install PyTorch $version and set LIBTORCH_USE_PYTORCH=1"
say "installing libtorch $version, on which the worker runs models, into $target"
say "a download of 544 MB from PyPI, kept in $wheels, and 500 MB unpacked; set LIBTORCH or LIBTORCH_USE_PYTORCH=1 to use your own"
mkdir -p "$wheels"
exec 9>"$cache/libtorch.lock"
flock 9
if is_complete "$target"; then
    exit 0
fi
fetch
staging=$(mktemp -d "$cache/libtorch.XXXXXX")
trap 'rm -rf "$staging"' EXIT
mkdir "$staging/new"
unpack "$staging/new" || fail "the wheels could not be unpacked; is there room for 500 MB in $cache?"
is_complete "$staging/new" || fail "the wheels lack a part of libtorch; report this"
if [ -e "$target" ]; then
    mv "$target" "$staging/old"
fi
mv "$staging/new" "$target"
say "installed"
