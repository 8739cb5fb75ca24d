"""The command line: recipes, fields, the published scripts' short flags, one-line errors, help."""

import dataclasses
import io
import re
import sys
import warnings
from pathlib import Path

import keras
import pytest

from keras_twist.recipes import (
    CIFAR_RECIPES,
    WOOF_RECIPES,
    RecipeError,
    cifar_recipes,
    run_folder,
    woof_recipes,
)
from keras_twist.recipes.cifar_recipes import ABOUT
from keras_twist.recipes.command_line import GROUPS, field_texts, parse
from keras_twist.recipes.options import Options
from keras_twist.recipes.published_flags import COMMON, WOOF


def parsed(*arguments):
    return parse(CIFAR_RECIPES, ABOUT, "quick", list(arguments))


def test_no_argument_runs_the_default():
    assert parsed() == (CIFAR_RECIPES["quick"], Options())


def test_any_field_can_be_changed():
    recipe, options = parsed(
        "davidnet", "--epochs", "3", "--flip", "False", "--activation", "mish",
        "--learning-rate", "0.2", "--data_dir", "somewhere", "--width=32",
    )  # fmt: skip
    assert recipe == dataclasses.replace(
        CIFAR_RECIPES["davidnet"],
        epochs=3, flip=False, activation="mish", learning_rate=0.2, width=32,
    )  # fmt: skip
    assert options.data_dir == Path("somewhere")


def test_the_published_short_flags_are_understood():
    recipe, _ = parsed(
        "resnet9", "--lr", "0.035", "--bs=256", "--mom", ".9", "--epoch", "20", "--wd", "1e-2"
    )
    assert recipe == dataclasses.replace(
        CIFAR_RECIPES["resnet9"],
        learning_rate=0.035, batch_size=256, momentum=0.9, epochs=20, weight_decay=1e-2,
    )  # fmt: skip


def test_resume_brings_its_own_recipe():
    assert parsed("--resume", "runs/x", "--data_dir", "d") == (
        None,
        Options(resume=Path("runs/x"), data_dir=Path("d")),
    )


@pytest.mark.parametrize("name", ["dataset", "model", "mixup"])
def test_folders_may_be_called_as_fields_are(name):
    folder = Path(name)
    assert parsed("--resume", name) == (None, Options(resume=folder))
    assert parsed("--resume", "x", "--data_dir", name)[1].data_dir == folder
    assert parsed("--trained", "x", "--predict", name)[1].predict == (folder,)


def test_replay_takes_another_seed_and_machine(tmp_path):
    recipe = dataclasses.replace(
        CIFAR_RECIPES["davidnet"], epochs=3, seed=2, precision="mixed_float16", xla="off"
    )
    run_folder.write_recipe(tmp_path, recipe)
    assert parsed("--replay", str(tmp_path))[0] == recipe
    for arguments in (["--seed", "0"], ["--seed=0", "--runs", "2"]):
        assert parsed("--replay", str(tmp_path), *arguments)[0] == dataclasses.replace(
            recipe, seed=0
        )
    arguments = ["--xla", "auto", "--precision", "float32"]
    assert parsed("--replay", str(tmp_path), *arguments)[0] == dataclasses.replace(
        recipe, xla="auto", precision="float32"
    )


def test_lr_find_is_a_plain_flag():
    recipe, options = parsed("davidnet", "--lr_find", "--bs", "128", "--lr_find_steps", "60")
    assert recipe == dataclasses.replace(CIFAR_RECIPES["davidnet"], batch_size=128)
    assert options == Options(lr_find=True, lr_find_steps=60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quik"], "unknown recipe 'quik'; there are quick, .* Did you mean quick?"),
        (["davidnet", "--epochs", "0"], "Field `epochs` must be at least 1. Received: epochs=0"),
        (["davidnet", "--epochs", "many"], "^--epochs: invalid literal .*'many'$"),
        (["--batchsize", "3"], "Unrecognized options: --batchsize.*Did you mean --batch_size?"),
        (["--flip", "perhaps"], "'perhaps'.*--flip"),
        (["--epochs"], "--epochs"),
        (["davidnet", "extra"], "extra"),
        (["--epochs", "3", "fast"], "the recipe comes first, and is one: fast, then"),
        (["quick", "davidnet"], "the recipe comes first, and is one: davidnet, then"),
        (["fast", "--nesterov"], "^--nesterov needs True or False"),
        (["--model", "vgg"], "'vgg'.*--model"),
        (["davidnet", "--resume", "x"], "--resume brings its own recipe"),
        (["--resume", "x", "--epochs", "3"], "--resume brings its own recipe"),
        (["--resume", "x", "--epochs", "4"], "--resume brings its own recipe"),  # the default's
        (["--replay", "x", "--batch-size=512"], "--replay brings .*, and change no field but seed"),
        (["quick", "--replay", "x", "--seed", "1"], "--replay brings its own recipe"),
        (["--resume", "x", "--seed", "1"], "--resume brings .*, and change no field[.]"),
        (["davidnet", "--trained", "x", "--predict", "y"], "--trained brings its own recipe"),
        (["--resume", "x", "--lr_find"], "--lr_find and --resume exclude each other"),
        (["--dry_run", "--dump", "--lr_find"], "--dry_run and --dump and --lr_find exclude"),
        (["--resume", "x", "--runs", "3"], "--resume cannot be given together with --runs"),
        (["--lr_find", "--runs", "3", "--log", "csv"], "--lr_find .* with --log and --runs"),
        (["--trained", "x", "--log", "csv", "--export", "keras"], "--trained .* with --log"),
        (["--resume", "x", "--runs_dir", "y"], "--resume cannot be given together with --runs_dir"),
        (["--dump", "--checkpoint_minutes", "1"], "--dump .* with --checkpoint_minutes"),
        (["--dry_run", "--export", "keras"], "--dry_run cannot be given together with --export"),
        (["--export", "--quiet"], "--export needs a value"),
        (["--lr_find_steps", "50"], "--lr_find_steps needs --lr_find."),
        (["--predict", "x"], "--predict needs the folder of a run: --trained RUN"),
        (["--trained", "x"], "--trained needs something to do: --predict or --export"),
        (["--dump", "--json"], "give neither --json nor --quiet"),
        (["--runs", "0"], "--runs must be at least 1. Received: --runs 0"),
        (["--log", "cvs"], "^invalid choice 'cvs' for argument '--log'.*'tensorboard'[)].$"),
    ],
)
def test_wrong_arguments_get_one_line(arguments, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parsed(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--start_factor", "0.1"], "`start_factor` needs schedule='linear' or 'one_cycle' or"),
        (["--anneal_start=0.5", "--schedule=linear"], "`anneal_start` needs schedule='flat_cos"),
        (["--pct-start", "0.4"], "`pct_start` needs schedule='linear' or 'one_cycle'"),
        (["--cycles", "2"], "`cycles` needs schedule='cyclic'"),
        (["--opt", "sgd", "--beta_2", "0.9"], "`beta_2` needs optimizer='ranger' or .* 'rms'"),
        (["--opt", "muon", "--epsilon", "1e-3"], "`epsilon` needs optimizer='ranger' or"),
        (["--opt", "rms", "--momentum", "0.9"], "`momentum` needs optimizer='ranger' or"),
        (["--sa", "0", "--symmetric", "True"], "`symmetric` needs self_attention=True"),
    ],
)
def test_a_field_that_would_do_nothing_is_refused(arguments, message):
    with pytest.raises(RecipeError, match=message):
        parse(WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50", arguments, WOOF)


def test_flags_of_the_published_scripts_may_do_nothing():
    line = "--opt sgd --sqrmom .99 --eps 1e-6 --sched_type one_cycle --ann_start 0.7 --sa 0 --sym 1"
    recipe, _ = parse(WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50", line.split(), WOOF)
    assert (recipe.optimizer, recipe.schedule, recipe.symmetric) == ("sgd", "one_cycle", True)


def test_a_recipe_keeps_what_another_schedule_does_not_need():
    recipe, _ = parsed("fast", "--schedule", "flat_cosine", "--anneal_start", "0.5")
    assert recipe.pct_start == CIFAR_RECIPES["fast"].pct_start
    with pytest.raises(RecipeError, match="`alternating_flip` needs flip=True"):
        parsed("fast", "--flip", "False", "--alternating_flip", "True")


def test_a_replay_by_another_backend_warns(tmp_path):
    run_folder.write_recipe(tmp_path, CIFAR_RECIPES["quick"])
    here = keras.backend.backend()
    other = "jax" if here == "tensorflow" else "tensorflow"
    for backend in ("nonsense", here):
        run_folder.write_json(tmp_path / "environment.json", {"backend": backend})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parsed("--replay", str(tmp_path))
    run_folder.write_json(tmp_path / "environment.json", {"backend": other})
    with pytest.warns(UserWarning, match=f"was trained with KERAS_BACKEND={other}; {here} draws"):
        parsed("--replay", str(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_errors_are_found_in_boxes_of_any_kind(encoding, monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(RecipeError, match="^--epochs: invalid literal .*: 'many'$"):
        parsed("--epochs", "many")


def test_many_names_are_told_by_the_closest():
    def message(name):
        with pytest.raises(RecipeError) as caught:
            parse(WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50", ["--arch", name], WOOF)
        return str(caught.value)

    assert message("resnet50") == (
        "invalid choice 'resnet50' for argument --model. The closest are xresnet50, xresnext50, "
        "mxresnet50. --help lists all 27."
    )
    assert message("vgg") == "invalid choice 'vgg' for argument --model. --help lists all 27."


def test_several_values_and_plain_flags():
    _, options = parsed("--log", "csv", "tensorboard", "--export=onnx", "--quiet", "--json")
    assert options == Options(log=("csv", "tensorboard"), export=("onnx",), quiet=True, json=True)
    _, options = parsed("--trained", "run", "--predict", "a.png", "b.png")
    assert options.predict == (Path("a.png"), Path("b.png"))


@pytest.mark.parametrize(
    ("recipes", "about", "default", "published"),
    [
        (CIFAR_RECIPES, cifar_recipes.ABOUT, "quick", COMMON),
        (WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50_twist", WOOF),
    ],
)
def test_help_has_every_field_in_one_group_and_no_long_line(
    recipes, about, default, published, monkeypatch
):
    screen = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(screen, encoding="utf-8"))
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        parse(recipes, about, default, ["--help"], published, "Text.\npython a.py  # trains\n")
    assert stop.value.code == 0
    sys.stdout.flush()
    text = screen.getvalue().decode()
    assert max(map(len, text.splitlines())) <= 100
    box = re.compile(r"^╭─ ([a-z ]+?) options ─+╮$(.*?)^╰", re.DOTALL | re.MULTILINE)
    boxes = dict(box.findall(text))
    assert list(boxes) == list(GROUPS)
    flags = {title: re.findall(r"^│ --(\w+)", box, re.MULTILINE) for title, box in boxes.items()}
    fields = {field.name for field in dataclasses.fields(recipes[default])}
    fields |= {field.name for field in dataclasses.fields(Options)}
    assert sorted(flag for names in flags.values() for flag in names) == sorted(fields)
    assert flags["machine"] == [
        "precision",
        "xla",
        "feed",
        "deterministic",
        "gpu",
        "strategy",
        "replicas",
    ]
    words = " ".join(text.replace("│", " ").split())
    assert f"Images per step. 1 or more. (default: {recipes[default].batch_size})" in words
    assert all(f"{name}: {about[name][:20]}" in words for name in recipes)
    for flag, (name, _) in published.items():
        assert flag == name or f"{flag} for {name}" in words
    assert text.endswith("\nexamples:\npython a.py  # trains\n")


def test_the_texts_of_fields_are_those_below_them():
    texts = field_texts(Options)
    assert texts.keys() == {field.name for field in dataclasses.fields(Options)}
    assert texts["runs_dir"] == "Folder in which the folder of the run is made."
    assert field_texts(cifar_recipes.CIFARRecipe)["epochs"].startswith(
        "Passes over the training set;"
    )
