"""ImageWoof and Imagenette, ten classes of ImageNet each, wherever they are."""

import dataclasses
import logging
from pathlib import Path

from keras_twist.data.cache import keras_home
from keras_twist.data.errors import DataError
from keras_twist.data.image_folder import load_sets
from keras_twist.data.image_sources import VALID_NAMES, shown
from keras_twist.data.resume import fetch_resumable

IMAGEWOOF_CLASSES = {
    "n02086240": "Shih-Tzu",
    "n02087394": "Rhodesian ridgeback",
    "n02088364": "beagle",
    "n02089973": "English foxhound",
    "n02093754": "Border terrier",
    "n02096294": "Australian terrier",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
    "n02111889": "Samoyed",
    "n02115641": "dingo",
}

IMAGENETTE_CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}

_HOST = "https://s3.amazonaws.com/fast-ai-imageclas/"
# By the shorter side of their pictures; the last is of original size.
_EDITIONS = ("160", "320", "full")

logger = logging.getLogger("keras_twist.data")


@dataclasses.dataclass(frozen=True)
class _Published:
    """What is known of a published set.

    Attributes:
        title: What people call it.
        name: What its archives and folders begin with.
        classes: Dict from WordNet's number to the name.
        counts: Training and validation pictures.
        md5: Tuple of digests for each archive that is downloaded. The host replaced the archives
            more than once under the same names, so there are several. They were written down by
            fastai (`checks.txt`), torchvision (`Imagenette`) and catalyst (`Imagewoof`).
        host: Where the archives are.
    """

    title: str
    name: str
    classes: dict
    counts: tuple
    md5: dict
    host: str = _HOST

    def folder(self, edition):
        return self.name if edition == "full" else f"{self.name}-{edition}"


_IMAGEWOOF = _Published(
    "ImageWoof",
    "imagewoof2",
    IMAGEWOOF_CLASSES,
    (9025, 3929),
    {
        "160": (
            "3d200a7be99704a0d7509be2a9fbfe15",
            "3559b194123981a540b87132dbda412f",
            "fcd23cc7dfce8837c95a8f9d63a128b7",
        ),
        "320": (
            "0f46d997ec2264e97609196c95897a44",
            "7a1fd92672a559a85de76e4810a20c21",
            "af65be7963816efa949fa3c3b4947740",
        ),
        "full": (
            "9aafe18bcdb1632c4249a76c458465ba",
            "2cc1c1e36e20cb6fd24ffb978edcb487",
            "5eaf5bbf4bf16a77c616dc6e8dd5f8e9",
        ),
    },
)
_IMAGENETTE = _Published(
    "Imagenette",
    "imagenette2",
    IMAGENETTE_CLASSES,
    (9469, 3925),
    {
        "160": ("e793b78cc4c9e9a4ccc0c1155377a412", "c475f8f7617a200ba35b9facc48443c3"),
        "320": ("3df6f0d01a2c9592104656642f5e78a3", "1f1f74f133caff120e575856659b87a2"),
        "full": ("fe2fc210e6bb7c5664d602c3cd71e612", "2c774ecb40005b35d7937d50f5d42336"),
    },
)


def load_imagewoof(data_dir=None, image_size=128, stored_size=None, valid_scale=1.14, edition=None):
    """Loads ImageWoof, ten breeds of dogs that are hard to tell apart.

    The sources are, in this order: `data_dir` (then it is the only one); archives and folders
    under the Keras home, in `datasets/keras_twist` and `datasets`; and the host that published
    it. A download that breaks off goes on where it stopped. The archive is read as it is, without
    unpacking, and decoded once, as `load_image_folder` says.

    A download is compared with the digests that fastai and torchvision give for it. The host has
    replaced the archives before; if it does so again, the new one is accepted when it is whole,
    and its digest is logged as a warning.

    Args:
        data_dir: Folder that holds, or is, `imagewoof2-160`, `imagewoof2-320` or `imagewoof2` (with
            `train` and `val` in it), or holds such an archive, `imagewoof2-160.tgz`; or the path of
            an archive. Defaults to `None`: the other sources.
        image_size: Side of validation pictures in pixels. Defaults to 128.
        stored_size: Side of training pictures; None for 1.25 times `image_size`. Defaults to None.
        valid_scale: As in `load_image_folder`. Defaults to 1.14.
        edition: `"160"`, `"320"` (the shorter side of the published pictures) or `"full"`. None
            for the smallest that suffices for `image_size`, and where that is not at hand, another
            that is. Defaults to None.

    Returns:
        `train, valid`, two `ImageFolder`s; 9,025 and 3,929 pictures in the published set. Labels
        are positions in `class_names`, which are the values of `IMAGEWOOF_CLASSES` in order.

    Raises:
        DataError: `data_dir` holds no ImageWoof or a damaged one; or no source has it, and then
            the message says what to do.
        ValueError: if a size or `edition` is out of range.

    Example:

    ```python
    train, valid = keras_twist.data.load_imagewoof("data", image_size=128)
    ```

    Reference:
    - [Imagenette](https://github.com/fastai/imagenette) by fastai, edition 2 of 2019, with 30 % of
      the pictures for validation.
    """
    return _load(_IMAGEWOOF, data_dir, image_size, stored_size, valid_scale, edition)


def load_imagenette(
    data_dir=None, image_size=128, stored_size=None, valid_scale=1.14, edition=None
):
    """Loads Imagenette, ten classes of ImageNet that are easy to tell apart.

    All is as in `load_imagewoof`, with `imagenette2` for `imagewoof2`.

    Args:
        data_dir: Folder or archive, or None.
        image_size: Side of validation pictures in pixels. Defaults to 128.
        stored_size: Side of training pictures; None for 1.25 times `image_size`. Defaults to None.
        valid_scale: As in `load_image_folder`. Defaults to 1.14.
        edition: `"160"`, `"320"`, `"full"` or None. Defaults to None.

    Returns:
        `train, valid`, two `ImageFolder`s; 9,469 and 3,925 pictures in the published set. Their
        `class_names` are the values of `IMAGENETTE_CLASSES` in order.

    Raises:
        DataError: As `load_imagewoof`.
        ValueError: if a size or `edition` is out of range.

    Example:

    ```python
    train, valid = keras_twist.data.load_imagenette(image_size=128)
    ```

    Reference:
    - [Imagenette](https://github.com/fastai/imagenette) by fastai.
    """
    return _load(_IMAGENETTE, data_dir, image_size, stored_size, valid_scale, edition)


def _load(published, data_dir, image_size, stored_size, valid_scale, edition):
    if edition is not None and edition not in _EDITIONS:
        raise ValueError(
            f"Argument `edition` must be one of {_EDITIONS} or None. Received: edition={edition!r}"
        )
    editions = [edition] if edition else _suitable(image_size)
    if data_dir is None:
        root = _search(published, editions)
    else:
        root = _in_data_dir(published, data_dir, editions)
    logger.info("%s from %s", published.title, shown(root))
    train, valid, both = load_sets(root, image_size, stored_size, valid_scale)
    if train.class_names != tuple(published.classes):
        raise DataError(
            f"{shown(root)} does not hold {published.title}: its classes begin with "
            f"{', '.join(train.class_names[:3])}, not with {', '.join(list(published.classes)[:3])}"
        )
    if (len(train), len(valid)) != published.counts:
        logger.warning(
            "%s holds %d and %d pictures; the published %s has %d and %d. Accuracies on it do not "
            "compare with published ones.",
            shown(root),
            len(train),
            len(valid),
            published.title,
            *published.counts,
        )
    if both:  # The published set has a few, which nobody here can help.
        logger.info("%d validation pictures are also training pictures", both)
    names = tuple(published.classes.values())
    return tuple(dataclasses.replace(one, class_names=names) for one in (train, valid))


def _suitable(image_size):
    """All editions: the smallest that suffices, larger ones, and then what would be enlarged."""
    sides = {"160": 160, "320": 320, "full": float("inf")}
    # As the recipes of the time have it: 128 pixels from 160, 192 and 256 from larger ones.
    fine = [edition for edition, side in sides.items() if 1.25 * image_size <= side]
    return fine + [edition for edition in reversed(sides) if edition not in fine]


def _find(published, folder, editions):
    """The first form of the set that a folder holds, or None."""
    for edition in editions:
        name = published.folder(edition)
        for path in (folder / name, folder / f"{name}.tgz", folder / f"{name}.tar.gz"):
            if _is_root(path) or path.is_file():
                return path
    return None


def _is_root(path):
    return (path / "train").is_dir() and any((path / name).is_dir() for name in VALID_NAMES)


def _in_data_dir(published, data_dir, editions):
    try:
        path = Path(data_dir).expanduser()
        if path.is_file() or _is_root(path):
            return path
        if not path.is_dir():
            raise DataError(
                f"data_dir must be an existing folder or file. Received: data_dir={shown(path)}"
            )
        if found := _find(published, path, editions):
            return found
    except (OSError, RuntimeError) as error:  # RuntimeError: "~name" of a user there is not.
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{data_dir} cannot be read: {reason}.") from error
    names = [published.folder(edition) for edition in editions]
    raise DataError(
        f"{shown(path)} holds no {published.title}: no train and val, and none of "
        f"{', '.join(names)}, {', '.join(f'{name}.tgz' for name in names)}."
    )


def _search(published, editions):
    own = keras_home() / "datasets" / "keras_twist"
    for folder in (own, own.parent):
        if found := _find(published, folder, editions):
            return found
    archive = f"{published.folder(editions[0])}.tgz"
    url = published.host + archive
    try:
        own.mkdir(parents=True, exist_ok=True)
        fetch_resumable(url, own / archive, published.md5[editions[0]])
    except (DataError, OSError) as error:
        raise DataError(
            f"{published.title} is not in {own.parent}, and its download failed: "
            f"{str(error).rstrip('.')}. Get {url} on a machine that can, and pass "
            "data_dir=<the folder it is in> (--data_dir of the script)."
        ) from error
    return own / archive
