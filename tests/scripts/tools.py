"""What the tests of both scripts do: start one as people do, and find what it left."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(script, folder, *arguments, **environment):
    """Exit code, output and errors of a script of the repository, started in a folder."""
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done.returncode, done.stdout, done.stderr


def run_folder(folder):
    """The one run folder in a folder."""
    (found,) = (folder / "runs").iterdir()
    return found
