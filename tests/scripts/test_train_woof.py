"""`train_woof.py` as people run it, with the published command lines, on a tiny ImageWoof."""

import json
import re
import shlex

import keras
import pytest

from .tools import run, run_folder

pytestmark = pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes train on two")
SCRIPT = "train_woof.py"
# Small enough for a test; all else stands in the command lines.
SMALL = shlex.split("--arch mxresnet18 --size 32 --width 4 --bs 16 --precision float32")
# As published, but for the number of epochs and, of the notebook, groups, whose convolutions XLA
# takes its time to compile on a CPU.
TWIST = shlex.split(
    "--run 1 --woof 1 --mixup 0 --epoch 3 --lr 4e-3 --gpu 0 --opt ranger --mom .95 "
    "--sched_type flat_and_anneal --ann_start 0.72 --sa 1"
)
NOTEBOOK = shlex.split(
    "--arch xse_resnet18 --sh 0.3 --sym 1 --act_fn Mish --pool AvgPool --epochs 1 "
    "--wd 1e-2 --sqrmom .99 --eps 1e-6 --beta 0 --sa 1"
)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A Keras home of its own, so that decoded pictures do not end up in the person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        yield


@pytest.fixture(scope="module")
def finished(tiny_woof, tmp_path_factory):
    """The published command line of ResNet with a Twist, undisturbed."""
    folder = tmp_path_factory.mktemp("finished")
    code, out, err = run(SCRIPT, folder, *TWIST, *SMALL, "--data_dir", tiny_woof)
    assert code == 0, err
    return run_folder(folder), out, err


def test_the_twists_command_line_works_word_for_word(finished):
    folder, out, err = finished
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe | {
        "task": "woof", "model": "mxresnet18", "conv": "twist", "dataset": "imagewoof",
        "optimizer": "ranger", "momentum": 0.95, "learning_rate": 4e-3, "mixup": 0.0,
        "schedule": "flat_cosine", "anneal_start": 0.72, "self_attention": True,
    } == recipe  # fmt: skip
    lines = out.splitlines()
    assert lines[0].split()[:5] == "epoch train_loss valid_loss accuracy top_k_accuracy".split()
    assert [line.split()[0] for line in lines[1:-1]] == ["1", "2", "3"]
    assert re.match(r"mxresnet50_twist: [\d.]+ % validation accuracy \(top 5: ", lines[-1])
    assert "Traceback" not in err
    model = keras.saving.load_model(folder / "model.keras")
    assert type(model.get_layer("stem_conv3")).__name__ == "TwistLayer"
    assert type(model.get_layer("stem_conv1")).__name__ == "Conv2D"


def test_the_notebooks_command_line_works_word_for_word(tiny_woof, call, tmp_path):
    code, out, err = call(SCRIPT, *SMALL, *NOTEBOOK, "--data_dir", tiny_woof)
    assert code == 0, err
    recipe = json.loads((run_folder(tmp_path) / "recipe.json").read_text())
    assert recipe["erasing_area"] == 0.3 and recipe["symmetric"] is True
    assert recipe["epsilon"] == 1e-6 and recipe["pool"] == "avg" and recipe["seed"] == 0
    assert out.splitlines()[-1].startswith(f"{recipe['name']}: ")


def test_dump_prints_the_model_and_does_not_train(call, tmp_path):
    # No pictures are needed for that, and none are fetched.
    arguments = shlex.split("--arch xresnet18 --fp16 0 --runs 5 --dump 1 --data_dir nowhere")
    code, out, err = call(SCRIPT, *arguments)
    assert code == 0, err
    assert "stage4_block2_conv2" in out and "Total params: 11,2" in out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "vgg"], "'vgg'"),
        (["--beta", "50"], "--beta can only be 0 here"),
        (["--data_dir", "."], "holds no ImageWoof"),
        (["--runs", "0"], "--runs must be at least 1"),
        (["--opt", "sophia"], "'sophia'"),
    ],
    ids=["arch", "beta", "data", "runs", "opt"],
)
def test_bad_input_gets_one_line(arguments, message, call):
    code, out, err = call(SCRIPT, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and err.startswith("error: ") and message in err
