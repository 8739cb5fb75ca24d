"""The scripts' one call, made in this process, where a process of its own would prove no more."""

import pytest

from keras_twist.recipes import cifar_recipes, woof_recipes
from keras_twist.recipes.cli import main
from keras_twist.recipes.published_flags import WOOF


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Function from a script's name and arguments to exit code, output and errors."""
    scripts = {
        "train_cifar.py": ((cifar_recipes.CIFAR_RECIPES, cifar_recipes.ABOUT, "quick"), {}),
        "train_woof.py": (
            (woof_recipes.WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50_twist"),
            {"flags": WOOF},
        ),
    }

    def calling(script, *arguments):
        monkeypatch.chdir(tmp_path)
        given, options = scripts[script]
        code = main(*given, list(map(str, arguments)), **options)
        return code, *capsys.readouterr()

    return calling
