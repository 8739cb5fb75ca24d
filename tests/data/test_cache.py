"""Where the cache is, and what happens when it cannot be."""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from keras_twist.data import cache
from keras_twist.data.cache import cache_path, keras_folders, keras_home, read_cache, store
from keras_twist.data.errors import DataError, MissingFile


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_home() == tmp_path
    assert cache_path() == tmp_path / "datasets" / "keras_twist" / "cifar10.npz"
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("KERAS_HOME", "~/keras")
    assert keras_home() == Path("/home/somebody/keras")
    for unset in (
        lambda: monkeypatch.setenv("KERAS_HOME", ""),
        lambda: monkeypatch.delenv("KERAS_HOME"),
    ):
        unset()
        assert keras_home() == Path("/home/somebody/.keras")


def test_user_without_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "expanduser", fail)
    assert keras_home() == tmp_path / ".keras"


def test_keras_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Keras goes to the temporary folder when its home cannot be written.
    assert keras_folders() == [tmp_path / "home" / "datasets", tmp_path / ".keras" / "datasets"]
    (tmp_path / "home").mkdir()
    assert keras_folders() == [tmp_path / "home" / "datasets"]


def test_store_and_read(tiny):
    with pytest.raises(DataError, match="not there"):
        read_cache(tiny.spec)
    store(tiny.arrays)
    for name, array in read_cache(tiny.spec).items():
        np.testing.assert_array_equal(array, tiny.arrays[name])
    assert os.listdir(cache_path().parent) == ["cifar10.npz"]


def test_no_copy_is_told_from_one_that_is_no_file(tiny, monkeypatch, tmp_path):
    with pytest.raises(MissingFile):
        read_cache(tiny.spec)
    cache_path().mkdir(parents=True)
    with pytest.raises(DataError, match="is missing or no file") as caught:
        read_cache(tiny.spec)
    assert not isinstance(caught.value, MissingFile)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(MissingFile):
        read_cache(tiny.spec)


def test_a_home_that_cannot_be_written_is_one_log_line(tiny, monkeypatch, tmp_path, caplog):
    # A file where the folder should be: unwritable for every user, root included.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store(tiny.arrays)
    (line,) = caplog.messages
    assert line == f"CIFAR-10 is not cached: {cache_path()}: Not a directory"
