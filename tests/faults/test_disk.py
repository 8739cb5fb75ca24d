"""A disk that is full or read-only, at any time: one line, and nothing lost when it is mended."""

import os
import random
import subprocess
import sys

import pytest

from . import tools

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk"
)


@pytest.fixture
def small_disk():
    """Function that mounts a disk of so many bytes as a run's `runs`, and a way to remount it."""
    mounted = []

    def mount(run, *options):
        runs = run.folder / "runs"
        runs.mkdir(exist_ok=True)
        remount = ["remount"] if runs in mounted else []
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*remount, *options]), "tmpfs", runs]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr}")
        mounted.append(runs)

    yield mount
    for runs in set(mounted):
        subprocess.run(["umount", runs], check=True)


def last_line(run):
    text = run.text("err")
    assert "Traceback" not in text, text
    return text.splitlines()[-1]


def test_full(seed, make_run, undisturbed, small_disk):
    """Disk full at some byte of the run folder; room made, and gone on with."""
    original, run = undisturbed("assignment"), make_run("assignment")
    whole = sum(path.stat().st_size for path in original.path.iterdir())
    small_disk(run, f"size={random.Random(seed).randint(8192, whole // 2)}")
    assert run.go_on() in (0, 2)  # 0 if there was no room for the pictures alone.
    assert "No space left on device" in last_line(run)
    small_disk(run, "size=64m")
    assert run.go_on() == 0, run.text("err")
    run.assert_same_end(original)


def test_full_at_a_change_of_a_file(seed, request, make_run, undisturbed, record_property):
    """Disk full when a file of the run folder is opened, renamed or removed."""
    original = undisturbed("assignment")
    numbers = tools.sample_events(original, seed, request.config)
    for number in numbers:
        run = make_run("assignment")
        run.start(fault={"kind": "file event", "number": number, "act": "full"}).wait()
        assert "No space left on device" in last_line(run)
        assert run.go_on() == 0, run.text("err")
        run.assert_same_end(original)
    record_property("times", len(numbers))


def test_read_only(make_run, undisturbed, small_disk):
    """Run folder turned read-only while training."""
    run = make_run("assignment")
    small_disk(run, "size=64m")
    process = run.start()
    process.wait_for(lambda: run.path and (run.path / "checkpoint.npz").exists())
    process.wait_for(lambda: _remounted_read_only(small_disk, run))
    assert process.wait() == 2
    assert "Read-only file system" in last_line(run)
    small_disk(run, "rw", "size=64m")
    assert run.go_on() == 0, run.text("err")
    run.assert_same_end(undisturbed("assignment"))


def _remounted_read_only(mount, run):
    # Refused while a file is open for writing.
    command = ["mount", "-o", "remount,ro", run.folder / "runs"]
    return subprocess.run(command, capture_output=True).returncode == 0
