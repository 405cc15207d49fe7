#!/usr/bin/env python3
"""Writes a pool of labelled questions for validators' probes from each held-out set that has classes.

    python3 pools.py

A line is {"x": [input, raw values], "y": class}. The first examples of a set are taken: it was shuffled when it was split off. Needs
nothing but Python: the arrays in an .npz are read from their bytes.
"""

import ast
import json
import math
import pathlib
import struct
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# Values of all inputs in a file, which bounds its size.
MOST_VALUES = 16_384
MOST = 128
FORMATS = {"<f2": "e", "|i1": "b", "<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i", "|u1": "B"}


def array(data):
    """Shape and values of a .npy file, in the order of C."""
    length, = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10 : 10 + length].decode())
    assert not header["fortran_order"], "C order"
    count = math.prod(header["shape"])
    values = struct.unpack_from(f"<{count}{FORMATS[header['descr']]}", data, 10 + length)
    return header["shape"], values


def pool(held_out, target):
    with zipfile.ZipFile(held_out) as file:
        names = file.namelist()
        if "y.npy" not in names:
            return
        (count, *shape), x = array(file.read("x.npy"))
        label_shape, y = array(file.read("y.npy"))
    if label_shape != (count,):
        return
    size = math.prod(shape)
    taken = min(count, MOST, MOST_VALUES // size)
    with open(target, "w", encoding="ascii") as lines:
        for i in range(taken):
            row = [float(f"{value:.6g}") for value in x[i * size : (i + 1) * size]]
            row = [int(value) if value.is_integer() else value for value in row]
            lines.write(json.dumps({"x": row, "y": int(y[i])}, separators=(",", ":")) + "\n")
    print(f"{target.relative_to(HERE)}: {taken} of {count}")


def main():
    for held_out in sorted(HERE.glob("*/*heldout.npz")):
        pool(held_out, held_out.with_name(held_out.name.replace("heldout.npz", "pool.jsonl")))


if __name__ == "__main__":
    main()
