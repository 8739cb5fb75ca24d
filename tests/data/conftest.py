"""A CIFAR-10 of 24 images in every form the real one comes in, and a machine that has none."""

import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile
import tempfile
import types

import numpy as np
import pytest

from keras_twist.data import cifar as cifar_module
from keras_twist.data import load_cifar10
from keras_twist.data.cifar_formats import CifarSet

ROWS = 4
# Code that imports the loader, from the repository's root, without the rest of the package, which
# brings Keras and its backend.
ALONE = """
import sys
import types

for name in ("keras_twist", "keras_twist.data"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [name.replace(".", "/")]

from keras_twist.data import cifar
"""
BATCHES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def python2_pickle(pixels, labels):
    """Writes, opcode by opcode, what Python 2's cPickle wrote for a batch of CIFAR-10."""
    shape = b"".join(b"J" + struct.pack("<i", size) for size in pixels.shape)
    raw = pixels.tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]",
            b"q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
            b"K\x00\x85q\x09U\x01b\x87Rq\x0a(K\x01" + shape + b"\x86",
            b"cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c(K\x03U\x01|NNN",
            b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", len(raw)) + raw,
            b"tbU\tfilenamesq\x0d](" + b"U\x05a.png" * len(labels) + b"eu.",
        ]
    )


class Tiny:
    """The set itself (`arrays`, `spec`) and writers for its forms."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.arrays = {}
        for part, rows in (("train", 5 * ROWS), ("test", ROWS)):
            self.arrays[f"x_{part}"] = rng.integers(0, 256, (rows, 32, 32, 3), np.uint8)
            self.arrays[f"y_{part}"] = rng.integers(0, 10, rows, np.uint8)
        self.pixels = np.concatenate([self.arrays["x_train"], self.arrays["x_test"]])
        self.labels = np.concatenate([self.arrays["y_train"], self.arrays["y_test"]])
        self.spec = CifarSet(
            batch_rows=ROWS,
            digests={k: hashlib.sha256(v).hexdigest() for k, v in self.arrays.items()},
            archive_url="http://127.0.0.1:1/cifar-10-python.tar.gz",
            archive_sha256=hashlib.sha256(self.python_archive()).hexdigest(),
            npm_sha256="0" * 64,
        )

    def batches(self):
        for index, name in enumerate(BATCHES):
            rows = slice(index * ROWS, (index + 1) * ROWS)
            planes = self.pixels[rows].transpose(0, 3, 1, 2).reshape(ROWS, 3072)
            yield name, planes, self.labels[rows]

    def python_files(self):
        return {name: python2_pickle(planes, labels) for name, planes, labels in self.batches()}

    def binary_files(self):
        return {
            f"{name}.bin": np.concatenate([labels[:, None], planes], axis=1).tobytes()
            for name, planes, labels in self.batches()
        }

    def mirror_files(self):
        image = pytest.importorskip("PIL.Image")
        files = {}
        for index, name in enumerate(BATCHES):
            sheet = self.pixels[index * ROWS : (index + 1) * ROWS].reshape(ROWS, 1024, 3)
            buffer = io.BytesIO()
            image.fromarray(sheet).save(buffer, "PNG")
            files[f"{name}.png"] = buffer.getvalue()
        for part in ("train", "test"):
            labels = json.dumps(self.arrays[f"y_{part}"].tolist())
            files[f"{part}_lables.json"] = labels.encode()
        return files

    def python_archive(self):
        return tar_bytes({f"cifar-10-batches-py/{k}": v for k, v in self.python_files().items()})

    def binary_archive(self):
        return tar_bytes({f"cifar-10-batches-bin/{k}": v for k, v in self.binary_files().items()})

    def mirror_archive(self):
        return tar_bytes({f"package/{k}": v for k, v in self.mirror_files().items()})

    def tree(self, root, suffix, names=None, **options):
        image = pytest.importorskip("PIL.Image")
        names = names or cifar_module.CIFAR10_CLASSES
        for part, first in (("train", 0), ("test", 10)):
            for index in range(len(names)):
                folder = root / part / names[index]
                folder.mkdir(parents=True)
                picture = image.fromarray(self.pixels[first + index])
                picture.save(folder / f"0001{suffix}", **options)
        return root


def tar_bytes(files, mode="w:gz"):
    """Packs a dict of names and contents; a `TarInfo` as contents is added as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, contents in files.items():
            if isinstance(contents, tarfile.TarInfo):
                archive.addfile(contents)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    packed = buffer.getvalue()
    # No time of day in it: the same files give the same digest.
    return gzip.compress(packed, 1, mtime=0) if mode == "w:gz" else packed


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    return folder


def fake_npm(bin_folder, body):
    """Puts an `npm` on the PATH: Python code that finds its arguments in `arguments`."""
    npm = bin_folder / "npm"
    npm.write_text(
        f"#!{sys.executable} -SE\nimport shutil, sys, time\n"
        "arguments = sys.argv[1:]\n"
        "target = [a.split('=', 1)[1] for a in arguments if a.startswith('--pack-dest')][0]\n"
        + body
    )
    npm.chmod(0o755)


def assert_loads(tiny, data_dir=None):
    (x_train, y_train), (x_test, y_test) = load_cifar10(data_dir)
    for name, array in (("x_train", x_train), ("x_test", x_test)):
        np.testing.assert_array_equal(array, tiny.arrays[name])
        assert array.dtype == np.uint8
    for name, array in (("y_train", y_train), ("y_test", y_test)):
        np.testing.assert_array_equal(array, tiny.arrays[name])
        assert array.dtype == np.int64 and array.ndim == 1


def put(tiny, folder, form):
    """Writes one form of the set into a folder and returns what a user would name."""
    folder.mkdir(parents=True, exist_ok=True)
    kind, _, name = form.partition(" ")
    if name.endswith(".npz"):
        (folder / name).parent.mkdir(exist_ok=True)
        np.savez(folder / name, **tiny.arrays)
    elif "." in name or name.endswith("_archive"):
        (folder / name).write_bytes(getattr(tiny, f"{kind}_archive")())
    else:
        write_files(folder / name, getattr(tiny, f"{kind}_files")())
    return folder / name


@pytest.fixture(scope="session")
def _tiny():
    return Tiny()


@pytest.fixture
def tiny(_tiny, monkeypatch, tmp_path):
    """The tiny set takes the real one's place, on a machine with no data, network or npm."""
    monkeypatch.setattr(cifar_module, "_PUBLISHED", _tiny.spec)
    for name in ("home", "bin", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield _tiny
    # Whatever happened: neither temporary folders nor half-written files stay behind.
    assert os.listdir(tmp_path / "tmp") == []
    assert list((tmp_path / "home").rglob("*.partial*")) == []


@pytest.fixture(scope="session")
def forge():
    """The helpers above, which tests cannot import from here."""
    return types.SimpleNamespace(
        ALONE=ALONE,
        Tiny=Tiny,
        assert_loads=assert_loads,
        fake_npm=fake_npm,
        put=put,
        python2_pickle=python2_pickle,
        tar_bytes=tar_bytes,
        write_files=write_files,
    )
