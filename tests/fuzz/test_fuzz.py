"""The first cases of the fuzz of every reader; `python -m tests.fuzz` runs 100,000 of each."""

import os
import subprocess
import sys
import time

import keras
import pytest

from keras_twist.data import DataError

from . import runner
from .__main__ import _state
from .readers import Reader, make_readers
from .runner import run_cases

pytest.importorskip("PIL", reason="Pillow decodes the pictures")
if keras.backend.backend() != "tensorflow":
    pytest.skip("the recipes run on TensorFlow", allow_module_level=True)

# By their time: 150 cases of each take about ten seconds in all.
READERS = """pickle|cifar batch|cifar archive|tar|picture archive|cifar npz|cifar cache|npz|picture|
small picture|sheet|picture cache|picture folder|download|recipe.json|run folder|metrics.jsonl|
predictions.npz|checkpoint.npz|torch weights""".replace("\n", "").split("|")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return make_readers(tmp_path_factory.mktemp("fuzz"))


def test_every_reader_is_here(readers):
    assert list(readers) == READERS


@pytest.mark.parametrize("name", READERS)
def test_only_documented_errors_come_out(name, readers):
    found = run_cases(readers[name], name, seed=1, numbers=range(150))
    assert found["undocumented"] == []
    assert found["cases"] == 150
    assert found["read"] + sum(found["documented"].values()) == 150


def _unpickle(_):
    return {}["x"]


def _never_end(_):
    while True:
        pass


def _run_out_of_memory(_):
    raise DataError("damaged") from MemoryError()


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (_unpickle, "KeyError"),
        (_never_end, "TooLong: more than 0.05 seconds"),
        (_run_out_of_memory, "MemoryError behind a documented error"),
    ],
)
def test_what_the_fuzz_would_find(read, message, monkeypatch):
    """Whoever says that there is nothing has to show that it would be seen."""
    monkeypatch.setattr(runner, "CASE_SECONDS", 0.05)
    found = run_cases(Reader([b"seed"], read), "any", 0, range(2))
    assert [message in one["error"] for one in found["undocumented"]] == [True, True]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_who_waits_is_told_from_who_gets_no_turn():
    waits, seconds = _state(os.getpid())
    assert not waits and seconds > 0
    with subprocess.Popen(["sleep", "60"]) as process:
        waited = [time.sleep(0.1) or _state(process.pid)[0] for _ in range(5)]
        process.kill()
    assert waited[-1]
    assert _state(process.pid) == (False, 0.0)
