"""A server of runs, recipes small enough to be run hundreds of times, and the table of faults."""

import json
from pathlib import Path

import pytest

from . import tools


def pytest_addoption(parser):
    group = parser.getgroup("faults")
    group.addoption("--tries", type=int, default=1, help="seeds of each fault that is drawn")
    group.addoption("--events", type=int, default=2, help="changes of files, of each seed")
    group.addoption("--kills", type=int, default=3, help="times that one run is killed")
    group.addoption("--all_recipes", action="store_true", help="every kind of recipe")
    group.addoption("--faults_json", type=Path, help="file to write the table of faults to")


class FaultTable:
    """Counts for each test how often its fault was tried and survived, from xdist's workers too."""

    def __init__(self, path):
        self.path, self.rows = path, {}

    def pytest_runtest_logreport(self, report):
        named = dict(report.user_properties)
        if report.when != "call" or report.skipped or "fault" not in named:
            return
        row = self.rows.setdefault(named["fault"], {"tried": 0, "survived": 0, "seconds": 0.0})
        row["tried"] += named.get("times", 1)
        row["survived"] += named.get("times", 1) if report.passed else 0
        row["seconds"] += report.duration

    def pytest_sessionfinish(self, session):
        if self.path and not hasattr(session.config, "workerinput"):
            rows = [{"fault": fault, **row} for fault, row in sorted(self.rows.items())]
            for row in rows:
                row["lost"] = "nothing" if row["tried"] == row["survived"] else "see the log"
            self.path.write_text(json.dumps(rows, indent=2) + "\n")


def pytest_configure(config):
    config.pluginmanager.register(FaultTable(config.getoption("faults_json")))


def pytest_generate_tests(metafunc):
    config = metafunc.config
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(config.getoption("tries")))
    if "recipe" in metafunc.fixturenames:
        names = list(tools.RECIPES)
        names = names if config.getoption("all_recipes") else names[:1]
        metafunc.parametrize("recipe", names, scope="session")


@pytest.fixture(autouse=True)
def fault(request, record_property):
    """The name of a test's fault: the first line of its docstring."""
    record_property("fault", request.function.__doc__.splitlines()[0].rstrip("."))


@pytest.fixture(scope="session")
def server():
    """What starts runs; see `tools.Server`."""
    with tools.Server() as found:
        yield found


@pytest.fixture(scope="session")
def make_run(server, tiny_tree, tiny_woof, tmp_path_factory):
    """Function from a recipe's name and arguments to a run that has not begun."""
    data = {"cifar": tiny_tree, "woof": tiny_woof}

    def make(recipe, *arguments):
        return tools.Run(server, recipe, tmp_path_factory.mktemp(recipe), data, *arguments)

    return make


@pytest.fixture(scope="session")
def undisturbed(make_run):
    """Function from a recipe's name to a finished run of it."""
    done = {}

    def get(recipe):
        if recipe not in done:
            run = make_run(recipe)
            run.finish(fault={"kind": "file event", "number": 0, "act": "kill"})
            run.events = json.loads(run.text("events"))
            done[recipe] = run
        return done[recipe]

    return get
