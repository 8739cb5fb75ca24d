"""Asked to stop, twice even; started twice; a clock that jumps."""

import signal

from . import tools


def stop(run, *signals):
    """The exit code of a run that is sent signals once it has a checkpoint."""
    process = run.start()
    process.wait_for(lambda: run.path and (run.path / "checkpoint.npz").exists())
    for signum in signals:
        process.send(signum)
    code = process.wait()
    assert "Traceback" not in run.text("err"), run.text("err")
    return code


def test_sigterm(make_run, undisturbed):
    """SIGTERM in an epoch."""
    run = make_run("assignment")
    assert stop(run, signal.SIGTERM) == 128 + signal.SIGTERM
    assert run.go_on() == 0
    run.assert_same_end(undisturbed("assignment"))


def test_ctrl_c(make_run, undisturbed):
    """Ctrl-C in an epoch."""
    run = make_run("assignment")
    assert stop(run, signal.SIGINT) == 128 + signal.SIGINT
    said = run.text("out").splitlines()[-1]
    assert said.startswith("stopped after ")
    assert f" --resume {run.path.relative_to(run.folder)} --data_dir " in said
    assert (run.path / "model.keras").exists()
    assert run.go_on() == 0
    run.assert_same_end(undisturbed("assignment"))


def test_ctrl_c_twice(make_run, undisturbed):
    """Ctrl-C, and at once again."""
    run = make_run("assignment")
    assert stop(run, signal.SIGINT, signal.SIGINT) == 128 + signal.SIGINT
    assert run.go_on() == 0
    run.assert_same_end(undisturbed("assignment"))


def test_twice_in_one_folder(make_run, undisturbed):
    """A second process in the run's folder is refused."""
    run = make_run("assignment")
    first = run.start()
    first.wait_for(lambda: run.path and (run.path / "recipe.json").exists())
    first.send(signal.SIGSTOP)
    try:
        assert run.go_on() == 2
        assert run.text("err").splitlines()[-1] == (
            f"error: another process is training in {run.path}."
        )
    finally:
        first.send(signal.SIGCONT)
    assert first.wait() == 0
    run.assert_same_end(undisturbed("assignment"))


def test_two_at_once(make_run, undisturbed):
    """Two runs started in one moment get folders of their own."""
    run = make_run("assignment")
    processes = [run.start(), run.start()]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list((run.folder / "runs").iterdir())) == 2
    run.assert_same_end(undisturbed("assignment"))


def test_clock(seed, make_run, undisturbed):
    """Clock that jumps by years, back and forth."""
    run = make_run("assignment")
    run.finish("--checkpoint_minutes", 0.005, fault={"kind": "clock", "seed": seed})
    run.assert_same_end(undisturbed("assignment"))


def test_checkpoint_of_a_good_step_is_kept(make_run):
    """A loss that is not finite: says at which step, and keeps the last good checkpoint."""
    run = make_run("quick", "--epochs", 8, "--learning_rate", 1e12, "--checkpoint_minutes", 0.001)
    assert run.go_on() == 2
    line = run.text("err").splitlines()[-1]
    assert line.startswith("error: the training diverged: ") and "since step" in line
    step = int(line.split("since step ")[1].split()[0])
    assert run.state()[0] < step
    assert tools.all_finite(run.state()[1])


def test_deterministic_operations(make_run):
    """Deterministic operations asked for, and the run repeated."""
    first, second = (make_run("assignment", "--deterministic", True) for _ in range(2))
    first.finish()
    second.finish()
    second.assert_same_end(first)


def test_replayed(make_run, undisturbed):
    """Done over from its recipe.json alone."""
    original, run = undisturbed("assignment"), make_run("assignment")
    assert run.start(replay=original.path).wait() == 0, run.text("err")
    assert run.path.parent == run.folder / "runs"
    run.assert_same_end(original)
