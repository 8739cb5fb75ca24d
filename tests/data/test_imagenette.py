"""load_imagewoof and load_imagenette: the source that is used, and what is said without one."""

import contextlib
import dataclasses
import errno
import hashlib
import io
import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest

from keras_twist.data import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    IMAGENETTE_CLASSES,
    IMAGEWOOF_CLASSES,
    DataError,
    imagenette,
    load_imagenette,
    load_imagewoof,
    normalize,
)
from keras_twist.data.checks import check_scale

from .hosts import Handler, serving

Image = pytest.importorskip("PIL.Image", reason="Pillow decodes and writes the pictures")
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "imagewoof2-160.tgz"
SIZES = {"image_size": 8, "stored_size": 10}


def files(classes=IMAGEWOOF_CLASSES, first=0):
    made = {}
    for number, name in enumerate(classes):
        for part in ("train", "val"):
            buffer = io.BytesIO()
            value = first + 20 * number + (part == "val")
            Image.new("RGB", (9, 6), (value, 0, 0)).save(buffer, "PNG")
            made[f"{part}/{name}/{number}.JPEG"] = buffer.getvalue()
    return made


def write(root, contents):
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine with no data and no network, where ten pictures are the whole set."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    for name in ("IMAGEWOOF", "IMAGENETTE"):
        small = dataclasses.replace(
            getattr(imagenette, name), counts=(10, 10), host="http://127.0.0.1:1/"
        )
        monkeypatch.setattr(imagenette, name, small)
    return tmp_path / "home" / "datasets"


def archive(forge, name="imagewoof2-160", **options):
    return forge.tar_bytes({f"{name}/{key}": value for key, value in files(**options).items()})


def first_red(data_dir=None, load=load_imagewoof, **options):
    train, valid = load(data_dir, **SIZES | options)
    assert train.labels.tolist() == valid.labels.tolist() == list(range(10))
    np.testing.assert_array_equal(np.diff(train.images[:, 0, 0, 0].astype(int)), 20)
    np.testing.assert_array_equal(valid.images[:, 0, 0], train.images[:, 0, 0] + [[1, 0, 0]])
    assert (train.aspects == 1.5).all()
    return int(train.images[0, 0, 0, 0])


@pytest.mark.parametrize("form", ["folder", "itself", "archive", "archive itself", "unpacked"])
def test_data_dir(tmp_path, forge, form, caplog):
    path = data_dir = tmp_path / "data"
    if "archive" in form:
        path.mkdir()
        (path / "imagewoof2-160.tgz").write_bytes(archive(forge))
        data_dir = path / "imagewoof2-160.tgz" if "itself" in form else path
    else:
        write(path / "imagewoof2-160", files())
        data_dir = path / "imagewoof2-160" if form == "itself" else str(path)
    assert first_red(data_dir) == 0
    assert not caplog.records
    train, _ = load_imagewoof(data_dir, **SIZES)
    assert train.class_names == tuple(IMAGEWOOF_CLASSES.values())
    assert train.class_names[0] == "Shih-Tzu" and train.class_names[9] == "dingo"


def test_editions(tmp_path):
    for first, name in ((1, "imagewoof2-160"), (2, "imagewoof2-320"), (3, "imagewoof2")):
        write(tmp_path / "data" / name, files(first=first))
    assert first_red(tmp_path / "data") == 1
    assert first_red(tmp_path / "data", image_size=128) == 1
    assert first_red(tmp_path / "data", image_size=192) == 2
    assert first_red(tmp_path / "data", image_size=256) == 2
    assert first_red(tmp_path / "data", image_size=300) == 3
    assert first_red(tmp_path / "data", edition="320") == 2
    assert first_red(tmp_path / "data", edition="full") == 3
    # What there is will do, unless one was asked for.
    (tmp_path / "data" / "imagewoof2-160").rename(tmp_path / "gone")
    assert first_red(tmp_path / "data") == 2
    with pytest.raises(DataError, match="holds no ImageWoof.*imagewoof2-160.tgz"):
        load_imagewoof(tmp_path / "data", edition="160")
    for root in (tmp_path / "data/imagewoof2-320", tmp_path / "data/imagewoof2"):
        assert first_red(root) in (2, 3)
        with pytest.raises(DataError, match="is another edition of ImageWoof.*edition='160'"):
            load_imagewoof(root, edition="160")
    assert first_red(tmp_path / "data/imagewoof2-320", edition="320") == 2
    with pytest.raises(ValueError, match="`edition`.*'160', '320', 'full'.*160"):
        load_imagewoof(tmp_path / "data", edition=160)


@pytest.mark.parametrize("where", ["keras_twist", "."])
def test_the_keras_home(home, forge, where):
    (home / where).mkdir(parents=True)
    (home / where / "imagewoof2-160.tgz").write_bytes(archive(forge))
    assert first_red() == 0


def test_imagenette(tmp_path, home):
    write(tmp_path / "data" / "imagenette2-160", files(IMAGENETTE_CLASSES))
    assert first_red(tmp_path / "data", load_imagenette) == 0
    train, _ = load_imagenette(tmp_path / "data", **SIZES)
    assert train.class_names[0] == "tench" and train.class_names[9] == "parachute"
    for path in list(home.rglob("*.index")):
        path.unlink()
    # Before anything is decoded, and after it, when it is in the cache.
    with pytest.raises(DataError, match="does not hold ImageWoof"):
        load_imagewoof(tmp_path / "data" / "imagenette2-160", **SIZES)
    assert not list(home.rglob("*.index"))
    load_imagenette(tmp_path / "data", **SIZES)
    with pytest.raises(DataError, match="does not hold ImageWoof.*n01440764.*not with n02086240"):
        load_imagewoof(tmp_path / "data" / "imagenette2-160", **SIZES)


def test_another_number_of_pictures_is_said(tmp_path, monkeypatch, caplog):
    small = dataclasses.replace(imagenette.IMAGEWOOF, counts=(9025, 3929))
    monkeypatch.setattr(imagenette, "IMAGEWOOF", small)
    write(tmp_path / "data" / "imagewoof2-160", files())
    first_red(tmp_path / "data")
    assert "holds 10 and 10 pictures; the published ImageWoof has 9025 and 3929" in caplog.text


def test_no_source_says_what_to_do(home):
    for load, name in ((load_imagewoof, "imagewoof2"), (load_imagenette, "imagenette2")):
        with pytest.raises(DataError, match=f"Get http.*{name}-160.tgz.*--data_dir") as caught:
            load()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data_dir", ["gone", "~nobody-of-this-name/x", "empty"])
def test_bad_data_dirs(tmp_path, monkeypatch, data_dir):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(DataError, match="existing folder or file|cannot be read|holds no ImageW"):
        load_imagewoof(data_dir)


def test_a_home_that_cannot_be_written(home):
    home.parent.write_bytes(b"")
    with pytest.raises(DataError, match="download failed.*Get http"):
        load_imagewoof()


def test_a_home_that_may_not_be_searched(monkeypatch):
    """Up to Python 3.13, `Path.is_dir` raises where `os.path.isdir` says no."""

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", refuse)
    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match="download failed.*Get http"):
        load_imagewoof()


@pytest.mark.parametrize(
    "bad",
    [
        {"image_size": "128"},
        {"image_size": 0},
        {"stored_size": 0},
        {"valid_scale": 0.5},
        {"on_error": "ignore"},
    ],
)
def test_bad_arguments_are_named_before_anything_is_fetched(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"`{name}`.*{value!r}") as caught:
        load_imagewoof(**bad)
    assert not isinstance(caught.value, DataError)


@pytest.mark.parametrize("load", [load_imagewoof, load_imagenette])
def test_damaged_pictures_end_it_or_are_left_out_by_choice(load, tmp_path, caplog):
    edition, classes = {
        load_imagewoof: ("imagewoof2-160", IMAGEWOOF_CLASSES),
        load_imagenette: ("imagenette2-160", IMAGENETTE_CLASSES),
    }[load]
    root = write(tmp_path / edition, files(classes))
    spoilt = f"train/{list(classes)[3]}/3.JPEG"
    write(root, {spoilt: b"", spoilt.replace("3.", "good."): files()["train/n02086240/0.JPEG"]})
    with pytest.raises(DataError, match=f"1 of 11 pictures.*{spoilt}.*on_error='skip'"):
        load(root, **SIZES)
    train, _ = load(root, **SIZES, on_error="skip")
    assert train.labels.tolist() == list(range(10)) and spoilt not in train.paths
    assert "1 pictures of the train set" in caplog.text and spoilt in caplog.text


@contextlib.contextmanager
def publishing(contents, known, monkeypatch):
    """A host that sends these bytes, in place of the one that published ImageWoof."""
    visits = []

    class Sender(Handler):
        def do_GET(self):
            visits.append(self.path)
            self.send_contents(contents)

    with serving(Sender) as host:
        md5 = {"160": (hashlib.md5(known).hexdigest(),)}
        published = dataclasses.replace(imagenette.IMAGEWOOF, host=host.url, md5=md5)
        monkeypatch.setattr(imagenette, "IMAGEWOOF", published)
        yield visits


def test_a_page_in_place_of_the_archive_is_not_kept(home, forge, monkeypatch):
    page = b"<html>Sign in to this network</html>" * 100
    with publishing(page, archive(forge), monkeypatch):
        with pytest.raises(DataError, match="download failed: .*tgz sent something else: Archive"):
            load_imagewoof()
    assert os.listdir(home / "keras_twist") == []


def test_download(home, forge, monkeypatch, caplog):
    contents = archive(forge)
    with publishing(contents, contents, monkeypatch) as visits:
        with caplog.at_level(logging.INFO, "keras_twist.data"):
            assert first_red() == first_red() == 0
    assert visits == ["/imagewoof2-160.tgz"]
    assert os.listdir(home / "keras_twist") != []
    assert "Downloading http" in caplog.text
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


def test_names():
    for names in (IMAGEWOOF_CLASSES, IMAGENETTE_CLASSES):
        assert len(set(names.values())) == 10
        assert list(names) == sorted(names) and all(len(n) == 9 and n[0] == "n" for n in names)
    for published in (imagenette.IMAGEWOOF, imagenette.IMAGENETTE):
        assert all(len(digest) == 32 for many in published.md5.values() for digest in many)


@pytest.mark.real_data
def test_the_real_set(monkeypatch):
    """What is in the cache: decoding all of it would take half a minute."""
    monkeypatch.undo()  # the real home and counts
    folder = imagenette.keras_home() / "datasets" / "keras_twist" / "image_folders"
    if not SHARED.exists() or not list(
        folder.glob("imagewoof2-160.tgz-*/valid-128-213-1.14.index")
    ):
        pytest.skip("ImageWoof is not there, or not in the cache")
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        train, valid = load_imagewoof(SHARED, image_size=128)
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 3
    for split in (train, valid):  # No false alarm, which would be an error here.
        check_scale(split.images, (normalize(IMAGENET_MEAN, IMAGENET_STD),))
    assert train.images.shape == (9025, 213, 213, 3) and valid.images.shape == (3929, 128, 128, 3)
    counts = [409, 408, 418, 224, 401, 407, 401, 422, 429, 410]
    assert np.bincount(valid.labels).tolist() == counts
    assert np.bincount(train.labels)[[0, 3, 9]].tolist() == [941, 580, 940]
    assert 0.2 < train.aspects.min() < 0.6 and 1.25 < np.median(train.aspects) < 1.4
    assert abs(train.images[::50].mean() - 113) < 5
