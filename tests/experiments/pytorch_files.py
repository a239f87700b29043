"""Files as PyTorch writes them, made without it, and what becomes of them: pytorch_files.py CONVERTER TREFOIL DIRECTORY."""
import collections
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import types
import zipfile

CONVERTER, TREFOIL, WORK = sys.argv[1:]
failures = 0

# What a pickle of PyTorch names: functions of modules that are not here.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils
for name in ("FloatStorage", "HalfStorage", "LongStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch"}))
for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
    exec("def %s(*a): pass" % name, utils.__dict__)
    getattr(utils, name).__module__ = "torch._utils"


class Storage:
    def __init__(self, kind, data, size):
        self.kind, self.data, self.count = kind, data, len(data) // size


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.parts = (storage, offset, shape, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return utils._rebuild_tensor_v2, self.parts


class Parameter(Tensor):
    def __reduce__(self):
        return utils._rebuild_parameter, (Tensor(*self.parts[:4]), True, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def __init__(self, file):
        super().__init__(file, 2)
        self.storages = []

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        if thing not in self.storages:
            self.storages.append(thing)
        return "storage", getattr(torch, thing.kind), str(self.storages.index(thing)), "cpu", thing.count


def save(path, value, drop=0):
    buffer = io.BytesIO()
    pickler = Pickler(buffer)
    pickler.dump(value)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        archive.writestr("archive/byteorder", "little")
        for i, storage in enumerate(pickler.storages):
            archive.writestr("archive/data/%d" % i, storage.data[:len(storage.data) - drop])


def read(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], data[8 + length:][slice(*v["data_offsets"])]) for k, v in header.items()}


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *what)


def convert(*arguments):
    done = subprocess.run([sys.executable, CONVERTER] + list(arguments), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def refused(what, message, value, **how):
    path, out = os.path.join(WORK, "bad.bin"), os.path.join(WORK, "bad.safetensors")
    save(path, value, **how)
    code, said = convert(path, out)
    expect(code == 1 and message in said and "Traceback" not in said and not os.path.exists(out), what, code, said)


class Attack:
    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


# Numbers of every form: views, transposed ones, halves, integers, parameters, shared storages.
floats = Storage("FloatStorage", struct.pack("<12f", *range(12)), 4)
tensors = collections.OrderedDict(
    whole=Tensor(floats, 0, (3, 4), (4, 1)), part=Tensor(floats, 4, (2, 2), (4, 1)),
    turned=Tensor(floats, 0, (4, 3), (1, 4)), scalar=Tensor(floats, 7, (), ()), parameter=Parameter(floats, 8, (4,), (1,)),
    half=Tensor(Storage("HalfStorage", struct.pack("<2e", 1.5, -2), 2), 0, (2,), (1,)),
    ids=Tensor(Storage("LongStorage", struct.pack("<2q", 1, 1 << 40), 8), 0, (1, 2), (2, 1)))
tensors._metadata = collections.OrderedDict()
save(os.path.join(WORK, "good.bin"), tensors)
code, said = convert(os.path.join(WORK, "good.bin"), os.path.join(WORK, "good.safetensors"))
expect(code == 0 and "7 tensors" in said, code, said)
got = read(os.path.join(WORK, "good.safetensors")) if code == 0 else {}
pack = lambda *v: struct.pack("<%df" % len(v), *v)
wanted = {"whole": ("F32", [3, 4], pack(*range(12))), "part": ("F32", [2, 2], pack(4, 5, 8, 9)),
          "turned": ("F32", [4, 3], pack(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)), "scalar": ("F32", [], pack(7)),
          "parameter": ("F32", [4], pack(8, 9, 10, 11)), "half": ("F16", [2], struct.pack("<2e", 1.5, -2)),
          "ids": ("I64", [1, 2], struct.pack("<2q", 1, 1 << 40))}
expect(got == wanted, got)
expect("is there already" in convert(os.path.join(WORK, "good.bin"), os.path.join(WORK, "good.safetensors"))[1], "replaced")

# What would execute something, or lies about sizes.
touched = os.path.join(WORK, "touched")
refused("a command", "posix.system", {"a": Attack(os.system, "touch " + touched)})
refused("a built-in", ".eval, which", {"a": Attack(eval, "open(%r, 'w')" % touched)})
refused("no tensor", "is not a tensor", {"a": 3})
expect(not os.path.exists(touched), "the file was executed")
refused("a tensor of numbers", "not made of a storage", {"a": Attack(utils._rebuild_tensor_v2, 1, 0, (1,), (1,))})
refused("beyond the storage", "beyond its storage", {"a": Tensor(floats, 1, (3, 4), (4, 1))})
refused("a negative stride", "a stride is -1", {"a": Tensor(floats, 4, (2,), (-1,))})
refused("a short storage", "not as long", {"a": Tensor(floats, 0, (3, 4), (4, 1))}, drop=4)
open(os.path.join(WORK, "old.bin"), "wb").write(pickle.dumps(3))
expect("not a zip archive" in convert(os.path.join(WORK, "old.bin"), os.path.join(WORK, "old.safetensors"))[1], "old")

# A model in two shards gives what its safetensors give.
model = os.path.join(WORK, "tiny")
original = read(os.path.join(model, "model.safetensors"))
before = subprocess.run([TREFOIL, "plain", "--model", model, "--text", "hello world"], capture_output=True, text=True)
os.remove(os.path.join(model, "model.safetensors"))
places = {}
for part in (0, 1):
    shard = collections.OrderedDict()
    for name in sorted(original)[part::2]:
        dtype, shape, data = original[name]
        stride = [1] * len(shape)
        for i in range(len(shape) - 2, -1, -1):
            stride[i] = stride[i + 1] * shape[i + 1]
        shard[name] = Tensor(Storage("FloatStorage", data, 4), 0, tuple(shape), tuple(stride))
        places[name] = "pytorch_model-%d.bin" % part
    save(os.path.join(model, "pytorch_model-%d.bin" % part), shard)
json.dump({"weight_map": places}, open(os.path.join(model, "pytorch_model.bin.index.json"), "w"))
code, said = convert(model)
expect(code == 0, said)
expect(read(os.path.join(model, "model.safetensors")) == original, "the shards' tensors differ")
after = subprocess.run([TREFOIL, "plain", "--model", model, "--text", "hello world"], capture_output=True, text=True)
row = lambda done: [line for line in done.stdout.split("\n") if "hello world" in line]
expect(row(before) == row(after) and row(after), before.stdout, after.stdout, after.stderr)
sys.exit(failures > 0)
