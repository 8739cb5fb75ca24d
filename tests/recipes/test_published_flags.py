"""The published scripts' flags, in terms of this package's."""

import pytest

from keras_twist.recipes import WOOF_RECIPES, RecipeError
from keras_twist.recipes.command_line import parse
from keras_twist.recipes.published_flags import COMMON, WOOF, translate
from keras_twist.recipes.woof_recipes import ABOUT


def parsed(*arguments):
    return parse(WOOF_RECIPES, ABOUT, "mxresnet50_twist", list(arguments), WOOF)


def test_values_are_translated_with_their_flags():
    recipe, options = parsed(
        *"--act_fn ReLU --pool MaxBlurPool --woof 0 --twist 0 --fp16 0 --sa=1 --sym 1".split(),
        *"--sched_type one_cycle --opt sgd --run 3 --gpu 1 --meta anything --dump 0".split(),
        *"--start_factor .1 --end_factor .1 --arch xresnet34 --size 192 --sqrmom .9".split(),
    )
    assert (recipe.activation, recipe.pool, recipe.dataset) == ("relu", "max_blur", "imagenette")
    assert (recipe.conv, recipe.precision, recipe.self_attention) == ("conv", "float32", True)
    assert (recipe.symmetric, recipe.schedule, recipe.optimizer) == (True, "one_cycle", "sgd")
    assert (recipe.model, recipe.image_size, recipe.beta_2) == ("xresnet34", 192, 0.9)
    assert (options.runs, options.gpu, options.dump) == (3, 1, False)


def test_what_is_no_published_flag_is_left_alone():
    arguments = ["--pool", "max", "--epochs", "3", "--bs=5"]
    assert translate(arguments, WOOF) == ["--pool", "max", "--epochs", "3", "--batch_size", "5"]
    assert translate(["--sa", "1"], COMMON) == ["--sa", "1"]
    assert translate(["--bs"], COMMON) == ["--batch_size"]
    assert translate(["--dump", "--sa", "1"], WOOF) == ["--dump", "--self_attention", "True"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta", "20"], "--beta can only be 0"),
        (["--sa", "maybe"], "'maybe'.*--self_attention"),
        (["--pool", "MinPool"], "'MinPool'.*--pool"),
        (["--resume", "x", "--runs", "2"], "--resume cannot be given together with --runs"),
        (["--resume", "x", "--dump", "1"], "--dump and --resume exclude each other"),
    ],
)
def test_other_values_get_one_line(arguments, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parsed(*arguments)
    assert "\n" not in str(caught.value)
