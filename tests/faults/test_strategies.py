"""Two devices, two machines: the curve of one, and what happens when one of them goes."""

import json
import re
import signal
import socket
import time

import numpy as np
import pytest

from . import tools

# Batch normalisation takes the statistics of each share of a batch, so that curves with it differ.
WITHOUT = {"kind": "no batch normalisation"}
# With a smaller scale nothing would be learned. At a rate of 0.4, a rate that is greater by a
# millionth parts the curves of one device by a thousandth.
STEEP = ("--logit_scale", 1, "--learning_rate", 0.05)
# Sums of two halves in place of whole ones, through a few dozen steps.
ROUNDING = 1e-5
# The longest that the rest of a cluster may go on after a worker is gone.
BOUND = 60


@pytest.fixture(scope="module")
def make_pair(make_run):
    """Function from a recipe's name and arguments to the two `Run`s of a cluster on this machine.

    What they share is in the folder of the first, the chief.
    """

    def make(recipe, *arguments):
        arguments = ("--strategy", "multi_worker", *arguments)
        chief = make_run(recipe, *arguments)
        other = make_run(recipe, *arguments, "--runs_dir", chief.folder / "runs")
        return chief, other

    return make


@pytest.fixture(scope="module")
def undisturbed_pair(make_pair):
    """A cluster that nothing happened to, at its end."""
    pair = make_pair("davidnet")
    finish(pair)
    return pair


def start(pair, *arguments, fault=None, resume=None):
    """The processes of a cluster, on ports that nobody had a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in pair]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for number, run in enumerate(pair):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        run.environment = {"TF_CONFIG": json.dumps(task)}
        if resume:
            run.arguments = []
        processes.append(run.start(*arguments, fault=fault, resume=resume))
    return processes


def finish(pair, **options):
    """Let a cluster go to its end, and expect that it does."""
    codes = [process.wait() for process in start(pair, **options)]
    assert codes == [0, 0], [run.text("err") for run in pair]


def assert_same_curve(run, other, tolerance):
    """All numbers of all epochs are the same, or nearly so."""
    assert len(run.metrics()) == len(other.metrics()) > 2
    for line, expected in zip(run.metrics(), other.metrics(), strict=True):
        assert line.keys() == expected.keys()
        for name, value in line.items():
            # One image of 100 may fall on the other side.
            room = 0.0101 if "accuracy" in name else tolerance
            assert value == pytest.approx(expected[name], rel=room, abs=room), (name, line)
    # The last variable counts batches, in each copy.
    for value, expected in zip(run.state()[1][:-1], other.state()[1][:-1], strict=True):
        np.testing.assert_allclose(value, expected, rtol=10 * tolerance, atol=10 * tolerance)


def test_mirrored(make_run):
    """Two devices of one machine: the curve of one."""
    one = make_run("davidnet", *STEEP)
    two = make_run("davidnet", *STEEP, "--strategy", "mirrored", "--replicas", 2)
    for run in (one, two):
        run.finish(fault=WITHOUT)
    assert_same_curve(two, one, ROUNDING)


def test_mirrored_again_and_again(make_run):
    """Two devices of one machine, killed and gone on with: the same end."""
    runs = [make_run("mxresnet", "--strategy", "mirrored", "--replicas", 2) for _ in range(2)]
    runs[0].finish()
    assert runs[1].go_on(fault={"kind": "step", "number": 14, "seconds": 0}) == tools.KILLED
    runs[1].arguments = []
    assert runs[1].go_on() == 0, runs[1].text("err")
    runs[1].assert_same_end(runs[0])


def test_multi_worker(make_run, make_pair):
    """Two machines: the curve of one."""
    one, pair = make_run("davidnet", *STEEP), make_pair("davidnet", *STEEP)
    one.finish(fault=WITHOUT)
    finish(pair, fault=WITHOUT)
    assert_same_curve(pair[0], one, ROUNDING)
    assert not pair[1].path


@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "worker"])
def test_a_worker_is_killed(victim, make_pair, undisturbed_pair):
    """One of two machines goes: the other says so, and both go on to the same end."""
    pair = make_pair("davidnet")
    processes = start(pair)
    processes[victim].wait_for(lambda: pair[0].path and (pair[0].path / "checkpoint.npz").exists())
    processes[victim].send(signal.SIGKILL)
    begun = time.monotonic()
    assert processes[1 - victim].wait() == 2
    assert time.monotonic() - begun < BOUND
    said = pair[1 - victim].text("err").splitlines()
    assert re.fullmatch(
        r"error: another worker of the cluster is gone; start all of them again, with --resume \S+ "
        "from its last checkpoint.",
        said[-1],
    )
    assert "Traceback" not in "".join(said)
    processes[victim].wait()
    finish(pair, resume=pair[0].path)
    pair[0].assert_same_end(undisturbed_pair[0])


def test_a_worker_is_stopped(make_pair, undisturbed_pair):
    """SIGTERM to one of two machines: both stop with a checkpoint, and go on to the same end."""
    pair = make_pair("davidnet")
    processes = start(pair)
    processes[1].wait_for(lambda: pair[0].path and (pair[0].path / "checkpoint.npz").exists())
    processes[1].send(signal.SIGTERM)
    assert [process.wait() for process in processes] == [128 + signal.SIGTERM] * 2
    finish(pair, resume=pair[0].path)
    pair[0].assert_same_end(undisturbed_pair[0])
