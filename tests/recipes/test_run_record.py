"""Run folders are read whole or refused with one line that names the file."""

import json
import os

import pytest

from keras_twist.recipes import RecipeError
from keras_twist.recipes.run_record import read_run


def test_a_whole_folder(make_run):
    run = read_run(make_run())
    assert run.name == "quick-1" and run.recipe["task"] == "cifar" and len(run.rows) == 3
    assert run.result["accuracy"] == 0.8333 and run.predictions.class_names == (
        "cat",
        "dog",
        "ship",
    )
    assert run.schedule.startswith(b"\x89PNG") and run.twist == run.schedule


def test_what_a_run_may_lack(make_run):
    folder = make_run()
    (folder / "predictions.npz").unlink()
    (folder / "schedule.png").unlink()
    (folder / "twist.png").unlink()
    run = read_run(folder)
    assert run.predictions is None and run.schedule is None and run.twist is None


def without(name):
    return lambda folder: (folder / name).unlink()


def holding(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def changed(name, **changes):
    def change(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def folder_in_place(folder):
    (folder / "result.json").unlink()
    (folder / "result.json").mkdir()


def pipe(name):
    """Opening it would wait for ever."""

    def change(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


DAMAGES = {
    "no recipe": (without("recipe.json"), "recipe.json cannot be read; is this the folder"),
    "no result": (without("result.json"), "result.json cannot be read; has the run ended"),
    "no environment": (without("environment.json"), "environment.json cannot be read"),
    "no metrics": (without("metrics.jsonl"), "metrics.jsonl is .*: it has 0 of 3 epochs"),
    "folder": (folder_in_place, "result.json cannot be read"),
    "torn": (holding("recipe.json", b'{"name":'), "recipe.json is damaged"),
    "list": (holding("environment.json", b"[]"), "environment.json is damaged: not an object"),
    "deep": (holding("result.json", b"[" * 10**5), "result.json is damaged"),
    "bytes": (holding("metrics.jsonl", b"\xff\n"), "metrics.jsonl is damaged"),
    "row": (holding("metrics.jsonl", b"[1]\n"), "line 1 is not that of epoch 1"),
    "order": (holding("metrics.jsonl", b'{"epoch": 2}\n'), "line 1 is not that of epoch 1"),
    "words": (holding("metrics.jsonl", b'{"epoch": 1, "loss": "low"}\n'), "line 1 is not that"),
    "epochs": (changed("result.json", epochs=4), "it has 3 of 4 epochs"),
    "type": (changed("result.json", accuracy="high"), "no usable `accuracy`"),
    "picture": (holding("schedule.png", b"GIF"), "schedule.png is damaged: not a whole PNG"),
    "predictions": (holding("predictions.npz", b"PK"), "predictions.npz is damaged"),
    "deeper": (holding("environment.json", b'{"a":' * 500 + b"1" + b"}" * 500), "20 deep"),
    "not finite": (changed("result.json", seconds=float("nan")), "a number that is not finite"),
    "too large": (changed("result.json", accuracy=10**400), "an integer of more than 64 bits"),
    "digits": (holding("metrics.jsonl", b'{"epoch": ' + b"9" * 5000 + b"}\n"), "0 of 3 epochs"),
    "deep row": (holding("metrics.jsonl", b"[" * 10**5 + b"\n"), "0 of 3 epochs"),
    "infinite": (holding("metrics.jsonl", b'{"epoch": 1, "loss": 1e999}\n'), "not finite"),
    **{
        f"{name} is a pipe": (pipe(name), name + " (cannot be read|is damaged)")
        for name in ("recipe.json", "result.json", "metrics.jsonl", "schedule.png")
    },
    "predictions are a pipe": (pipe("predictions.npz"), "predictions.npz is damaged"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_in_one_line(damage, message, make_run):
    folder = make_run()
    damage(folder)
    with pytest.raises(RecipeError, match=message) as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)
