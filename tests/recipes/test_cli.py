"""The command line: recipes, fields, the short flags of the published scripts, one-line errors."""

import dataclasses
from pathlib import Path

import pytest

from keras_twist.recipes import CIFAR_RECIPES, RecipeError
from keras_twist.recipes.cifar import ABOUT
from keras_twist.recipes.cli import Options, main, parse


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


def test_lr_find_is_a_plain_flag():
    recipe, options = parsed("davidnet", "--lr_find", "--bs", "128", "--lr_find_steps", "60")
    assert recipe == dataclasses.replace(CIFAR_RECIPES["davidnet"], batch_size=128)
    assert options == Options(lr_find=True, lr_find_steps=60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quik"], "unknown recipe 'quik'; there are quick, .* Did you mean quick?"),
        (["davidnet", "--epochs", "0"], "Field `epochs` must be at least 1. Received: epochs=0"),
        (["davidnet", "--epochs", "many"], "--epochs.*'many'"),
        (["--batchsize", "3"], "Unrecognized options: --batchsize.*Did you mean --batch_size?"),
        (["--flip", "perhaps"], "'perhaps'.*--flip"),
        (["--epochs"], "--epochs"),
        (["davidnet", "extra"], "extra"),
        (["--model", "vgg"], "'vgg'.*--model"),
        (["davidnet", "--resume", "x"], "--resume brings its own recipe"),
        (["--resume", "x", "--epochs", "3"], "--resume brings its own recipe"),
        (["--resume", "x", "--lr_find"], "--lr_find tests a recipe .* give no --resume"),
    ],
)
def test_wrong_arguments_get_one_line(arguments, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parsed(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_wrong_run_folder_ends_with_code_two(tmp_path, capsys):
    assert main(CIFAR_RECIPES, ABOUT, "quick", ["--resume", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is not the folder of a run: recipe.json cannot be read.\n"
    )


def test_help_explains_recipes_and_fields(capsys):
    with pytest.raises(SystemExit) as stop:
        parsed("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("quick", "davidnet", "--batch_size", "--learning_rate", "--resume"):
        assert word in text
    assert "batch-norm momentum" in text  # what the assignment recipe corrects
