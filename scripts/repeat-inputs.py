"""Repeats the arrays of an .npz along their first axis: repeat-inputs.py FROM TO COUNT."""

import ast
import struct
import sys
import zipfile

MAGIC = b"\x93NUMPY\x01\x00"


def repeat(array: bytes, count: int) -> bytes:
    """The .npy file `array`, format 1.0 in C order, with `count` rows: the first ones follow the last."""
    assert array.startswith(MAGIC), "an array of another format"
    length = struct.unpack("<H", array[8:10])[0]
    header, content = ast.literal_eval(array[10 : 10 + length].decode()), array[10 + length :]
    assert not header["fortran_order"], "an array in Fortran order"
    rows = header["shape"][0]
    size = len(content) // rows
    header["shape"] = (count, *header["shape"][1:])
    text = f"{header}\n".encode()
    repeated = content * -(-count // rows)
    return MAGIC + struct.pack("<H", len(text)) + text + repeated[: count * size]


def main() -> None:
    source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with zipfile.ZipFile(source) as arrays, zipfile.ZipFile(target, "w") as out:
        for name in arrays.namelist():
            out.writestr(name, repeat(arrays.read(name), count))


if __name__ == "__main__":
    main()
