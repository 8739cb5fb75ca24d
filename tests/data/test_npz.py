""".npz files: read only after a check, written all or nothing."""

import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_twist.data.errors import DataError
from keras_twist.data.npz import read_npz, write_npz

ROOT = Path(__file__).parents[2]
ARRAYS = {
    "x": np.arange(600, dtype=np.int64).astype(np.uint8).reshape(10, 4, 5, 3),
    "y": np.arange(10),
}


def check(name, shape, dtype):
    if name not in ARRAYS or shape != ARRAYS[name].shape or dtype != ARRAYS[name].dtype:
        raise ValueError(f"{name} is {dtype} of shape {shape}")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, write_npz])
def test_round_trip(tmp_path, save):
    path = tmp_path / "set.npz"
    arrays = {**ARRAYS, "x": np.asfortranarray(ARRAYS["x"])}
    save(path, arrays) if save is write_npz else save(path, **arrays)
    loaded = read_npz(path, check)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        loaded[name][:] = 0  # Writable.


def test_writes_the_folder_too_and_clears_up_after_the_dead(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for name, age in ((".set.npz.1-00.partial.npz", 48), (".set.npz.2-00.partial.npz", 0)):
        (folder / name).touch()
        then = time.time() - age * 3600
        os.utime(folder / name, (then, then))
    write_npz(folder / "set.npz", ARRAYS)
    assert sorted(os.listdir(folder)) == [".set.npz.2-00.partial.npz", "set.npz"]


WRITE_UNTIL_FULL = """
import resource
import signal
from pathlib import Path

import numpy as np

from keras_twist.data.npz import write_npz

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_npz(Path(sys.argv[1]), {"x": np.zeros(5000)})
except OSError:
    sys.exit(7)
"""


def test_full_disk_leaves_the_older_file(tmp_path, forge):
    path = tmp_path / "set.npz"
    path.write_text("older")
    command = [sys.executable, "-c", forge.ALONE + WRITE_UNTIL_FULL, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (7, b"")
    assert path.read_text() == "older"
    assert os.listdir(tmp_path) == ["set.npz"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_refuses_other_contents(tmp_path, save):
    path = tmp_path / "set.npz"
    for name, array in (
        ("x", np.zeros((10, 4, 5, 3))),
        ("x", np.zeros((9, 4, 5, 3), np.uint8)),
        ("z", np.zeros(3)),
        ("y", np.array([{}] * 10)),
    ):
        save(path, **{name: array})
        with pytest.raises(
            DataError, match=f"{path} is truncated, damaged or of another kind: {name}"
        ):
            read_npz(path, check)


def _member(header, contents):
    text = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + contents


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no array",
        b"\x93NUMPY\x09\x00",
        _member({"descr": "|u1", "fortran_order": False, "shape": (10, 4, 5, 3)}, b"short"),
        _member({"descr": "|u1", "fortran_order": False, "shape": (10, 4, 5, 3)}, bytes(601)),
        _member({"descr": "|u1", "fortran_order": False, "shape": (10**12,)}, b""),
        _member({"descr": "|O", "fortran_order": False, "shape": (1,)}, pickle.dumps([print])),
        _member({"descr": "nonsense", "fortran_order": False, "shape": (1,)}, b""),
        _member("__import__('os').system('true')", b""),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_refuses_hostile_members(tmp_path, contents, method):
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", contents)
    with pytest.raises(DataError, match="truncated, damaged or of another kind"):
        read_npz(path, check)


def test_refuses_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", ""):
        with pytest.raises(DataError, match="missing or no file"):
            read_npz(tmp_path / name, check)


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "set.npz"
    write_npz(path, ARRAYS)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 9), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_npz(path, check)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "set.npz"
    write_npz(path, ARRAYS)
    return path.read_bytes()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(st.integers(0, 10**6), st.integers(0, 255), min_size=1, max_size=4))
def test_damage_raises_nothing_else(whole, tmp_path, changes):
    path = tmp_path / "set.npz"
    damaged = bytearray(whole)
    for position, value in changes.items():
        damaged[position % len(damaged)] = value
    path.write_bytes(damaged)
    try:
        read_npz(path, check)
    except DataError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_header_is_not_held_in_memory_whatever_its_length(tmp_path, method):
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        length = 48 * 2**20
        archive.writestr(
            "x.npy", b"\x93NUMPY\x02\x00" + length.to_bytes(4, "little") + b" " * length
        )
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="truncated, damaged or of another kind"):
            read_npz(path, lambda *_: None)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(-1,), (2**32, 2**32), (2**63, 0, 2**63)])
def test_refuses_shapes_that_multiply_to_something_else(tmp_path, shape):
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        archive.writestr("x.npy", _member(header, b""))
    with pytest.raises(DataError, match="impossible shape|has .* bytes, not|another kind"):
        read_npz(path, lambda *_: None)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_refuses_twins(tmp_path):
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            header = {"descr": "|u1", "fortran_order": False, "shape": (1,)}
            archive.writestr("x.npy", _member(header, b"1"))
    with pytest.raises(DataError, match="it holds 'x' twice"):
        read_npz(path, lambda *_: None)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, write_npz])
def test_checksums_find_a_damaged_array(tmp_path, save):
    path = tmp_path / "set.npz"
    save(path, ARRAYS) if save is write_npz else save(path, **ARRAYS)
    loaded = read_npz(path, check, checksums=True)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        loaded[name][:] = 0  # Writable.
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"NUMPY") + 200 if save is not np.savez_compressed else 200] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="truncated, damaged"):
        read_npz(path, check, checksums=True)
