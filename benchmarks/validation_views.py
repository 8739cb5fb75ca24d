"""Accuracy of one trained network on validation pictures of two kinds of sharpness.

    python benchmarks/validation_views.py runs/mxresnet50_twist-... --data_dir pictures

`views` are what validation shows: cut from stretched squares, bilinear, as training's crops are.
`pixels` are cut from the picture itself and resized once, bicubic, with nothing in between. What is
seen is the same part of each picture. Beside the accuracies stands the mean square of differences
of neighbouring pixels, along x and y, of both and of training's crops, in levels of 255. Writes
`benchmarks/results/validation_views.json`.
"""

import argparse
import io
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).parents[1]))

import machine
import numpy as np
import results_file
from PIL import Image

from keras_twist import data
from keras_twist.data.image_sources import open_source
from keras_twist.recipes import woof
from keras_twist.recipes.trained import load_trained

RESULT = Path(__file__).parent / "results" / "validation_views.json"
BATCH = 128


def cut_from_pixels(contents, size, zoom):
    """The same square in the middle, resized once."""
    picture = Image.open(io.BytesIO(contents)).convert("RGB")
    side = min(picture.size) / zoom
    left, top = ((edge - side) / 2 for edge in picture.size)
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box))


def accuracy(model, images, labels):
    """Percent of the images that the network names right."""
    normalize = woof.normalization()
    batches = (normalize(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
    scores = np.concatenate([model.predict_on_batch(batch) for batch in batches])
    return 100 * float(np.mean(scores.argmax(axis=1) == labels))


def sharpness(images):
    """Mean squares of differences along x and y."""
    images = np.asarray(images, "float32")
    return [float(np.square(np.diff(images, axis=axis)).mean()) for axis in (2, 1)]


def main():
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(usage="%(prog)s RUN --data_dir DIR")
    parser.add_argument("run", help="folder of a run of train_woof.py")
    parser.add_argument("--data_dir", required=True, help="folder that holds imagewoof2-160.tgz")
    options = parser.parse_args()
    recipe, model = load_trained(options.run)
    size, zoom = recipe.image_size, recipe.valid_scale
    train, valid = data.load_imagewoof(options.data_dir, image_size=size, valid_scale=zoom)
    source = open_source(Path(options.data_dir) / "imagewoof2-160.tgz")
    pixels = np.empty_like(valid.images)
    for position, read in source.contents(source.entries["valid"]):
        pixels[position] = cut_from_pixels(read(), size, zoom)
    crop = data.random_resized_crop(size, (recipe.min_scale, 1.0), aspects=train.aspects)
    crops = data.train_dataset(train.images, train.labels, 1024, augment=(crop,), seed=0)
    kinds = {"views": valid.images, "pixels": pixels}
    shown = kinds | {"training": next(iter(crops))[0]}
    result = {
        "what": __doc__.splitlines()[0],
        "recipe": recipe.name,
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "accuracy": {name: accuracy(model, images, valid.labels) for name, images in kinds.items()},
        "sharpness": {
            name: sharpness(images[:: len(images) // 900]) for name, images in shown.items()
        },
        "machine": machine.describe(),
    }
    results_file.write(RESULT, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
