"""What the package reads, each with valid seeds, structured nonsense, and the errors it documents.

A reader raises what it documents or returns something that holds what it promises; whatever else
it does is a finding.
"""

import dataclasses
import gzip
import io
import json
import random as python_random
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.data.archives import read_members
from keras_twist.data.cifar_formats import read_archive, read_folder, read_set
from keras_twist.data.errors import DataError
from keras_twist.data.image_cache import ImageCache
from keras_twist.data.image_decode import decode_square
from keras_twist.data.image_sources import ArchiveSource
from keras_twist.data.npz import read_npz
from keras_twist.data.pickles import load_arrays
from keras_twist.data.pictures import open_pictures, read_sheet
from keras_twist.recipes import checkpoint, report, report_sections, run_folder, state_file
from keras_twist.recipes.cifar_recipes import CIFAR_RECIPES
from keras_twist.recipes.predictions import Predictions, load_predictions, save_predictions
from keras_twist.recipes.recipe import Recipe, RecipeError
from keras_twist.recipes.run_record import read_rows, read_run
from keras_twist.recipes.trainer import Trainer
from keras_twist.recipes.woof_recipes import WOOF_RECIPES

from ..data.conftest import Tiny, tar_bytes
from . import structures
from .mutations import mutate
from .places import folder_reader, host_reader


@dataclasses.dataclass
class Reader:
    """A reader under test.

    Attributes:
        seeds: Valid files, as bytes.
        read: Function of a file's contents.
        documented: The errors that it may raise.
        build: List of functions of a `random.Random` that make structured nonsense.
        fault: What the cases are, for the table of faults.
    """

    seeds: list
    read: Callable
    documented: tuple = (DataError,)
    build: list = dataclasses.field(default_factory=list)
    fault: str = ""

    def case(self, random):
        """Contents of one file: half of the time damaged, otherwise built."""
        if self.build and random.randrange(2):
            contents = random.choice(self.build)(random)
            return mutate(random, contents) if not random.randrange(8) else contents
        return mutate(random, random.choice(self.seeds), self.seeds)


def _through(path, read):
    """A reader of paths as one of contents."""

    def from_contents(contents):
        path.write_bytes(contents)
        return read(path)

    return from_contents


def _pictures():
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype("uint8")
    files = []
    for form, options in (
        ("PNG", {}),
        ("PNG", {"optimize": True}),
        ("JPEG", {"quality": 60}),
        ("JPEG", {"quality": 60, "progressive": True}),
        ("WEBP", {"quality": 60}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (32, 32))]}),
    ):
        exif = Image.Exif()
        exif[0x0112] = 6
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, form, exif=exif, **options)
        files.append(buffer.getvalue())
    return files


def _arrays_npz(**arrays):
    buffers = []
    for save in (np.savez, np.savez_compressed):
        buffers.append(io.BytesIO())
        save(buffers[-1], **arrays)
    return [buffer.getvalue() for buffer in buffers]


def _data_readers(folder):
    tiny = Tiny()
    pictures = _pictures()
    batches = list(tiny.python_files().values())
    tree = {f"{s}/{c}/{n}.png": pictures[0] for s in ("train", "val") for c in "ab" for n in "12"}
    archives = [
        tiny.python_archive(),
        tiny.binary_archive(),
        tiny.mirror_archive(),
        tar_bytes(tree),
    ]
    packed = [*archives, *(gzip.decompress(archive) for archive in archives)]
    small = [batches[0], pictures[0], b"[1, 2, 3]"]

    def built_tar(random):
        contents = structures.tar_archive(random, small)
        return contents if random.randrange(2) else gzip.compress(contents, 1)

    def renamed_tar(random):
        names = random.sample(structures.NAMES[:24], 3) + ["train/a/1.png", "val/a/1.png"]
        files = {name: random.choice(small) for name in names if "\0" not in name}
        return tar_bytes(files, random.choice(("w", "w:gz")))

    def check(name, shape, dtype):
        if name not in ("x", "y") or len(shape) > 4 or np.prod(shape, dtype=float) > 10**6:
            raise ValueError(f"{name} is {dtype}")

    def one_batch(contents):
        (folder / "batches" / "data_batch_1").write_bytes(contents)
        return read_folder(folder / "batches", tiny.spec)

    def published(path):
        arrays = read_set(path, tiny.spec)
        if tiny.spec.differences(arrays):
            raise DataError("damaged")
        for name, array in tiny.arrays.items():
            np.testing.assert_array_equal(arrays[name], array)

    def picture(path):
        with open_pictures() as read_picture:
            return read_picture(path, (32, 32))

    (folder / "batches").mkdir()
    for name, contents in tiny.python_files().items():
        (folder / "batches" / name).write_bytes(contents)
    sheet = tiny.mirror_files()["data_batch_1.png"]
    tars = {"seeds": packed, "build": [built_tar, renamed_tar]}
    sets = _arrays_npz(**tiny.arrays)
    arrays = _arrays_npz(x=np.arange(24, dtype="uint8").reshape(2, 3, 4), y=np.arange(3))
    streams = [structures.pickle_stream, structures.nested_pickle]
    return {
        "pickle": Reader(batches, load_arrays, build=streams),
        "cifar batch": Reader(batches, one_batch, build=streams),
        "cifar archive": Reader(
            read=_through(folder / "a", lambda p: read_archive(p, tiny.spec)), **tars
        ),
        "tar": Reader(
            read=_through(folder / "b", lambda p: read_members(p, lambda _: True)), **tars
        ),
        "picture archive": Reader(
            read=_through(folder / "c", lambda p: ArchiveSource(p).class_names), **tars
        ),
        "cifar npz": Reader(
            sets,
            _through(folder / "d", lambda p: read_set(p, tiny.spec)),
            build=[lambda random: structures.npz(random, list(tiny.arrays))],
        ),
        "cifar cache": Reader(
            sets[:1],
            _through(folder / "g", published),
            fault="the cache of CIFAR-10 damaged at any byte",
        ),
        "npz": Reader(
            arrays,
            _through(folder / "e", lambda p: read_npz(p, check)),
            build=[lambda random: structures.npz(random, ["x", "y"])],
        ),
        "picture": Reader(
            pictures, lambda c: decode_square(c, 8, max_pixels=10**6), build=[structures.png]
        ),
        "small picture": Reader(
            pictures[:4], _through(folder / "f.png", picture), build=[structures.png]
        ),
        "sheet": Reader([sheet], lambda c: read_sheet(c, 4, "sheet"), build=[structures.png]),
        "picture cache": _cache_reader(folder / "cache"),
        "picture folder": _place(
            folder_reader(folder / "tree", pictures[0]),
            "links, loops, pipes, sockets and names of any bytes in a folder of pictures",
        ),
        "download": _place(
            host_reader(folder / "fetched"),
            "a download cut at any byte, and a host that lies",
        ),
    }


def _place(functions, fault):
    case, read = functions
    reader = Reader([], read, fault=fault)
    reader.case = case
    return reader


def _cache_reader(folder):
    """Damage to the pixels or the index of decoded pictures: the right ones, or none."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype("uint8")
    cache = ImageCache(folder)

    def fill(put):
        for position, image in enumerate(images):
            put(position, image)
        return {"labels": [0, 1, 2, 3, 4]}

    cache.store("set", "print", images.shape, fill)
    paths = [folder / "set.pixels", folder / "set.index"]
    whole = [path.read_bytes() for path in paths]

    def read(contents):
        number = contents[0] % 2
        paths[number].write_bytes(contents[1:])
        try:
            found = cache.load("set", "print")
            if found is not None:
                np.testing.assert_array_equal(found[0], images)
                assert found[1]["labels"] == [0, 1, 2, 3, 4]
        finally:
            paths[number].write_bytes(whole[number])

    def case(random):
        number = random.randrange(2)
        return bytes([number]) + mutate(random, whole[number])

    reader = Reader([], read, fault="the cache of decoded pictures damaged at any byte")
    reader.case = case
    return reader


def _run_folder(folder):
    folder.mkdir()
    recipe = dataclasses.replace(CIFAR_RECIPES["quick"], epochs=2)
    run_folder.write_recipe(folder, recipe)
    run_folder.write_json(folder / "environment.json", {"versions": {"keras": "3"}, "command": []})
    rows = [{"epoch": n, "loss": 1.5, "val_accuracy": 0.5, "seconds": 9.0} for n in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = {
        "name": "quick",
        "validated_on": "test",
        "accuracy": 0.5,
        "top_k_accuracy": None,
        "loss": 1.0,
        "epochs": 2,
        "seconds": 9.0,
        "images_per_second": 100.0,
    }
    run_folder.write_json(folder / "result.json", result)
    shares = np.full((4, 3), 1 / 3, "float32")
    pictures = np.zeros((2, 8, 8, 3), "uint8")
    labels, worst = np.array([0, 1, 2, 2]), np.array([1, 2])
    save_predictions(Predictions(labels, shares, ("a", "b", "c"), worst, pictures), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _one_line(read):
    """A reader whose errors are also checked to be one printable line."""

    def checked(contents):
        try:
            return read(contents)
        except (DataError, RecipeError) as error:
            assert "\n" not in str(error) and len(str(error)) < 2000, "not one line"
            raise

    return checked


def _recipe_readers(folder):
    whole = _run_folder(folder / "run")
    documented = (RecipeError,)
    recipes = []
    for recipe in (*CIFAR_RECIPES.values(), *WOOF_RECIPES.values()):
        run_folder.write_recipe(folder, recipe)
        recipes.append((folder / "recipe.json").read_bytes())

    def read_recipe(path):
        recipe = run_folder.read_recipe(path.parent)
        assert isinstance(recipe, Recipe) and recipe.name.isprintable()

    def changed(random):
        return structures.changed_json(random, json.loads(random.choice(recipes)))

    def in_run(contents):
        """The first byte says which file of the folder the others are."""
        names = sorted(whole)
        name = names[contents[0] % len(names)]
        (folder / "run" / name).write_bytes(contents[1:])
        try:
            # Pictures would take a second each; what they show is checked before.
            with mock.patch.object(report_sections, "drawn", lambda *_: None):
                html = report.run_page(read_run(folder / "run"))
            assert "<script" not in html and html.encode("utf-8", "replace")
        finally:
            (folder / "run" / name).write_bytes(whole[name])

    def run_case(random):
        number = random.randrange(len(whole))
        name = sorted(whole)[number]
        contents = whole[name]
        if random.randrange(2) and name.endswith(".json"):
            made = structures.changed_json(random, json.loads(contents))
        elif random.randrange(2) and name.endswith(".jsonl"):
            rows = contents.splitlines()
            row = random.randrange(len(rows))
            rows[row] = structures.changed_json(random, json.loads(rows[row]))
            made = b"\n".join(rows)
        else:
            made = mutate(random, contents, list(whole.values()))
        return bytes([number]) + made

    run = Reader([], in_run, documented)
    run.case = run_case
    rows = whole["metrics.jsonl"]
    predictions = [whole["predictions.npz"]]
    names = [field.name for field in dataclasses.fields(Predictions)]

    def lines(path):
        read_json_lines(path)
        read_rows(path, needed=("val_accuracy",))

    def changed_rows(random):
        made = [structures.changed_json(random, json.loads(line)) for line in rows.splitlines()]
        return b"\n".join(made)

    (folder / "lines").mkdir()
    return {
        "recipe.json": Reader(
            recipes, _through(folder / "recipe.json", read_recipe), documented, [changed]
        ),
        "run folder": run,
        "metrics.jsonl": Reader(
            [rows],
            _through(folder / "lines" / "metrics.jsonl", lines),
            # Text that is none is a ValueError of `read_json_lines`.
            (RecipeError, UnicodeDecodeError),
            [changed_rows],
        ),
        "predictions.npz": Reader(
            predictions,
            _through(folder / "predictions.npz", lambda p: load_predictions(p.parent)),
            documented,
            [lambda random: structures.npz(random, names), _changed_predictions(predictions[0])],
        ),
    }


def _changed_predictions(whole):
    """Arrays of the right names, one of them of another shape or type."""
    with np.load(io.BytesIO(whole)) as file:
        arrays = dict(file)

    def build(random):
        name = random.choice(list(arrays))
        array = arrays[name]
        other = random.choice(list(arrays.values()))
        changes = [
            lambda: other,
            lambda: array[:0],
            lambda: array[None],
            lambda: array.ravel(),
            lambda: np.full(array.shape, random.choice(structures.FLOATS)),
            lambda: np.full(array.shape, random.choice(structures.NUMBERS[:15])),
            lambda: array.astype("S"),
            lambda: np.asfortranarray(array),
        ]
        buffer = io.BytesIO()
        np.savez(buffer, **arrays | {name: random.choice(changes)()})
        return buffer.getvalue()

    return build


def _model_readers(folder):
    import keras

    from keras_twist.models import load_torch_state_dict

    layers = [
        keras.Input((4, 4, 2)),
        keras.layers.Conv2D(3, 3, use_bias=False, name="stem_conv1"),
        keras.layers.BatchNormalization(name="stem_norm1"),
        keras.layers.DepthwiseConv2D(1, use_bias=False, name="stage1_block1_conv1"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, name="dense"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    path = folder / "checkpoint.npz"
    progress = {"step": 1, "steps_per_epoch": 2, "seconds": 1.0, "epoch_seconds": 0.0}
    state_file.save(path, model, progress, Trainer(model))
    seeds = [path.read_bytes()]
    with np.load(path) as file:
        arrays = dict(file)

    def restore(path):
        checkpoint.Checkpoint(path.parent, _Clock(), None, 5.0, 2, None).restore(model)

    def changed_header(random):
        header = json.loads(arrays["header"].tobytes())
        header = structures.changed_json(random, random.choice((header, header["progress"])))
        buffer = io.BytesIO()
        np.savez(buffer, **arrays | {"header": np.frombuffer(header, np.uint8)})
        return buffer.getvalue()

    state = {
        "0.0.weight": np.zeros((3, 2, 3, 3), "f4"),
        "4.0.convpath.0.0.weight": np.zeros((3, 1, 1, 1), "f4"),
        "9.weight": np.zeros((2, 3), "f4"),
        "9.bias": np.zeros(2, "f4"),
    }
    state |= {
        f"0.1.{part}": np.zeros(3, "f4")
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }

    def load_state(contents):
        random = python_random.Random(contents)
        changed = dict(state)
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            name = random.choice([*changed, *_STATE_NAMES, "9" * 5000 + ".0.conv"])
            if not random.randrange(3):
                changed.pop(name, None)
                continue
            shape = random.choice([a.shape for a in state.values()] + [(), (0,), (1,) * 6, (3, 3)])
            kind = random.choice(("f4", "f4", "f8", "i8", "U3", "O", "c8", "?"))
            changed[name] = random.choice(
                (np.zeros(shape, kind), np.full(shape, np.nan), "text", None, [[1], [2, 3]], {})
            )
        load_torch_state_dict(model, changed)

    def state_case(random):
        return random.randbytes(8)

    torch = Reader([], load_state, (ValueError,))
    torch.case = state_case
    return {
        "checkpoint.npz": Reader(
            seeds,
            _through(path, restore),
            (RecipeError,),
            [changed_header, lambda random: structures.npz(random, ["header", "v0", "v1", "v2"])],
        ),
        "torch weights": torch,
    }


_STATE_NAMES = ["0.0.bias", "0.1.weight_orig", "4.0.sa.gamma", "1.0.weight", "weight", "", "x.y.z"]


class _Clock:
    """Stands for the stopwatch."""

    def carry_over(self, seconds, epoch_seconds):
        pass


def make_readers(folder):
    """Dict from a name to a `Reader`; `folder` is an empty one for files."""
    folder = Path(folder)
    readers = _data_readers(folder) | _recipe_readers(folder) | _model_readers(folder)
    for name, reader in readers.items():
        reader.read = _one_line(reader.read)
        reader.fault = reader.fault or f"damaged or hostile: {name}"
    return readers
