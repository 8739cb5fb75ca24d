"""Damage to bytes: what disks, networks and people with bad intentions do to a file."""

import struct

# Sizes and counts where arithmetic goes wrong, in the widths that files write them.
_INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63]
_WORDS = [
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"NaN",
    b"../",
    b"\x00",
    b"\x1b[2J",
    b"<script>",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"(" * 200,
    b"[" * 2000,
    b"{}",
]


def mutate(random, contents, others=()):
    """A copy of `contents` with one to four damages; `others` are files to take pieces from."""
    data = bytearray(contents)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice(_DAMAGES)(random, data, others)
    return bytes(data)


def _place(random, data):
    return random.randrange(len(data) + 1)


def _flip_bit(random, data, _):
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set_byte(random, data, _):
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _cut(random, data, _):
    del data[_place(random, data) :]


def _remove(random, data, _):
    start = _place(random, data)
    del data[start : start + random.choice((1, 2, 8, 64, 512, 4096))]


def _insert(random, data, _):
    start = _place(random, data)
    data[start:start] = random.randbytes(random.choice((1, 2, 8, 64)))


def _repeat(random, data, _):
    start = _place(random, data)
    piece = data[start : start + random.choice((1, 4, 32, 512))]
    data[start:start] = piece * random.choice((1, 2, 50))


def _number(random, data, _):
    form = random.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    width = struct.calcsize(form)
    start = _place(random, data)
    value = random.choice(_INTERESTING) % 256**width
    data[start : start + width] = struct.pack(form, value)


def _word(random, data, _):
    start = _place(random, data)
    end = start + random.choice((0, 1, 2, 5))
    data[start:end] = random.choice(_WORDS)


def _splice(random, data, others):
    if others:
        other = random.choice(others)
        start, theirs = _place(random, data), random.randrange(len(other) + 1)
        length = random.choice((4, 64, 512, len(other)))
        data[start : start + random.choice((0, length))] = other[theirs : theirs + length]


_DAMAGES = (_flip_bit, _set_byte, _cut, _remove, _insert, _repeat, _number, _word, _splice)
