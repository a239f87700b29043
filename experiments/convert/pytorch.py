#!/usr/bin/env python3
"""Converts pytorch_model.bin to model.safetensors: pytorch.py DIRECTORY [--force], or pytorch.py FILE OUT.

A file of PyTorch is a zip archive with a pickle, which may name any function of Python for the reader to call. This
reader knows the handful of names that tensors need, has its own harmless meaning for each, and refuses every other one:
nothing of the file is executed. Plain Python, without PyTorch. Shards (pytorch_model.bin.index.json) become one file.
"""
import argparse
import collections
import json
import os
import pickle
import struct
import sys
import zipfile

MOST_PICKLE, MOST_DIMENSIONS = 256 << 20, 8
STORAGES = {"FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
            "DoubleStorage": ("F64", 8), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ShortStorage": ("I16", 2),
            "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1)}


class Refused(Exception):
    pass


Storage = collections.namedtuple("Storage", "entry dtype size count")
Tensor = collections.namedtuple("Tensor", "storage offset shape stride")


def whole(value, what):
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise Refused("%s is %r" % (what, value))
    return value


def make_tensor(storage, offset, shape, stride, *rest):
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(stride) is not tuple:
        raise Refused("a tensor is not made of a storage, a shape and a stride")
    if len(shape) != len(stride) or len(shape) > MOST_DIMENSIONS:
        raise Refused("a tensor has %d dimensions" % len(shape))
    last = whole(offset, "an offset")
    for n, step in zip(shape, stride):
        last += (whole(n, "a dimension") - 1) * whole(step, "a stride") if n else 0
    if 0 not in shape and last >= storage.count:
        raise Refused("a tensor reaches beyond its storage")
    return Tensor(storage, offset, shape, stride)


def make_parameter(tensor, *rest):
    if not isinstance(tensor, Tensor):
        raise Refused("a parameter is not a tensor")
    return tensor


class Reader(pickle.Unpickler):
    """Reads the pickle of an archive; see above."""

    def __init__(self, archive, prefix):
        super().__init__(archive.open(prefix + "data.pkl"))
        self.archive, self.prefix = archive, prefix

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return make_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return make_parameter
        if module == "torch" and name in STORAGES:
            return name
        raise Refused("it names %s.%s, which no tensor needs; nothing of it has been executed" % (module, name))

    def persistent_load(self, given):
        if type(given) is not tuple or len(given) != 5 or given[0] != "storage" or given[1] not in STORAGES:
            raise Refused("a storage is of an unknown form")
        dtype, size = STORAGES[given[1]]
        try:
            entry = self.archive.getinfo("%sdata/%s" % (self.prefix, given[2]))
        except (KeyError, TypeError):
            raise Refused("a storage is missing: %r" % (given[2],))
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != whole(given[4], "a storage's length") * size:
            raise Refused("storage %r is compressed, or not as long as it should be" % given[2])
        return Storage((self.archive, entry), dtype, size, given[4])


def read_tensors(path):
    """The tensors of a file, by name."""
    if not zipfile.is_zipfile(path):
        raise Refused("it is not a zip archive: files of PyTorch before 1.6 are not read")
    archive = zipfile.ZipFile(path)
    pickles = [n for n in archive.namelist() if n.endswith("data.pkl") and n.count("/") <= 1]
    if len(pickles) != 1 or archive.getinfo(pickles[0]).file_size > MOST_PICKLE:
        raise Refused("it has no data.pkl, or one too many, or a very large one")
    prefix = pickles[0][:-len("data.pkl")]
    if prefix + "byteorder" in archive.namelist() and archive.read(prefix + "byteorder") != b"little":
        raise Refused("its numbers are not little-endian")
    try:
        tensors = Reader(archive, prefix).load()
    except Refused:
        raise
    except Exception as error:  # whatever a broken pickle leads to
        raise Refused("its pickle is broken: %s" % error)
    if not isinstance(tensors, dict) or not tensors:
        raise Refused("it is not a dictionary of tensors")
    for name, tensor in tensors.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise Refused("%r is not a tensor with a name" % (name,))
    return dict(tensors)


def count(shape):
    product = 1
    for n in shape:
        product *= n
    return product


def contiguous(tensor):
    step = 1
    for n, stride in zip(reversed(tensor.shape), reversed(tensor.stride)):
        if n > 1 and stride != step:
            return False
        step *= n
    return True


def content(tensor):
    """The bytes of a tensor, row by row."""
    archive, entry = tensor.storage.entry
    data, size = archive.read(entry), tensor.storage.size
    if contiguous(tensor):
        return data[tensor.offset * size:(tensor.offset + count(tensor.shape)) * size]
    out = bytearray()

    def copy(at, depth):
        if depth == len(tensor.shape):
            out.extend(data[at * size:(at + 1) * size])
            return
        for i in range(tensor.shape[depth]):
            copy(at + i * tensor.stride[depth], depth + 1)

    copy(tensor.offset, 0)
    return bytes(out)


def write(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        end = at + count(tensor.shape) * tensor.storage.size
        header[name] = {"dtype": tensor.storage.dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path + ".new"
    with open(temporary, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            out.write(content(tensor))
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)


def shards(directory):
    index = os.path.join(directory, "pytorch_model.bin.index.json")
    if not os.path.exists(index):
        return [os.path.join(directory, "pytorch_model.bin")]
    names = sorted(set(json.load(open(index))["weight_map"].values()))
    if any(os.path.basename(n) != n for n in names):
        raise Refused("its index names files elsewhere")
    return [os.path.join(directory, n) for n in names]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("source", help="a model's directory, or a file of PyTorch")
    arguments.add_argument("out", nargs="?", help="the file to write; in a directory model.safetensors")
    arguments.add_argument("--force", action="store_true", help="replace what is there")
    given = arguments.parse_args()
    is_directory = os.path.isdir(given.source)
    out = given.out or (os.path.join(given.source, "model.safetensors") if is_directory else None)
    path = given.source
    try:
        if not out:
            raise Refused("say where to write")
        if os.path.exists(out) and not given.force:
            raise Refused("%s is there already (--force replaces it)" % out)
        tensors = {}
        for path in shards(given.source) if is_directory else [given.source]:
            more = read_tensors(path)
            if tensors.keys() & more.keys():
                raise Refused("a tensor is in two shards")
            tensors.update(more)
        write(out, tensors)
    except (Refused, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.exit("%s: %s" % (path, error))
    print("%s: %d tensors" % (out, len(tensors)))


if __name__ == "__main__":
    main()
