"""Trees of pictures."""

import os

import numpy as np
import pytest

from keras_twist.data.cifar_formats import CIFAR10_CLASSES
from keras_twist.data.cifar_tree import is_tree, read_tree
from keras_twist.data.errors import DataError

pytest.importorskip("PIL")


def test_png_tree_is_exact_and_in_the_published_class_order(tiny, tmp_path):
    arrays = read_tree(tiny.tree(tmp_path / "tree", ".png"))
    for part, first in (("train", 0), ("test", 10)):
        np.testing.assert_array_equal(arrays[f"x_{part}"], tiny.pixels[first : first + 10])
        np.testing.assert_array_equal(arrays[f"y_{part}"], range(10))
        assert arrays[f"x_{part}"].dtype == arrays[f"y_{part}"].dtype == np.uint8


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_tree(tiny, tmp_path, suffix):
    arrays = read_tree(tiny.tree(tmp_path / "tree", suffix, quality=95))
    assert arrays["x_train"].shape == (10, 32, 32, 3)
    assert not np.array_equal(arrays["x_train"], tiny.pixels[:10])


def test_other_names_are_numbered_in_sorted_order(tiny, tmp_path):
    names = ["n03", "n01", "n02"]
    arrays = read_tree(tiny.tree(tmp_path / "tree", ".png", names))
    np.testing.assert_array_equal(arrays["y_train"], [0, 1, 2])
    np.testing.assert_array_equal(arrays["x_train"], tiny.pixels[[1, 2, 0]])


def test_some_of_the_published_classes_keep_their_labels(tiny, tmp_path):
    arrays = read_tree(tiny.tree(tmp_path / "tree", ".png", ["dog", "cat"]))
    np.testing.assert_array_equal(arrays["y_test"], [3, 5])
    np.testing.assert_array_equal(arrays["x_test"], tiny.pixels[[11, 10]])


def test_what_is_no_picture_is_passed_over(tiny, tmp_path):
    root = tiny.tree(tmp_path / "tree", ".png")
    (root / "train" / "cat" / "notes.txt").write_text("hello")
    (root / "train" / "cat" / "._0001.png").write_text("resource fork")
    (root / "train" / ".DS_Store").write_text("")
    (root / "train" / ".cache").mkdir()
    assert len(read_tree(root)["x_train"]) == 10


def test_files_are_sorted_within_a_class(tiny, tmp_path):
    root = tiny.tree(tmp_path / "tree", ".png")
    cat = root / "train" / "cat"
    (cat / "0000.png").write_bytes((root / "train" / "dog" / "0001.png").read_bytes())
    arrays = read_tree(root)
    np.testing.assert_array_equal(arrays["y_train"], [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(arrays["x_train"][3:5], tiny.pixels[[5, 3]])


def test_wrong_size_names_the_file_and_its_size(tiny, tmp_path):
    from PIL import Image

    root = tiny.tree(tmp_path / "tree", ".png")
    Image.new("RGB", (33, 32)).save(root / "test" / "dog" / "0002.png")
    with pytest.raises(ValueError, match=r"test/dog/0002\.png has 33 x 32 pixels"):
        read_tree(root)


def test_damaged_trees(tiny, tmp_path):
    root = tiny.tree(tmp_path / "tree", ".png")
    assert is_tree(root) and not is_tree(root / "train")
    picture = root / "test" / "dog" / "0001.png"
    contents = picture.read_bytes()
    picture.write_bytes(contents[:1000])
    with pytest.raises(DataError, match="0001.png is no readable PNG or JPEG"):
        read_tree(root)
    picture.unlink()
    with pytest.raises(DataError, match=r"test/dog holds no \.png and no \.jpg"):
        read_tree(root)
    os.rmdir(root / "test" / "dog")
    with pytest.raises(DataError, match="test/dog cannot be read: No such file"):
        read_tree(root)
    (root / "test").rename(root / "tset")
    with pytest.raises(DataError, match="test cannot be read: No such file"):
        read_tree(root)


def test_classes_that_do_not_fit(tiny, tmp_path):
    root = tiny.tree(tmp_path / "tree", ".png")
    (root / "test" / "zebra").mkdir()
    with pytest.raises(DataError, match="a class that train has not: 'zebra'"):
        read_tree(root)
    (root / "train" / "zebra").mkdir()
    with pytest.raises(DataError, match="train has 11 class folders; CIFAR-10 has 10"):
        read_tree(root)
    empty = tmp_path / "empty"
    for part in ("train", "test"):
        (empty / part).mkdir(parents=True)
    with pytest.raises(DataError, match="train has 0 class folders"):
        read_tree(empty)


def test_class_names():
    assert len(set(CIFAR10_CLASSES)) == 10
    assert list(CIFAR10_CLASSES) == sorted(CIFAR10_CLASSES)


def test_names_from_the_disk_are_escaped(tmp_path, tiny):
    root = tiny.tree(tmp_path / "set", ".png")
    (root / "train" / "cat" / "\x1b[2J\n.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cat/\\x1b\[2J\\n.png' is no readable") as caught:
        read_tree(root)
    assert str(caught.value).isprintable()
    (root / "test" / "\x1b[31m\n").mkdir()
    with pytest.raises(DataError, match=r"class that train has not: '\\x1b\[31m\\n'") as caught:
        read_tree(root)
    assert str(caught.value).isprintable()
