"""Ways to damage a kept file, for `tests.fuzz`: each takes the file, all files of the run, and a source of chance."""

import hashlib
import json
import lzma
import os
import random
from functools import cache

import torch

from lnescape.results import files

# Damage that no checksum is told of: the values that are read stay as they were, or none are read.


def flip(kept, others: list, chance: random.Random):
    data = bytearray(kept.bytes)
    for _ in range(chance.choice([1, 1, 1, 2, 30])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    kept.file.write_bytes(data)


def cut(kept, others: list, chance: random.Random):
    kept.file.write_bytes(kept.bytes[: chance.randrange(len(kept.bytes))])


def splice(kept, others: list, chance: random.Random):
    at, length = chance.randrange(len(kept.bytes)), chance.choice([1, 8, 100])
    junk = chance.choice([bytes(length), chance.randbytes(length), kept.bytes[:length]])
    kept.file.write_bytes(kept.bytes[:at] + junk + kept.bytes[at + chance.choice([0, length]) :])


def swap(kept, others: list, chance: random.Random):
    # A law may be renamed: whatever file it is in, it is that law. All else is kept under the name of its request.
    candidates = [other for other in others if other is not kept and not kept.kind == other.kind == "law"]
    kept.file.write_bytes(chance.choice(candidates).bytes)


def edit(kept, others: list, chance: random.Random):
    digits = [i for i, byte in enumerate(kept.bytes[:4000]) if chr(byte).isdigit()]
    at = chance.choice(digits)
    kept.file.write_bytes(kept.bytes[:at] + str(chance.randrange(10)).encode() + kept.bytes[at + 1 :])


def no_file(kept, others: list, chance: random.Random):
    kept.file.unlink()
    kind, other = chance.choice(["folder", "pipe", "dangling", "link", "loop"]), kept.file.with_name("elsewhere")
    if kind == "folder":
        kept.file.mkdir()
    elif kind == "pipe":
        os.mkfifo(kept.file)
    elif kind == "loop":
        kept.file.symlink_to(kept.file)
    else:
        other.write_bytes(chance.choice(others).bytes)
        kept.file.symlink_to(other if kind == "link" else other / "nowhere")


def bomb(kept, others: list, chance: random.Random):
    shapes = {
        "deep": lambda: b"[" * 10**5 + b"]" * 10**5,
        "wide": lambda: b"[" + b"{}," * (5 * 10**6) + b"0]",
        "long": lambda: b'{"n": ' + b"9" * 10**7 + b"}",
        "header": lambda: (2**40).to_bytes(8, "little") + kept.bytes[8:],
        "brackets": lambda: (15 * 2**20).to_bytes(8, "little") + b"[]," * (5 * 2**20),
        "zeros": lambda: bytes(10**7),
        "packed": _gigabyte,
    }
    kept.file.write_bytes(shapes[chance.choice(list(shapes))]())


@cache
def _gigabyte() -> bytes:
    """A gigabyte of zeros, packed."""
    packer = lzma.LZMACompressor(preset=1)
    return b"".join(packer.compress(bytes(2**24)) for _ in range(64)) + packer.flush()


# Damage under a new checksum, as by somebody who knows the format: what is read fits, or nothing is read.


def reseal(kept, others: list, chance: random.Random):
    """Change something in the description, or the header, and take the checksum anew."""
    if kept.file.suffix == ".json":
        content = json.loads(kept.bytes)
        content.pop("sha256")
        _disturb(content, chance)
        text = (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
        content["sha256"] = hashlib.sha256(text).hexdigest()
        kept.file.write_bytes((json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode())
    elif kept.file.suffix == ".xz":
        data = bytearray(lzma.decompress(kept.bytes))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        kept.file.write_bytes(packed := lzma.compress(data))
        _point_at(kept.file.with_name("arrays.json"), packed)
    else:
        length = int.from_bytes(kept.bytes[:8], "little")
        header = json.loads(kept.bytes[8 : 8 + length])
        said = json.loads(header["__metadata__"]["lnescape"])
        _disturb(chance.choice([said, header, said["description"]]), chance)
        if chance.random() < 0.5 and isinstance(said, dict):
            said["sha256"] = "0" * 64
        if isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["lnescape"] = json.dumps(said, sort_keys=True)
        text = json.dumps(header).encode()
        write_sealed(kept.file, len(text).to_bytes(8, "little") + text + kept.bytes[8 + length :])


def write_sealed(file, data: bytes):
    found = data.find(b"0" * 64)
    if found < 0 and (at := data.find(b"sha256")) > 0:
        found = data.find(b'"', data.find(b":", at)) + 1
        data = data[:found] + b"0" * 64 + data[found + 64 :]
    digest = hashlib.sha256(data).hexdigest().encode()
    file.write_bytes(data[:found] + digest + data[found + 64 :] if found > 0 else data)


def _point_at(file, packed: bytes):
    content = json.loads(file.read_bytes())
    content.pop("sha256")
    content["arrays"]["sha256"] = hashlib.sha256(packed).hexdigest()
    file.write_bytes(files.seal(content))


def _disturb(content, chance: random.Random):
    """Change one value, somewhere in nested dictionaries and lists."""
    places = []

    def walk(part):
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            places.append((part, key))
            if isinstance(part[key], (dict, list)):
                walk(part[key])

    walk(content)
    if not places:
        return
    part, key = chance.choice(places)
    deep = json.loads("[" * 300 + "]" * 300)
    odd = [None, True, -1, 0, 5, 2**70, 1.5, 1e300, "", "../../x", "F64", "Infinity", [], {}, [3, 3], [2**40], deep]
    if chance.random() < 0.15:
        del part[key]
    else:
        part[key] = chance.choice(odd)


def reshape(kept, others: list, chance: random.Random):
    """Keep tensors of other shapes, types and names under the same description."""
    if kept.kind is None:
        reseal(kept, others, chance)
        return
    with files.loading(kept.file, kept.kind, cure="") as (said, tensors):
        pass
    name = chance.choice(list(tensors))
    old = tensors.pop(name)
    other = {
        "five": lambda: torch.zeros(*old.shape[:-1], 5),
        "one": lambda: torch.ones(1),
        "empty": lambda: torch.zeros(0),
        "double": lambda: old.double(),
        "integer": lambda: old.int(),
        "half": lambda: old.bfloat16(),
        "complex": lambda: old.to(torch.complex64),
        "transposed": lambda: old.flatten().unsqueeze(0),
        "more": lambda: torch.cat([old.reshape(-1), old.reshape(-1)]),
    }
    if how := chance.choice([*other, None]):
        tensors[name if chance.random() < 0.8 else "else"] = other[how]()
    files.save(kept.file, kept.kind, said, tensors)


PLAIN = (flip, flip, flip, cut, splice, swap, edit, no_file, bomb)
RESEALED = (reseal, reseal, reshape)
