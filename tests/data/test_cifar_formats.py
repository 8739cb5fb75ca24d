"""Every published form gives the same four arrays; whatever is out of place is an error."""

import json
import os
import pickle
import sys

import numpy as np
import pytest

from keras_twist.data import cifar_formats
from keras_twist.data.cifar_formats import CifarSet, read_archive, read_folder, read_set
from keras_twist.data.errors import DataError

FORMS = ("python", "binary", "mirror")


def assert_same(arrays, tiny):
    assert arrays.keys() == tiny.arrays.keys()
    for name, array in tiny.arrays.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == np.uint8
        assert arrays[name].flags.c_contiguous and arrays[name].flags.writeable
    assert tiny.spec.differences(arrays) == []


@pytest.mark.parametrize("form", FORMS[:2])
def test_read_folder(tiny, forge, tmp_path, form):
    files = getattr(tiny, f"{form}_files")()
    files["batches.meta"] = b"not needed"
    assert_same(read_folder(forge.write_files(tmp_path / "set", files), tiny.spec), tiny)


@pytest.mark.parametrize("form", FORMS)
def test_read_archive(tiny, forge, tmp_path, form):
    path = tmp_path / "archive"
    path.write_bytes(getattr(tiny, f"{form}_archive")())
    assert_same(read_archive(path, tiny.spec), tiny)
    # Not packed by gzip, and in no folder.
    path.write_bytes(forge.tar_bytes(getattr(tiny, f"{form}_files")(), "w"))
    assert_same(read_archive(path, tiny.spec), tiny)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", [np.uint8, np.int32, np.int64, "column"])
def test_read_set(tiny, tmp_path, save, labels):
    arrays = dict(tiny.arrays)
    for name in ("y_train", "y_test"):
        arrays[name] = arrays[name][:, None] if labels == "column" else arrays[name].astype(labels)
    save(tmp_path / "set.npz", **arrays)
    assert_same(read_set(tmp_path / "set.npz", tiny.spec), tiny)


def test_differences_name_the_arrays(tiny):
    arrays = {name: array.copy() for name, array in tiny.arrays.items()}
    arrays["x_test"][-1, -1, -1, -1] ^= 1
    arrays["y_train"][0] ^= 1
    assert tiny.spec.differences(arrays) == ["y_train", "x_test"]


def test_published_set():
    cifar = CifarSet()
    assert cifar.batch_rows == 10_000
    assert len(cifar.digests) == 4
    assert cifar.archive_url.startswith("https://")


@pytest.mark.parametrize("form", FORMS)
def test_every_file_is_needed(tiny, forge, tmp_path, form):
    whole = getattr(tiny, f"{form}_files")()
    for name in whole:
        files = {key: contents for key, contents in whole.items() if key != name}
        path = tmp_path / "archive"
        path.write_bytes(forge.tar_bytes(files))
        with pytest.raises(DataError, match=f"{name.removesuffix('.bin')} of .*archive is missing"):
            read_archive(path, tiny.spec)
        if form != "mirror":
            folder = forge.write_files(tmp_path / name, files)
            with pytest.raises(DataError, match=f"{name} cannot be read: "):
                read_folder(folder, tiny.spec)


@pytest.mark.parametrize("form", FORMS)
def test_every_file_is_needed_whole(tiny, forge, tmp_path, form):
    whole = getattr(tiny, f"{form}_files")()
    path = tmp_path / "archive"
    for name, contents in whole.items():
        # Of the last 20 bytes of a PNG none is needed for its pixels.
        for size in (0, 1, len(contents) // 2, len(contents) - (200 if form == "mirror" else 20)):
            path.write_bytes(forge.tar_bytes({**whole, name: contents[:size]}))
            with pytest.raises(DataError, match=name.removesuffix(".bin")):
                read_archive(path, tiny.spec)
    if form == "binary":
        path.write_bytes(forge.tar_bytes({**whole, name: contents + b"1"}))
        with pytest.raises(DataError, match="has 12293 bytes, not 12292"):
            read_archive(path, tiny.spec)


PIXELS = np.zeros((4, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ({"data": PIXELS, "fine_labels": [1] * 4}, "holds no labels"),
        ({"labels": [1] * 4}, "holds no data"),
        ({"data": PIXELS[:3], "labels": [1] * 3}, r"data of shape \(3, 3072\), not \(4, 3072\)"),
        ({"data": PIXELS.reshape(4, 3, 32, 32), "labels": [1] * 4}, "data of shape"),
        ({"data": [[0] * 3072] * 4, "labels": [1] * 4}, "data of shape list"),
        ({"data": PIXELS.astype(float), "labels": [1] * 4}, "not uint8"),
        ({"data": PIXELS, "labels": [1] * 5}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": [1.0] * 4}, "truncated or damaged|not a CIFAR-10 pickle"),
        ({"data": PIXELS, "labels": ["1"] * 4}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": [[1]] * 4}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": [True] * 4}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": None}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": 4}, "does not hold 4 labels"),
        ({"data": PIXELS, "labels": [0, 1, 2, 10]}, "a label outside 0 to 9"),
        ({"data": PIXELS, "labels": [0, 1, 2, -1]}, "a label outside 0 to 9"),
        ({"data": PIXELS, "labels": [0, 1, 2, 10**30]}, "a label outside 0 to 9|not a CIFAR-10"),
        ({"data": PIXELS, "labels": [0, 1, 2, 2**70]}, "an enormous number"),
        ({"data": PIXELS, "labels": np.full(4, 10, np.uint8)}, "a label outside 0 to 9"),
    ],
)
def test_wrong_python_batches(tiny, forge, tmp_path, batch, reason):
    files = {**tiny.python_files(), "data_batch_3": pickle.dumps(batch, 2)}
    folder = forge.write_files(tmp_path / "set", files)
    with pytest.raises(DataError, match=f"data_batch_3 of .*set .*({reason})"):
        read_folder(folder, tiny.spec)


@pytest.mark.parametrize(
    "labels",
    [
        b"",
        b"{}",
        b"[1, 2",
        b"[1]",
        b'["1"]',
        json.dumps([10] * 20).encode(),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_wrong_labels_of_the_mirror(tiny, forge, tmp_path, labels):
    path = tmp_path / "archive"
    path.write_bytes(forge.tar_bytes({**tiny.mirror_files(), "train_lables.json": labels}))
    with pytest.raises(DataError, match="train_lables.json of "):
        read_archive(path, tiny.spec)


def test_wrong_label_in_the_binary_version(tiny, forge, tmp_path):
    files = tiny.binary_files()
    files["test_batch.bin"] = b"\x0a" + files["test_batch.bin"][1:]
    with pytest.raises(DataError, match="test_batch of .* a label outside 0 to 9"):
        read_folder(forge.write_files(tmp_path / "set", files), tiny.spec)


def test_wrong_sets(tiny, tmp_path):
    path = tmp_path / "set.npz"
    arrays = tiny.arrays
    for change, reason in (
        ({"x_train": arrays["x_train"][1:]}, "x_train is uint8 of shape"),
        ({"x_train": arrays["x_train"].astype(np.float32)}, "x_train is float32"),
        ({"y_test": arrays["y_test"].astype(float)}, "y_test is float64"),
        ({"y_test": arrays["y_test"].astype(int) - 10}, "a label outside 0 to 9"),
        ({"y_test": arrays["y_test"].astype(int) + 256}, "a label outside 0 to 9"),
        ({"extra": arrays["y_test"]}, "'extra', which CIFAR-10 has not"),
    ):
        np.savez(path, **{**arrays, **change})
        with pytest.raises(DataError, match=reason):
            read_set(path, tiny.spec)
    np.savez(path, **{name: array for name, array in arrays.items() if "test" not in name})
    with pytest.raises(DataError, match="holds no x_test and no y_test"):
        read_set(path, tiny.spec)


def test_two_sets_in_one_archive(tiny, forge, tmp_path):
    path = tmp_path / "archive"
    files = tiny.python_files()
    path.write_bytes(forge.tar_bytes({**files, "other/data_batch_1": b""}))
    with pytest.raises(DataError, match="holds data_batch_1 in more than one folder"):
        read_archive(path, tiny.spec)


def test_an_archive_of_something_else(tiny, forge, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(forge.tar_bytes({"readme": b"hello"}))
    with pytest.raises(DataError, match="data_batch_1 of .*archive is missing"):
        read_archive(path, tiny.spec)


def test_files_that_are_none(tiny, forge, tmp_path, monkeypatch):
    folder = forge.write_files(tmp_path / "set", tiny.python_files())
    (folder / "test_batch").unlink()
    os.mkfifo(folder / "test_batch")
    with pytest.raises(DataError, match="test_batch cannot be read: Not a regular file"):
        read_folder(folder, tiny.spec)
    # A file past the limit is refused by its size, not read to its end.
    monkeypatch.setattr(cifar_formats, "MAX_MEMBER_BYTES", 100)
    monkeypatch.setattr(cifar_formats, "_BATCHES", ("data_batch_1",))
    with pytest.raises(DataError, match="data_batch_1 cannot be read: Larger than 100"):
        read_folder(folder, tiny.spec)


def test_the_mirror_needs_pillow(tiny, tmp_path, monkeypatch):
    path = tmp_path / "archive"
    path.write_bytes(tiny.mirror_archive())
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match="Pillow"):
        read_archive(path, tiny.spec)
