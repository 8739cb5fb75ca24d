"""load_image_folder: what is found and in which order, the cache, and every kind of bad input."""

import contextlib
import errno
import io
import logging
import os
import socket
import subprocess
import sys
import tarfile
import time
import types
from pathlib import Path

import numpy as np
import pytest

from keras_twist.data import (
    DataError,
    image_cache,
    image_folder,
    image_sources,
    image_workers,
    load_image_folder,
)
from keras_twist.data.image_sources import Entry

Image = pytest.importorskip("PIL.Image", reason="Pillow decodes and writes the pictures")
ROOT = Path(__file__).parents[2]
SIZES = {"image_size": 8, "stored_size": 10}


def picture(seed, size=(12, 12), form="PNG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype("uint8")
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def write(root, files):
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    return root


def files(valid="val"):
    return {
        "train/cat/b.png": picture(0),
        "train/cat/a.jpg": picture(1, (24, 12), "JPEG"),
        "train/cat/deep/er/c.webp": picture(2, (12, 24), "WEBP"),
        "train/dog/1.png": picture(3),
        f"{valid}/cat/x.png": picture(4),
        f"{valid}/dog/y.png": picture(5, (20, 10)),
    }


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.fixture
def tree(tmp_path):
    return write(tmp_path / "pictures", files())


@pytest.fixture
def decoded(monkeypatch):
    """How many pictures were decoded."""
    count = []
    real = image_workers._decode_one
    monkeypatch.setattr(
        image_workers, "_decode_one", lambda *args: count.append(1) or real(*args), raising=True
    )
    return count


def cached(home, pattern):
    (path,) = home.rglob(pattern)
    return path


def same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.aspects, other.aspects)
        assert one.class_names == other.class_names


def test_a_subset_keeps_what_belongs_together(tree):
    train, _ = load_image_folder(tree, **SIZES)
    for positions in (slice(1, None, 2), [3, 1], train.labels == 1):
        chosen = np.arange(4)[positions]
        part = train.subset(positions)
        np.testing.assert_array_equal(part.images, train.images[chosen])
        np.testing.assert_array_equal(part.labels, train.labels[chosen])
        np.testing.assert_array_equal(part.aspects, train.aspects[chosen])
        assert part.paths == tuple(train.paths[number] for number in chosen)
        assert len(part) == len(chosen) and part.class_names == train.class_names


def test_what_is_returned(tree):
    train, valid = load_image_folder(tree, **SIZES)
    assert train.paths == (
        "train/cat/a.jpg",
        "train/cat/b.png",
        "train/cat/deep/er/c.webp",
        "train/dog/1.png",
    )
    assert valid.paths == ("val/cat/x.png", "val/dog/y.png")
    assert train.class_names == valid.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 0, 1] and valid.labels.tolist() == [0, 1]
    assert train.labels.dtype == np.int64
    assert train.aspects.tolist() == [2, 1, 0.5, 1] and valid.aspects.tolist() == [1, 2]
    assert train.aspects.dtype == np.float32
    assert len(train) == 4 and len(valid) == 2
    for split, side in ((train, 10), (valid, 8)):
        assert split.images.shape == (len(split), side, side, 3)
        assert split.images.dtype == np.uint8 and isinstance(split.images, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0
    assert "array" not in repr(train) and "cat" in repr(train)
    original = Image.open(tree / "train/dog/1.png").resize((10, 10), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(train.images[3], np.asarray(original))


def test_default_sizes(tree):
    train, valid = load_image_folder(tree)
    assert train.images.shape[1:] == (213, 213, 3) and valid.images.shape[1:] == (128, 128, 3)


def test_the_original_of_its_stored_size_is_kept_bit_for_bit(tree):
    train, valid = load_image_folder(tree, image_size=12, stored_size=12, valid_scale=1)
    for split, index, name in ((train, 3, "train/dog/1.png"), (valid, 0, "val/cat/x.png")):
        np.testing.assert_array_equal(split.images[index], np.asarray(Image.open(tree / name)))


@pytest.mark.parametrize("name", ["valid", "validation", "test"])
def test_other_names_of_the_validation_set(tmp_path, name):
    root = write(tmp_path / "set", files(name))
    assert load_image_folder(root, **SIZES)[1].paths[0] == f"{name}/cat/x.png"
    write(root, files("val"))
    assert load_image_folder(root, **SIZES)[1].paths[0] == "val/cat/x.png"


def test_content_and_not_the_name_decides(tree):
    write(
        tree,
        {
            "train/cat/png.JPEG": picture(6),
            "train/cat/no_suffix": picture(7, form="JPEG"),
            "train/cat/notes.txt": b"not a picture",
            "train/cat/empty": b"",
            "train/labels.csv": b"not in a class",
            "train/.DS_Store": b"\x00",
            "train/cat/.DS_Store": b"\x00",
            "train/cat/._a.jpg": b"\x00",
            "train/.hidden/a.jpg": b"\x00",
            "README.md": b"outside",
        },
    )
    (tree / "train/cat/pipe").unlink(missing_ok=True)
    os.mkfifo(tree / "train/cat/pipe.png")  # opening it would wait for ever
    train, _ = load_image_folder(tree, **SIZES)
    assert [Path(path).name for path in train.paths[:5]] == [
        "a.jpg",
        "b.png",
        "c.webp",
        "no_suffix",
        "png.JPEG",
    ]


def test_links_are_followed_and_loops_are_not(tree, tmp_path):
    write(tmp_path / "elsewhere", {"z.png": picture(8)})
    (tree / "train/dog/link").symlink_to(tmp_path / "elsewhere")
    (tree / "train/dog/again").symlink_to(tmp_path / "elsewhere")
    (tree / "train/dog/loop").symlink_to(tree / "train/dog")
    (tree / "train/dog/up").symlink_to(tree / "train")
    paths = load_image_folder(tree, **SIZES)[0].paths
    # Each folder once, under the name that comes first.
    assert [path for path in paths if "z.png" in path] == ["train/dog/again/z.png"]
    assert sum("loop" in path for path in paths) == 0
    assert sum("up/" in path for path in paths) == 0  # Cats would be dogs there.


def test_a_link_to_the_root_does_not_bring_one_set_into_the_other(tree):
    (tree / "train/dog/root").symlink_to("../..")
    train, valid = load_image_folder(tree, **SIZES)
    assert len(train) == 4 and len(valid) == 2


@pytest.mark.parametrize("link", ["train/fox", "val/fox", "train/dog/more"])
def test_a_folder_that_is_not_mounted_is_missed(tree, link):
    """Without it, the labels of all classes behind it would be other ones than yesterday."""
    (tree / link).symlink_to("/not/mounted")
    with pytest.raises(DataError, match=f"{link}.*(a link to nowhere|No such file)"):
        load_image_folder(tree, **SIZES)


def test_a_second_call_decodes_nothing(tree, decoded, monkeypatch):
    first = load_image_folder(tree, **SIZES)
    assert len(decoded) == 6
    monkeypatch.chdir(tree.parent)
    second = load_image_folder(str(Path("pictures")), **SIZES)
    assert len(decoded) == 6
    same(first, second)
    assert isinstance(second[0].images, np.memmap)
    load_image_folder(tree, image_size=9, stored_size=10)  # only the validation set is new
    assert len(decoded) == 8
    load_image_folder(tree, image_size=9, stored_size=10, valid_scale=1.0)
    assert len(decoded) == 10


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "touched", "changed"])
def test_a_change_is_noticed(tree, decoded, change):
    load_image_folder(tree, **SIZES)
    target = tree / "train/cat/b.png"
    if change == "added":
        (tree / "train/cat/new.png").write_bytes(picture(9))
    elif change == "removed":
        target.unlink()
    elif change == "renamed":
        target.rename(tree / "train/cat/0.png")
    elif change == "touched":
        os.utime(target, ns=(0, 0))
    else:
        target.write_bytes(picture(10, (13, 13)))
    train, _ = load_image_folder(tree, **SIZES)
    assert len(decoded) > 6
    assert len(train) == {"added": 5, "removed": 3}.get(change, 4)


@pytest.mark.parametrize("suffix", ["pixels", "index"])
@pytest.mark.parametrize("position", [0, 0.5, -1])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_any_damaged_byte_is_found(tree, decoded, home, caplog, suffix, position, damage):
    first = load_image_folder(tree, **SIZES)
    images = [np.array(split.images) for split in first]
    path = cached(home, f"train-10.{suffix}")
    contents = bytearray(path.read_bytes())
    place = int(position * len(contents)) if position != -1 else len(contents) - 1
    contents[place] ^= 1
    path.write_bytes(contents if damage == "flip" else contents[:place])
    second = load_image_folder(tree, **SIZES)
    assert len(decoded) == 10
    assert [r.levelname for r in caplog.records].count("WARNING") == 1
    assert "not usable and will be made again" in caplog.text
    for found, expected in zip(second, images, strict=True):
        np.testing.assert_array_equal(found.images, expected)
    load_image_folder(tree, **SIZES)
    assert len(decoded) == 10


def test_a_damaged_chunk_further_back_is_found(tree, decoded, monkeypatch, home):
    monkeypatch.setattr(image_cache, "_CHUNK", 128)
    load_image_folder(tree, **SIZES)
    path = cached(home, "train-10.pixels")
    contents = bytearray(path.read_bytes())
    contents[700] ^= 128
    path.write_bytes(contents)
    load_image_folder(tree, **SIZES)
    assert len(decoded) == 10


def test_missing_pixels_are_made_again(tree, decoded, home):
    load_image_folder(tree, **SIZES)
    cached(home, "train-10.pixels").unlink()
    load_image_folder(tree, **SIZES)
    assert len(decoded) == 10


def test_another_format_is_out_of_date(tree, decoded, monkeypatch):
    load_image_folder(tree, **SIZES)
    monkeypatch.setattr(image_cache, "FORMAT", image_cache.FORMAT + 1)
    load_image_folder(tree, **SIZES)
    assert len(decoded) == 12


def test_without_permission_to_write(tree, home, caplog):
    expected = load_image_folder(tree, **SIZES)
    expected = [type(one)(np.array(one.images), *list(vars(one).values())[1:]) for one in expected]
    # Tests may run as root, whom no permission stops; a file in the way stops everyone.
    subprocess.run(["rm", "-r", str(home)], check=True)
    home.write_bytes(b"")
    found = load_image_folder(tree, **SIZES)
    same(found, expected)
    assert not isinstance(found[0].images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0].images[0] = 0
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "not cached" in caplog.text


def test_a_full_disk(tree, home, monkeypatch, caplog):
    real = image_cache.partial_file

    class Full:
        def __init__(self, file):
            self.file, self.left = file, 2

        def write(self, contents):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(contents)

        def __getattr__(self, name):
            return getattr(self.file, name)

    class FullDisk:
        def __init__(self, path):
            self.context = real(path)

        def __enter__(self):
            return Full(self.context.__enter__())

        def __exit__(self, *error):
            return self.context.__exit__(*error)

    monkeypatch.setattr(image_cache, "partial_file", FullDisk)
    found = load_image_folder(tree, **SIZES)
    assert [r.message.rpartition(": ")[2] for r in caplog.records] == ["No space left on device"]
    assert not [path for path in home.rglob("*") if path.is_file()]
    monkeypatch.setattr(image_cache, "partial_file", real)
    same(found, load_image_folder(tree, **SIZES))


BAD = {
    "no folder": (lambda root: root.rename(root.with_name("gone")), "existing folder or archive"),
    "no train": (lambda root: (root / "train").rename(root / "Train"), "Missing: train"),
    "no val": (lambda root: (root / "val").rename(root / "eval"), "Missing: val"),
    "empty class": (lambda root: (root / "train/fox").mkdir(), "a picture in the train set: fox"),
    "empty class in val": (
        lambda root: (root / "val/dog/y.png").rename(root / "val/dog/.y.png"),
        "without a picture in the valid set: dog",
    ),
    "class only in train": (
        lambda root: write(root, {"train/fox/1.png": picture(1)}),
        r"other classes.*fox \(only in train\)",
    ),
    "class only in val": (
        lambda root: write(root, {"val/fox/1.png": picture(1)}),
        r"other classes.*fox \(only in valid\)",
    ),
    "control character": (
        lambda root: write(root, {"train/c\x1b[31m/1.png": picture(1)}),
        r"control character.*Rename it: 'c\\x1b\[31m'",
    ),
    "zero bytes": (
        lambda root: write(root, {"train/dog/zero.jpg": b""}),
        "1 of 5 pictures.*: train/dog/zero.jpg: the file is empty",
    ),
    "truncated": (
        lambda root: write(root, {"train/dog/half.png": picture(1)[:300]}),
        "train/dog/half.png: truncated or damaged",
    ),
    "another kind": (
        lambda root: write(root, {"val/dog/text.jpg": b"hello"}),
        "1 of 3.*: val/dog/text.jpg: it is no JPEG, PNG or WebP",
    ),
    "too large": (
        lambda root: write(root, {"train/dog/large.png": picture(1, (60, 60))}),
        "train/dog/large.png: it has 60 x 60 pixels, more than max_pixels=1000",
    ),
    "a link to nowhere": (
        lambda root: (root / "train/dog/link.png").symlink_to(root / "nowhere"),
        "train/dog/link.png: it cannot be read: No such file",
    ),
    "garbage in a name": (
        lambda root: write(root, {"train/dog/\x1b[2J.jpg": b""}),
        r"'train/dog/\\x1b\[2J.jpg': the file is empty",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_folders(tree, kind):
    spoil, message = BAD[kind]
    spoil(tree)
    with pytest.raises(DataError, match=message) as caught:
        load_image_folder(tree, **SIZES, max_pixels=1000)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_no_pictures_at_all(tmp_path):
    for part in ("train", "val"):
        (tmp_path / "set" / part).mkdir(parents=True)
    with pytest.raises(DataError, match="holds no JPEG, PNG or WebP in folders of classes"):
        load_image_folder(tmp_path / "set")
    write(tmp_path / "set", {"train/loose.png": picture(1)})
    with pytest.raises(DataError, match="holds no JPEG, PNG or WebP in folders of classes"):
        load_image_folder(tmp_path / "set")


def test_all_bad_pictures_are_counted_and_some_named(tree):
    write(tree, {f"train/dog/{number}.jpg": b"" for number in range(10, 20)})
    with pytest.raises(DataError, match="10 of 14 .*10.jpg.*14.jpg: .*; and 5 more. Repair"):
        load_image_folder(tree, **SIZES)


def test_bad_pictures_can_be_left_out(tree, decoded, caplog):
    write(tree, {"train/cat/a0.jpg": b"", "train/dog/2.png": picture(1)[:300]})
    found = load_image_folder(tree, **SIZES, on_error="skip")
    assert len(found[0]) == 4 and found[0].labels.tolist() == [0, 0, 0, 1]
    assert "2 pictures of the train set" in caplog.text and "train/cat/a0.jpg" in caplog.text
    # From the cache it says so again, and refuses again.
    count = len(decoded)
    caplog.clear()
    same(found, load_image_folder(tree, **SIZES, on_error="skip"))
    assert "2 pictures of the train set" in caplog.text
    with pytest.raises(DataError, match="2 of 6 pictures.*train/cat/a0.jpg"):
        load_image_folder(tree, **SIZES)
    assert len(decoded) == count


def test_what_could_not_be_read_is_tried_again(tree, monkeypatch, caplog):
    """Permissions, open files and network drives change without a change of the file."""
    real = image_sources.files.read_file

    def refusing(path, limit):
        if path.name == "b.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, limit)

    monkeypatch.setattr(image_sources.files, "read_file", refusing)
    for _ in range(2):
        assert len(load_image_folder(tree, **SIZES, on_error="skip")[0]) == 3
    with pytest.raises(DataError, match="train/cat/b.png: it cannot be read: Permission denied"):
        load_image_folder(tree, **SIZES)
    monkeypatch.setattr(image_sources.files, "read_file", real)
    caplog.clear()
    assert len(load_image_folder(tree, **SIZES)[0]) == 4
    assert not caplog.records


def test_pictures_that_another_process_caches_meanwhile_are_not_taken_for_these(
    tree, tmp_path, monkeypatch, home
):
    """The other's dog in place of this one's cat would have the label of a cat."""
    real, others = image_cache.partial_file, {}
    load_image_folder(
        write(tmp_path / "other", {**files(), "train/cat/b.png": picture(99)}), **SIZES
    )
    for path in home.rglob("train-10.*"):
        others[path.name] = path.read_bytes()

    @contextlib.contextmanager
    def overtaken(path):
        with real(path) as file:
            yield file
        if path.name == "train-10.pixels":
            for name, contents in others.items():
                path.with_name("new").write_bytes(contents)
                path.with_name("new").replace(path.with_name(name))

    monkeypatch.setattr(image_cache, "partial_file", overtaken)
    train, _ = load_image_folder(tree, **SIZES)
    expected = Image.open(tree / "train/cat/b.png").resize((10, 10), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(train.images[1], np.asarray(expected))


def test_a_class_of_bad_pictures_cannot_be_left_out(tree):
    write(tree, {"train/dog/1.png": b""})
    said = "train/dog/1.png: the file is empty. They are all that the class dog has: repair or"
    with pytest.raises(DataError, match=said):
        load_image_folder(tree, **SIZES, on_error="skip")


@pytest.mark.parametrize("again", [False, True])
def test_the_same_picture_in_both_sets(tree, again):
    write(tree, {"val/cat/copy.png": picture(3), "val/cat/too.png": picture(0)})
    for _ in range(1 + again):
        with pytest.warns(UserWarning, match="2 of the 4 validation pictures are also training"):
            load_image_folder(tree, **SIZES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "`image_size`.*>= 1.*0"),
        ({"image_size": 8.5}, "`image_size`.*8.5"),
        ({"stored_size": -1}, "`stored_size`.*-1"),
        ({"valid_scale": 0.9}, "`valid_scale`.*>= 1.*0.9"),
        ({"valid_scale": np.nan}, "`valid_scale`.*nan"),
        ({"on_error": "ignore"}, "`on_error`.*'raise', 'skip'.*'ignore'"),
        ({"max_pixels": None}, "`max_pixels`.*None"),
    ],
)
def test_bad_arguments_are_named(tree, options, message):
    with pytest.raises(ValueError, match=message):
        load_image_folder(tree, **options)


def test_without_pillow(tree, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"needs Pillow: pip install 'keras_twist\[train\]'"):
        load_image_folder(tree, **SIZES)


@pytest.mark.parametrize("prefix", ["", "set2-160/", "./", "./set2-160/"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_archives_are_read_as_they_are(tree, tmp_path, forge, decoded, prefix, mode):
    members = dict(reversed(files().items()))
    members |= {"train/cat/.DS_Store": b"no", "LICENSE": b"no", "train/cat/notes.txt": b"no"}
    archive = tmp_path / "set.tgz"
    archive.write_bytes(forge.tar_bytes({prefix + k: v for k, v in members.items()}, mode))
    expected = load_image_folder(tree, **SIZES)
    found = load_image_folder(archive, **SIZES)
    same(found, expected)
    assert found[0].paths[0] == f"{prefix}train/cat/a.jpg"
    assert len(decoded) == 12
    same(load_image_folder(archive, **SIZES), expected)
    assert len(decoded) == 12
    assert sorted(os.listdir(tmp_path)) == ["home", "pictures", "set.tgz"]


def test_bad_archives(tmp_path, forge):
    archive = tmp_path / "set.tgz"

    def refused(contents, message):
        archive.write_bytes(contents)
        with pytest.raises(DataError, match=message):
            load_image_folder(archive, **SIZES)

    refused(b"no archive", "Archive .*set.tgz is truncated or damaged")
    whole = forge.tar_bytes(files())
    refused(whole[: len(whole) // 2], "Archive .* is truncated or damaged")
    refused(forge.tar_bytes({"train/cat/a.png": picture(1)}), "holds no pictures below")
    two = {
        f"{root}/{name}": content for root in ("160", "320") for name, content in files().items()
    }
    refused(forge.tar_bytes(two), "must hold one set of pictures. Received: 160, 320")
    parted = {f"{name.split('/')[0]}s/{name}": content for name, content in files().items()}
    refused(forge.tar_bytes(parted), "holds no pictures below")
    refused(forge.tar_bytes({**files(), "train/dog/bad.png": b""}), "train/dog/bad.png: the file")
    refused(forge.tar_bytes({**files(), "../out.png": b""}), "points outside")
    refused(forge.tar_bytes({**files(), "/out.png": b""}), "points outside")
    link = tarfile.TarInfo("train/dog/link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    refused(forge.tar_bytes({**files(), "link": link}), "is a link or a device")
    refused(forge.tar_bytes({**files(), "zeros": bytes(100 * 2**20)}), "unpacks to more bytes")
    del whole
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_of_processes_at_once_one_decodes_and_without_keras(tree, forge):
    code = forge.ALONE + (
        "import time\n"
        "from keras_twist.data import image_folder\n"
        "decode = image_folder._decode_split\n"
        "def decode_aloud(source, split, *rest):\n"
        "    print('decoding', split)\n"
        "    time.sleep(1)\n"  # until all have started
        "    return decode(source, split, *rest)\n"
        "image_folder._decode_split = decode_aloud\n"
        "sizes = {'image_size': 8, 'stored_size': 10}\n"
        "train, valid = image_folder.load_image_folder(sys.argv[1], **sizes)\n"
        "assert train.images.sum() > 0 and len(valid) == 2\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tree)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, **pipes)) for _ in range(3)
        ]
        printed = [process.communicate() for process in running]
    assert [errors for _, errors in printed] == [""] * 3
    lines = [line for output, _ in printed for line in output.splitlines()]
    assert sorted(lines) == ["decoding train", "decoding valid"]


def test_stale_leftovers_are_removed(tree, home, decoded):
    load_image_folder(tree, **SIZES)
    pixels = cached(home, "train-10.pixels")
    old = pixels.with_name(".train-10.pixels.1-abcd.partial.pixels")
    old.write_bytes(b"left by a writer that was killed")
    os.utime(old, (time.time() - 10**6,) * 2)
    pixels.unlink()
    load_image_folder(tree, **SIZES)
    assert not old.exists()


def test_progress_is_logged(tree, monkeypatch, caplog):
    monkeypatch.setattr(image_workers, "_REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO, "keras_twist.data"):
        load_image_folder(tree, **SIZES)
    assert "Decoding picture 4 of 4" in caplog.text
    assert "Decoded pictures cached as" in caplog.text


def test_sockets_and_names_of_any_bytes(tree, monkeypatch):
    monkeypatch.chdir(tree / "train/cat")  # The whole path may be too long for a socket.
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.png")
    (tree / os.fsdecode(b"train/cat/\xff.png")).write_bytes(picture(7))
    assert len(load_image_folder(tree, **SIZES)[0]) == 5
    (tree / os.fsdecode(b"train/cat/\xfe\n.png")).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cat/\\udcfe\\n.png': it is no JPEG") as caught:
        load_image_folder(tree, **SIZES)
    assert str(caught.value).isprintable()
    (tree / os.fsdecode(b"train/\xff")).mkdir()
    with pytest.raises(DataError, match=r"no table could show|which no\s+table"):
        load_image_folder(tree, **SIZES)


@pytest.mark.parametrize("name", ["\u202egnp", "a" * 5000])
def test_names_in_messages_are_short_and_cannot_turn_the_text_around(tree, tmp_path, forge, name):
    archive = tmp_path / "set.tgz"
    archive.write_bytes(forge.tar_bytes({**files(), f"train/{name}/1.png": picture(1)}))
    with pytest.raises(DataError, match="only in train") as caught:
        load_image_folder(archive, **SIZES)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_labels_of_very_many_classes(monkeypatch):
    """100,000 names looked up in a list of them would take minutes."""
    names = tuple(map(str, range(100_000)))
    source = types.SimpleNamespace(class_names=names)
    monkeypatch.setattr(image_folder, "decode_all", lambda *_: ([], [], {}))
    record = image_folder._fill(source, [Entry("", name) for name in names], [], 0, {}, None)
    assert record["labels"] == list(range(100_000))
