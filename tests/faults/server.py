"""Runs the scripts in children forked after the imports, which take most of a short run's time.

Reads a JSON request per line and answers each with a line:

- `{"script", "arguments", "folder", "fault", "environment"}` starts a script in a folder, its
  output in the files `out` and `err` there, something being done to it (`faults.injection`), and
  answers its `pid`;
- `{"wait": pid}` answers its exit code, negative after a signal.
"""

import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]


def load():
    """The scripts' calls of `main`, by name, and everything that they import on the way."""
    import matplotlib.pyplot  # noqa: F401
    import tensorflow  # noqa: F401

    from keras_twist.recipes import cifar_recipes, report, woof_recipes  # noqa: F401
    from keras_twist.recipes.cli import main
    from keras_twist.recipes.published_flags import WOOF

    return {
        "cifar": lambda given: main(
            cifar_recipes.CIFAR_RECIPES, cifar_recipes.ABOUT, "quick", given
        ),
        "woof": lambda given: main(
            woof_recipes.WOOF_RECIPES, woof_recipes.ABOUT, "mxresnet50_twist", given, flags=WOOF
        ),
    }


def run(main, request):
    """In the child: what a script does, and never return."""
    from injection import inject

    os.chdir(request["folder"])
    os.environ |= request["environment"]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    code = 1
    try:
        with contextlib.closing(inject(request["fault"])):
            code = main(request["arguments"])
        sys.stdout.flush()
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve():
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    scripts = load()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps("ready"), file=replies)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            reply = os.waitstatus_to_exitcode(status)
        else:
            reply = os.fork()
            if reply == 0:
                # The server ignores Ctrl-C; a run does not.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                run(scripts[request["script"]], request)
        print(json.dumps(reply), file=replies)


if __name__ == "__main__":
    serve()
