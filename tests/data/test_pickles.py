"""The unpickler: what CIFAR-10 needs and nothing else."""

import collections
import os
import pickle
import subprocess
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist.data import pickles
from keras_twist.data.errors import DataError
from keras_twist.data.pickles import load_arrays

PIXELS = np.arange(2 * 3072, dtype=np.int64).astype(np.uint8).reshape(2, 3072)
LABELS = [6, 9]


def test_reads_what_python_2_wrote(forge):
    batch = load_arrays(forge.python2_pickle(PIXELS, LABELS))
    assert sorted(batch) == ["batch_label", "data", "filenames", "labels"]
    assert batch["labels"] == LABELS
    assert batch["filenames"] == [b"a.png", b"a.png"]
    assert batch["batch_label"] == b"training batch 1 of 5"
    np.testing.assert_array_equal(batch["data"], PIXELS)


def test_the_python_2_stream_is_one_that_pickle_reads_alike(forge):
    # The reference: what NumPy itself makes of the same bytes.
    batch = pickle.loads(forge.python2_pickle(PIXELS, LABELS), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], PIXELS)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_every_protocol(protocol, order):
    pixels = np.array(PIXELS, order=order)
    data = pickle.dumps({"data": pixels, "labels": LABELS, b"label": "x"}, protocol)
    batch = load_arrays(data)
    np.testing.assert_array_equal(batch["data"], PIXELS)
    assert batch["data"].dtype == np.uint8
    assert batch["labels"] == LABELS


@pytest.mark.parametrize("name", ["numpy.core", "numpy._core"])
def test_reads_both_names_of_numpys_core(name):
    data = pickle.dumps({"data": PIXELS}, 2)
    for other in (b"numpy.core", b"numpy._core"):
        data = data.replace(other, name.encode())
    np.testing.assert_array_equal(load_arrays(data)["data"], PIXELS)


class Runs:
    """Pickles into a call of anything."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "attack",
    [
        lambda path: Runs(os.system, f"touch {path}"),
        lambda path: Runs(subprocess.check_call, ["touch", path]),
        lambda path: Runs(eval, f"open({path!r}, 'w')"),
        lambda path: Runs(exec, f"open({path!r}, 'w')"),
        lambda path: Runs(open, path, "w"),
        lambda path: Runs(getattr, "", "join"),
        lambda path: Runs(np.load, path),
        lambda path: Runs(np.memmap, path, "uint8", "w+", 0, (8,)),
        lambda path: Runs(collections.OrderedDict),
        lambda path: Runs(__import__, "antigravity"),
        lambda path: np.float64(1),
        lambda path: np.arange(2),
        lambda path: np.array([None, Runs(open, path, "w")]),
        lambda path: DataError("instance"),
    ],
)
def test_refuses_everything_else_that_pickles(tmp_path, attack, protocol):
    path = str(tmp_path / "trace")
    with pytest.raises(DataError, match="^batch is"):
        load_arrays(pickle.dumps({"data": attack(path)}, protocol), "batch")
    assert os.listdir(tmp_path) == []


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"


@pytest.mark.parametrize(
    "stream",
    {
        "GLOBAL": b"cos\nsystem\n(S'true'\ntR.",
        "INST": b"(S'true'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'true'\no.",
        "NEWOBJ": b"\x80\x02cos\nsystem\nU\x04true\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04cos\nsystem\n)}\x92.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__class__\x93.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "PERSID": b"Pid\n.",
        "BINPERSID": b"U\x02idQ.",
        "BUILD on a name": NDARRAY + b"}b.",
        "BUILD with slots on a name": b"(dp0\n" + NDARRAY + b"(N}S'_call'\nI1\nstb.",
        "call of ndarray": NDARRAY + b"(I9\ntR.",
        "array not filled": b"}S'data'\n" + RECONSTRUCT + b"(tRs.",
        "array filled twice with junk": RECONSTRUCT + b"(tRI1\nb.",
        "huge dtype": b"cnumpy\ndtype\n(S'V2147483647'\ntR.",
        "object dtype": b"cnumpy\ndtype\n(S'O'\ntR.",
        "encode to a codec": b"c_codecs\nencode\n(S'x'\nS'zip'\ntR.",
        "memo bomb": b"}r\xff\xff\xff\x7f.",
        "text memo bomb": b"}p2000000000\n.",
        "string longer than memory": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "negative length": b"T\xff\xff\xff\xff.",
        "frame past the end": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",
        "future protocol": b"\x80\x63}.",
        "endless number": b"L" + b"9" * 100_000 + b"L\n.",
        "deep key": b"}" + b")" + b"\x85" * 500_000 + b"Ns.",
        "nothing": b"",
        "no STOP": b"}",
        "a list": b"].",
        "key that is no text": b"}K\x01K\x02s.",
        "key that is not ASCII": b"}U\x01\xffK\x02s.",
        "unhashable key": b"}]K\x02s.",
    }.items(),
    ids=lambda stream: stream[0],
)
def test_refuses_hostile_streams(stream):
    with pytest.raises(DataError) as caught:
        load_arrays(stream[1])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def _keys(count):
    """So many texts, as a pickle has them."""
    return [b"X\x04\x00\x00\x00" + b"%04d" % number for number in range(count)]


# 10,000 bytes as Python 3 writes them in protocol 2: a text, kept as number 1.
_TEXT = b"X\x20\x4e\x00\x00" + b"\xc3\xbf" * 10_000 + b"q\x01"
_ENCODE = b"c_codecs\nencode\nq\x02h\x01X\x06\x00\x00\x00latin1\x86q\x03R"
_UINT8 = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R"
_ARRAY_OF_TEXT = b"".join(
    [RECONSTRUCT, b")R(K\x01J\x10\x27\x00\x00\x85", _UINT8, b"\x89", _TEXT, b"tbq\x05"]
)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        # Each key brings the same text, encoded anew.
        (
            b"\x80\x02}(" + _keys(1)[0] + _TEXT + _keys(2)[1] + _ENCODE
            + b"".join(key + b"h\x02h\x03R" for key in _keys(90)[2:]) + b"u.",
            "more bytes than it has",
        ),
        # The same array under each key, encoded when it becomes one of NumPy's.
        (
            b"\x80\x02}(" + _keys(1)[0] + _ARRAY_OF_TEXT
            + b"".join(key + b"h\x05" for key in _keys(400)[1:]) + b"u.",
            "an array without contents",
        ),
        # All have the hash 0, and each is compared with all before it.
        (
            b"\x80\x02}("
            + b"".join(pickle.dumps(n * (2**61 - 1), 2)[2:-1] + b"N" for n in range(1, 400))
            + b"u.",
            "an enormous number",
        ),
        (b"}(I" + str(2**61 - 1).encode() + b"\nNu.", "an enormous number"),
        (b"}(L-" + str(2**61 - 1).encode() + b"L\nNu.", "an enormous number"),
    ],
    ids=["text encoded again", "array of text", "colliding keys", "INT", "LONG"],
)  # fmt: skip
def test_refuses_what_would_fill_the_memory_or_never_end(stream, message):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            load_arrays(stream)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "state",
    [
        (1, (2, 5), np.dtype("u1"), False, b"123456789"),
        (1, (-1, -9), np.dtype("u1"), False, b"123456789"),
        (1, (3.0, 3), np.dtype("u1"), False, b"123456789"),
        (1, [3, 3], np.dtype("u1"), False, b"123456789"),
        (1, (1,) * 5, np.dtype("u1"), False, b"1"),
        (1, (10**30, 0), np.dtype("u1"), False, b"1"),
        (1, (9,), "u1", False, b"123456789"),
        (1, (9,), np.dtype("u1"), False, None),
        (1, (9,), np.dtype("u1")),
        {"shape": (9,)},
    ],
)
def test_refuses_arrays_that_contradict_themselves(state):
    class Array:
        def __reduce__(self):
            return np.empty(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state

    with pytest.raises(DataError):
        load_arrays(pickle.dumps({"data": Array()}, 2))


def test_one_attack_does_not_change_the_next_load(forge):
    for name in (NDARRAY, RECONSTRUCT, b"cnumpy\ndtype\n", b"c_codecs\nencode\n"):
        with pytest.raises(DataError):
            load_arrays(name + b"}S'_call'\nI1\nsb.")
    test_reads_what_python_2_wrote(forge)


def test_size_limit(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_PICKLE_BYTES", 100)
    with pytest.raises(DataError, match="at most 100 are read"):
        load_arrays(pickle.dumps({"data": PIXELS[:, :300]}, 4))


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 10**6), changes=st.dictionaries(st.integers(0, 400), st.integers(0, 255)))
def test_damage_raises_nothing_else(forge, cut, changes):
    data = bytearray(forge.python2_pickle(PIXELS[:, :40], LABELS))
    for position, value in changes.items():
        data[position % len(data)] = value
    del data[len(data) - cut % len(data) :]
    try:
        load_arrays(bytes(data))
    except DataError as error:
        assert "\n" not in str(error)


def test_every_truncation_is_found(forge):
    data = forge.python2_pickle(PIXELS[:, :40], LABELS)
    for size in range(len(data)):
        with pytest.raises(DataError):
            load_arrays(data[:size])
