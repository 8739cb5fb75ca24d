"""Killed without warning at any moment, and gone on with: the end is the undisturbed one."""

import random

from . import tools


def test_at_a_change_of_a_file(seed, request, undisturbed, make_run, record_property):
    """Killed when a file of the run folder is opened, renamed or removed."""
    original = undisturbed("assignment")
    numbers = tools.sample_events(original, seed, request.config)
    for number in numbers:
        run = make_run("assignment")
        code = run.start(fault={"kind": "file event", "number": number, "act": "kill"}).wait()
        assert code == tools.KILLED, run.text("err")
        assert run.go_on() == 0, run.text("err")
        run.assert_same_end(original)
    record_property("times", len(numbers))


def test_again_and_again(recipe, seed, request, undisturbed, make_run, record_property):
    """Killed at random: in a step, a checkpoint, a validation, the pictures; resumed each time."""
    rng, run, killed = random.Random(seed), make_run(recipe), 0
    wanted = request.config.getoption("kills")
    while killed < wanted:
        kind, last = rng.choice(
            [("step", 12), ("checkpoint", 2), ("validation", 2), ("pictures", 1)]
        )
        fault = {"kind": kind, "number": rng.randint(1, last), "seconds": rng.choice([0, 0.02])}
        code = run.go_on("--checkpoint_minutes", 0.005, fault=fault)
        assert code in (0, tools.KILLED), run.text("err")
        killed += code != 0
        if code == 0:  # It came to its end before: another one, for what is left.
            run.assert_same_end(undisturbed(recipe))
            run = make_run(recipe)
    record_property("times", killed)
    assert run.go_on() == 0, run.text("err")
    run.assert_same_end(undisturbed(recipe))
