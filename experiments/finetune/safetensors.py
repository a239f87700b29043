"""Reading and writing safetensors files: eight bytes of length, a JSON header, the tensors' bytes."""

import json
import os
import struct

import numpy

DTYPES = {"F32": numpy.dtype("<f4"), "F16": numpy.dtype("<f2")}


def read(path):
    """The floating-point tensors of a file as {name: numpy array, float32}; others, such as position ids, are left out."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8:
        raise ValueError(f"{path}: too short for a safetensors file")
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        raise ValueError(f"{path}: its header is longer than the file")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in DTYPES:
            continue
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(data) - 8 - length:
            raise ValueError(f"{path}: tensor {name} lies outside the file")
        values = numpy.frombuffer(data[8 + length + start : 8 + length + end], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(numpy.float32)
    return tensors


def write(path, tensors, dtype="F32"):
    """Writes {name: numpy array} atomically: under a temporary name, then a rename."""
    header, offset, arrays = {"__metadata__": {"format": "pt"}}, 0, []
    for name, values in tensors.items():
        array = numpy.ascontiguousarray(values, DTYPES[dtype])
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        arrays.append(array)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.part"
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in arrays:
            file.write(array.tobytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
