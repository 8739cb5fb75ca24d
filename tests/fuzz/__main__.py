"""Run every reader over hostile files: python -m tests.fuzz [--cases 100000] [--only NAME ...]

Each reader runs in a process of its own, which may neither crash nor stand still. The figures go
to `benchmarks/results/fuzz.json`. To run one case again, as a finding names it:

    python -m tests.fuzz --only pickle --first 1234 --cases 1 --output /tmp/one.json
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from benchmarks.machine import describe
from keras_twist.recipes.runtime import git_commit

from . import runner

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"
# A process that reports nothing for so long stands still, in code that no signal interrupts: it
# waits, or computes. Time in which the machine gives it no turn does not count.
SILENCE_SECONDS = 300
_POLL_SECONDS = 0.2


def arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=100_000, help="of each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="readers at a time")
    parser.add_argument(
        "--only", nargs="*", default=None, metavar="NAME", help="the results of others are kept"
    )
    parser.add_argument("--output", type=Path, help="else benchmarks/results/fuzz.json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def work(options):
    """One reader, in this process; its findings go to a file."""
    name, folder = options.only[0], Path(options.worker)
    from .readers import make_readers

    (folder / "files").mkdir()
    reader = make_readers(folder / "files")[name]
    numbers = range(options.first, options.first + options.cases)
    report = lambda found: runner.dump(found, folder / "found")  # noqa: E731
    report({"cases": 0, "undocumented": []})
    return report(runner.run_cases(reader, name, options.seed, numbers, report))


def supervise(name, options):
    """Runs a reader in a process of its own; its findings, crashes and hangs among them."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "found"
        command = [sys.executable, "-m", "tests.fuzz", "--worker", folder, "--only", name]
        command += ["--seed", str(options.seed), "--first", str(options.first)]
        command += ["--cases", str(options.cases)]
        environment = os.environ | {"KERAS_HOME": str(Path(folder) / "home"), "TMPDIR": folder}
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            last, silent, computed = None, 0.0, 0.0
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                waits, seconds = _state(process.pid)
                now = path.stat().st_mtime_ns if path.exists() else None
                if now != last:
                    last, silent, computed = now, 0.0, seconds
                silent += waits * _POLL_SECONDS
                if max(silent, seconds - computed) > SILENCE_SECONDS:
                    break
        finally:
            ended = process.poll()
            if ended is None:
                process.kill()
                process.wait()
        found = json.loads(path.read_text()) if path.exists() else {"cases": 0, "undocumented": []}
        if ended != 0:
            what = "stood still" if ended is None else f"ended with status {ended}"
            at = f"within 1000 cases after {found['cases']}"
            found["undocumented"].append({"case": None, "error": f"the process {what}, {at}"})
        return found


def _state(pid):
    """Whether a process waits for something, and its seconds on the processor so far.

    One that gets no turn, or was stopped by somebody (`kill -STOP`), does not wait.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:  # It has just ended.
        return False, 0.0
    return fields[0] not in "RT", (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(options):
    if options.worker:
        return work(options)
    from .readers import make_readers

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        faults = {name: reader.fault for name, reader in make_readers(Path(folder)).items()}
    path = options.output or RESULTS
    kept = json.loads(path.read_text())["readers"] if options.only and path.exists() else {}
    names = options.only or list(faults)
    commit = git_commit()  # Before the results are written, which would be a change.

    def one(name):
        found = {**supervise(name, options), "seed": options.seed, "commit": commit}
        sys.stdout.write(f"{name}: {json.dumps(found)[:3000]}\n")
        sys.stdout.flush()
        return found

    found = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        # After each one, so that a run that is stopped has not been for nothing.
        for name, result in zip(names, pool.map(one, names), strict=True):
            found[name] = result
            _write(
                path,
                {name: (kept | found)[name] for name in faults if name in kept | found},
                faults,
            )
    bad = sum(len(result["undocumented"]) for result in found.values())
    cases = sum(result["cases"] for result in found.values())
    sys.stdout.write(f"{cases} cases, {bad} undocumented\n")
    return 1 if bad else 0


def _write(path, found, faults):
    """Writes the results, with a row for each fault as the table of faults has it."""
    table = [
        {
            "fault": faults[name],
            "tried": one["cases"],
            "survived": one["cases"] - len(one["undocumented"]),
            "lost": "nothing" if not one["undocumented"] else "see `undocumented`",
        }
        for name, one in found.items()
    ]
    results = {
        "about": "python -m tests.fuzz: files that are damaged or hostile, and what else may go "
        "wrong with data. `read`: cases without an error; `documented`: errors that a docstring "
        "names, by type; `undocumented`: all others, hangs and crashes; `seconds` with other work "
        "on the machine, `slowest` in seconds of the processor",
        "machine": describe(),
        "pillow": metadata.version("pillow"),
        "limits": {
            "seconds of a case": runner.CASE_SECONDS,
            "MB of a case": runner.CASE_MEGABYTES,
        },
        "cases": sum(one["cases"] for one in found.values()),
        "undocumented": sum(len(one["undocumented"]) for one in found.values()),
        "faults": table,
        "readers": found,
    }
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(arguments()))
