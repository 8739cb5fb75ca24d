"""What is published of ImageWoof and Imagenette: classes, archives and their digests."""

import dataclasses

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean of ImageNet, which both sets are from, by channel, red, green and blue, in pixel units 0 to
255."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""Deviation of ImageNet's pixels, likewise."""

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
"""Names of ImageWoof's ten classes by folder, in the order of the labels."""

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
"""Names of Imagenette's ten classes by folder, in the order of the labels."""

_HOST = "https://s3.amazonaws.com/fast-ai-imageclas/"


@dataclasses.dataclass(frozen=True)
class Published:
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


IMAGEWOOF = Published(
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
IMAGENETTE = Published(
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
