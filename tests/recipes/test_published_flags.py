"""The published scripts' flags, in terms of this package's."""

import dataclasses

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
        *"--end_factor .01 --arch xresnet34 --size 192 --sqrmom .9".split(),
    )
    assert (recipe.activation, recipe.pool, recipe.dataset) == ("relu", "max_blur", "imagenette")
    assert (recipe.conv, recipe.precision, recipe.self_attention) == ("conv", "float32", True)
    assert (recipe.symmetric, recipe.schedule, recipe.optimizer) == (True, "one_cycle", "sgd")
    assert (recipe.start_factor, recipe.end_factor) == (0.04, 0.01)
    assert (recipe.model, recipe.image_size, recipe.beta_2) == ("xresnet34", 192, 0.9)
    assert (options.runs, options.gpu, options.dump) == (3, 1, False)


def test_what_is_no_published_flag_is_left_alone():
    arguments = ["--pool", "max", "--epochs", "3", "--bs=5"]
    assert translate(arguments, WOOF) == ["--pool", "max", "--epochs", "3", "--batch_size", "5"]
    assert translate(["--sa", "1"], COMMON) == ["--sa", "1"]
    assert translate(["--bs"], COMMON) == ["--batch_size"]
    assert translate(["--dump", "--sa", "1"], WOOF) == ["--dump", "--self_attention", "True"]


NOTEBOOK = (
    "--arch xse_resnext18 --sh 0.3 --sym 1 --act_fn Mish --fp16 1 --pool AvgPool --dump 1 --runs 5 "
    "--wd 1e-2 --sqrmom .99 --eps 1e-6 --beta 0"
)


def test_an_arch_of_fastais_is_the_notebooks_which_had_no_twist():
    recipe, options = parsed(*NOTEBOOK.split())
    assert options.dump and options.runs == 5
    assert recipe == dataclasses.replace(
        WOOF_RECIPES["xse_resnext18"], erasing_area=0.3, symmetric=True, activation="mish"
    )
    # As fit_flat_cos has them.
    assert (recipe.conv, recipe.anneal_start, recipe.end_factor) == ("conv", 0.75, 1e-5)
    assert parsed("--arch=xresnet50")[0].conv == "conv"
    assert parsed("--arch", "xresnet50", "--twist", "1")[0].conv == "twist"
    assert parsed("--arch", "mxresnet18")[0].conv == "twist"
    assert parsed("best5", "--epochs", "4")[0].name == "best5"
    assert parsed()[0] == WOOF_RECIPES["mxresnet50_twist"]


PUBLISHED = (
    "--run 1 --woof 1 --size 128 --bs 64 --mixup 0 --epoch 80 --lr 4e-3 --gpu 0 --opt ranger "
    "--mom .95 --sched_type flat_and_anneal --ann_start 0.72 --sa 1"
)


def test_resnet_with_a_twists_line_has_its_pools_and_not_the_recipes():
    recipe, _ = parsed(*PUBLISHED.split())
    assert recipe == dataclasses.replace(
        WOOF_RECIPES["mxresnet50_twist"], epochs=80, batch_size=64, learning_rate=4e-3, pool="avg"
    )
    assert WOOF_RECIPES["mxresnet50_twist"].pool == "max_blur"
    assert parsed(*PUBLISHED.split(), "--pool", "MaxPool")[0].pool == "max"


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
