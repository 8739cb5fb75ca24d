"""Two devices, two machines: the curve of one, and what happens when one of them goes."""

import json
import re
import signal
import socket
import time

import numpy as np
import pytest

from . import tools

WHOLE = {"kind": "synchronized"}
# Sums of two halves in place of whole ones, through a few dozen steps.
ROUNDING = 2e-3
# The longest that the rest of a cluster may go on after a worker is gone.
BOUND = 60


@pytest.fixture
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


def start(pair, *arguments, fault=None, resume=None):
    """The processes of a cluster, on ports that nobody had a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in pair]
    addresses = ["127.0.0.1:{}".format(one.getsockname()[1]) for one in sockets]
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
    for value, expected in zip(run.state()[1], other.state()[1], strict=True):
        np.testing.assert_allclose(value, expected, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("recipe", ["davidnet", "mxresnet"])
def test_mirrored(recipe, make_run):
    """Two devices of one machine: the curve of one."""
    one, two = make_run(recipe), make_run(recipe, "--strategy", "mirrored", "--replicas", 2)
    for run in (one, two):
        run.finish(fault=WHOLE)
    assert_same_curve(two, one, ROUNDING)


def test_multi_worker(make_run, make_pair):
    """Two machines: the curve of one."""
    one, pair = make_run("davidnet"), make_pair("davidnet")
    one.finish(fault=WHOLE)
    finish(pair, fault=WHOLE)
    assert_same_curve(pair[0], one, ROUNDING)
