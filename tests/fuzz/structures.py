"""Files of the right grammar and the wrong meaning, which damage to bytes would seldom reach."""

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

NAMES = [
    "data", "labels", "x_train", "y_test", "header", "v0", "train/cat/a.png", "val/dog/b.png",
    "../up", "/etc/passwd", "C:\\up", "a" * 300, "a\nb", "\x1b[31m", "", ".", "..", "<b>", "x" * 60,
    "a\x00b", "\udc80", "-rf", "test_batch", "data_batch_1", "labels.npy", "\u202e", "a/" * 200,
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 9, 10, 255, 256, 2**31 - 1, 2**31, 2**53, 2**60, 2**61 - 1, 2**63, -(2**63),
    10**30, 10**400,
]  # fmt: skip
_BOMB = zlib.compress(bytes(5 * 10**6))
FLOATS = [0.0, -0.0, 0.5, 1e-320, 1e308, -1e308, 1e22, float("inf"), float("nan")]


def json_value(random, depth=4):
    """A value as JSON has it, of kinds that nobody expects."""
    kind = random.randrange(9 if depth else 6)
    if kind < 2:
        return random.choice(NUMBERS)
    if kind == 2:
        return random.choice(FLOATS)
    if kind == 3:
        return random.choice(NAMES)
    if kind in (4, 5):
        return random.choice((None, True, False))
    if kind == 6:
        return [json_value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 7:
        return {
            random.choice(NAMES): json_value(random, depth - 1) for _ in range(random.randrange(4))
        }
    value = random.choice((1, "deep"))
    for _ in range(random.choice((10, 19, 20, 21, 400))):
        value = [value] if random.randrange(2) else {"a": value}
    return value


def changed_json(random, whole):
    """A valid object, a dict, with some of its fields changed, added or removed."""
    value = dict(whole)
    for _ in range(random.choice((1, 1, 2, 3))):
        key = random.choice([*value, *NAMES]) if random.randrange(6) else random.choice(NAMES)
        if random.randrange(5):
            value[key] = json_value(random)
        else:
            value.pop(key, None)
    if not random.randrange(20):
        return random.choice((b"[" * 10**5, b'{"a":' * 10**5, b"9" * 5000, b"[1e999]", b""))
    return json.dumps(value).encode()


def pickle_stream(random):
    """Instructions in an order that need not make sense; those that call and import among them."""
    text = [n.encode("utf-8", "surrogatepass")[:255] for n in NAMES]
    modules = [
        b"os\nsystem", b"builtins\neval", b"numpy.core.multiarray\n_reconstruct", b"numpy\nndarray",
        b"numpy\ndtype", b"_codecs\nencode", b"numpy._core.numeric\n_frombuffer", b"nt\nsystem",
    ]  # fmt: skip

    def short(word):
        return bytes([len(word)]) + word

    makers = [
        lambda: b"(", lambda: b"}", lambda: b"]", lambda: b")", lambda: b"N", lambda: b"0",
        lambda: b"\x85", lambda: b"\x86", lambda: b"\x87", lambda: b"t", lambda: b"l",
        lambda: b"d", lambda: b"s", lambda: b"u", lambda: b"a", lambda: b"e", lambda: b"R",
        lambda: b"b", lambda: b"o", lambda: b"\x81", lambda: b"\x92", lambda: b"\x93",
        lambda: b"Q", lambda: b"2", lambda: b"\x94", lambda: b"\x88", lambda: b"\x89",
        lambda: b"\x8f", lambda: b"\x90", lambda: b"\x91", lambda: b"\x97", lambda: b"\x98",
        lambda: b"c" + random.choice(modules) + b"\n",
        lambda: b"i" + random.choice(modules) + b"\n",
        lambda: b"K" + random.randbytes(1),
        lambda: b"J" + random.randbytes(4),
        lambda: b"\x8a" + short(random.randbytes(random.choice((1, 4, 8, 20)))),
        lambda: b"\x8b" + struct.pack("<I", random.choice((1, 2**31, 2**32 - 1))),
        lambda: b"I" + str(random.choice(NUMBERS)).encode() + b"\n",
        lambda: b"L" + str(random.choice(NUMBERS)).encode() + b"L\n",
        lambda: b"F1.5\n", lambda: b"G" + random.randbytes(8),
        lambda: b"S'" + random.choice((b"x", b"latin1", b"u1", b"\\x00")) + b"'\n",
        lambda: b"V" + random.choice((b"x", b"latin1", b"\\ud800")) + b"\n",
        lambda: b"U" + short(random.choice(text)),
        lambda: b"\x8c" + short(random.choice((*text, b"latin1", b"u1"))),
        lambda: b"C" + short(random.choice(text)),
        lambda: b"T" + struct.pack("<i", random.choice((0, 3, -1, 2**31 - 1))) + b"abc",
        lambda: b"X" + struct.pack("<I", random.choice((0, 3, 2**32 - 1))) + b"abc",
        lambda: b"\x8e" + struct.pack("<Q", random.choice((0, 3, 2**63))) + b"abc",
        lambda: b"\x96" + struct.pack("<Q", random.choice((0, 3, 2**63))) + b"abc",
        lambda: b"\x95" + struct.pack("<Q", random.choice((0, 9, 2**63))),
        lambda: b"q" + random.randbytes(1), lambda: b"h" + bytes([random.randrange(4)]),
        lambda: b"r" + struct.pack("<I", random.choice((0, 10**6, 2**31, 2**32 - 1))),
        lambda: b"p" + str(random.choice(NUMBERS)).encode() + b"\n",
        lambda: b"g" + str(random.choice(NUMBERS)).encode() + b"\n",
        lambda: b"P1\n", lambda: b"\x82\x01", lambda: b"\x84\xff\xff\xff\x7f",
        lambda: b"\x80" + bytes([random.randrange(7)]),
    ]  # fmt: skip
    count = random.choice((1, 3, 8, 20, 60, 2000))
    return b"".join(random.choice(makers)() for _ in range(count)) + b"."


def nested_pickle(random):
    """A pickle that Python itself wrote, of values that no batch holds."""
    value = json_value(random, 6)
    return pickle.dumps({"data": value, "labels": json_value(random)}, random.randrange(6))


def tar_archive(random, contents):
    """Members of every type, with names, sizes and extended headers that do not fit together."""
    pieces = []
    types = b"0" * 12 + b"\x00123456789xgLKSVDMNX"
    for _ in range(random.choice((1, 2, 5, 40))):
        member = tarfile.TarInfo(random.choice(NAMES)[:99])
        member.type = bytes([random.choice(types)])
        body = random.choice((b"", random.choice(contents), b"30 path=../up\n", b"9" * 600))
        member.size = random.choice((len(body), len(body), len(body), 0, 8**11 - 1, 10**6))
        member.linkname = random.choice(("", "/etc/passwd", "train/cat/a.png"))
        if not random.randrange(4):
            key = random.choice(("path", "size", "GNU.sparse.size", "GNU.sparse.map", "charset"))
            value = random.choice(("9" * 40, "../up", "0,0", "-1", "a\nb"))
            member.pax_headers = {key: value}
        form = random.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
        try:
            head = member.tobuf(form, errors="surrogateescape")
        except (ValueError, UnicodeError):
            continue
        pieces.append(head + body + bytes(-len(body) % 512))
    return b"".join(pieces) + bytes(random.choice((0, 512, 1024, 10240)))


def npy(random, shape=None, descr=None, body=None):
    """An array's file whose header lies."""
    numbers = [*NUMBERS[:16], 3, 4, 32]
    shape = shape or tuple(random.choice(numbers) for _ in range(random.randrange(5)))
    descr = descr or random.choice(
        (
            "|u1",
            "<i8",
            "<f4",
            "|O",
            "<U3",
            "|V8",
            "<M8[s]",
            "nonsense",
            "<U999999999",
            [("a", "|O")],
        )
    )
    header = repr({"descr": descr, "fortran_order": random.choice((False, True)), "shape": shape})
    if not random.randrange(8):
        header = random.choice(("(" * 9000, "[1]", "__import__('os')", "{1: 2}", " " * 20_000, "'"))
    text = header.encode() + b"\n"
    version = random.choice((1, 1, 2, 3, 9))
    length = random.choice((len(text), len(text), len(text), 0, 2**16 - 1))
    length = struct.pack("<H" if version == 1 else "<I", length)
    body = random.choice((b"", bytes(12), random.randbytes(96))) if body is None else body
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def npz(random, names):
    """A zip of such arrays, some of them twice, some not what the directory says."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for _ in range(random.choice((1, 2, 5))):
            name = random.choice((random.choice(names), random.choice(NAMES[:20]) or "x"))
            method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            info = zipfile.ZipInfo(name.encode("ascii", "ignore").decode() + ".npy")
            archive.writestr(info, npy(random), method)
    return buffer.getvalue()


def png(random):
    """Chunks with right checksums and wrong contents; bombs among them."""
    sizes = (0, 1, 4, 32, 33, 1024, 1024, 20_000, 2**31 - 1)
    chunks = [
        (b"IHDR", struct.pack(">2I5B", random.choice(sizes), random.choice(sizes),
                              random.choice((1, 8, 16, 3)), random.choice((0, 2, 3, 4, 6, 7)),
                              0, 0, random.choice((0, 1)))),
    ]  # fmt: skip
    bodies = [
        (b"IDAT", zlib.compress(bytes(random.choice((0, 100, 3105, 10**5))), 1)),
        (b"IDAT", random.randbytes(30)),
        (b"PLTE", random.randbytes(random.choice((3, 4, 768, 900)))),
        (b"tRNS", random.randbytes(random.choice((0, 2, 6, 300)))),
        (b"iCCP", b"a\x00\x00" + _BOMB),
        (b"zTXt", b"a\x00\x00" + _BOMB),
        (b"iTXt", b"a\x00\x01\x00\x00\x00" + _BOMB),
        (b"eXIf", b"II*\x00" + random.randbytes(40)),
        (b"acTL", struct.pack(">2I", random.choice((0, 1, 2**32 - 1)), 0)),
        (b"fcTL", random.randbytes(26)),
        (b"fdAT", random.randbytes(20)),
        (b"gAMA", random.randbytes(random.choice((0, 4)))),
        (b"pHYs", random.randbytes(random.choice((0, 9)))),
    ]
    chunks += random.choices(bodies, k=random.randrange(6))
    chunks += [(b"IDAT", zlib.compress(bytes(32 * 97))), (b"IEND", b"")][random.randrange(2) :]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        parts.append(struct.pack(">I", len(body)) + kind + body + checksum)
    return b"".join(parts)
