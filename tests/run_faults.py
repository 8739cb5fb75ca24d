"""Run the fault suite, `tests/faults`, and keep what came of it.

    python tests/run_faults.py           # a moment or two of each fault
    python tests/run_faults.py --long    # twenty kills of each of nine recipes, and more

The second one writes `benchmarks/results/faults.json`, and `docs/faults.md` from it; what only
some of the tests tell anew, with `-k` say, replaces their rows. Other arguments go to pytest. It
takes the environment that it runs in.
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
FUZZ = RESULTS.with_name("fuzz.json")
PAGE = ROOT / "docs" / "faults.md"
LONG_RUN = """
## Long trainings

Memory of one process through 10,000 steps, and of one through 1,000 calls of `fit` with new
callbacks each; what comes before the broken line is warming up. No open files or threads are added.
Each new network costs memory that TensorFlow and Keras keep for ever, in a bare model of Keras's
own as well (`benchmarks/results/long_run.json`, by `python benchmarks/long_run.py`).

![Memory over steps and over calls of fit: level](../images/long_run.png)
"""
LONG = "--events 8 --kills 20 --all_recipes".split()
INTRODUCTION = """# What a training survives

`python tests/run_faults.py --long` tried this on small runs: the process was killed,
the disk filled, the clock moved. Survived means: it ended, or was gone on with by `--resume` and
ended, with the same weights to the last bit as a run that nothing happened to, every epoch once in
the metrics and every file in the folder; or it said in one line why it cannot go on, and kept the
last good checkpoint.
"""
FILES = """
## Files and downloads

`python -m tests.fuzz` fed each reader files that were damaged or made up. Survived means: it was
read, or refused by an error that the documentation names, within 20 seconds and 768 MB.
"""


def main(arguments):
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults"]
    if "--long" not in arguments:
        return subprocess.run([*command, *arguments], cwd=ROOT).returncode
    command += LONG + [word for word in arguments if word != "--long"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        code = subprocess.run([*command, "--faults_json", path], cwd=ROOT).returncode
        new = json.loads(path.read_text())
    machine = describe_machine()
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    old = json.loads(RESULTS.read_text())["faults"] if RESULTS.exists() else []
    # A whole run leaves no rows of tests that there are no more.
    rows = {row["fault"]: row for row in old} if arguments != ["--long"] else {}
    rows |= {row["fault"]: row | {"machine": machine, "finished": finished} for row in new}
    results = {
        "command": "python tests/run_faults.py --long",
        "faults": [rows[fault] for fault in sorted(rows)],
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    write_page()
    return code


def describe_machine():
    """Where it ran."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    import machine

    return machine.describe()


def write_page():
    """Make the page of the documentation from the results, and from those of the fuzz."""
    results, fuzz = (json.loads(path.read_text()) for path in (RESULTS, FUZZ))
    names = {"keras": "Keras ", "tensorflow": "TensorFlow ", "python": "Python ", "cpu": ""}
    each = {
        ", ".join(name + row["machine"][key] for key, name in names.items())
        for row in results["faults"]
    }
    days = sorted(row["finished"][:10] for row in results["faults"])
    where = (
        f"\n{'; '.join(sorted(each))}; from {days[0]} to {days[-1]}: "
        "`benchmarks/results/faults.json`, with the commit of each row.\n"
    )
    faults, files = (table(found["faults"]) for found in (results, fuzz))
    told = "\nAll figures are in `benchmarks/results/fuzz.json`.\n"
    PAGE.write_text(f"{INTRODUCTION}\n{faults}{where}{FILES}\n{files}{told}{LONG_RUN}")


def table(rows):
    """Markdown of faults and what came of them."""
    lines = ["| fault | tried | survived | lost |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row['fault']} | {row['tried']:,} | {row['survived']:,} | {row['lost']} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
