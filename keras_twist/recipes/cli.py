"""The training scripts: from arguments to a command, and from what stops it to an exit code."""

import contextlib
import logging
import shlex
import signal
import sys
import threading
import warnings

from keras_twist.data import DataError
from keras_twist.recipes import commands, export, output, published_flags, runtime
from keras_twist.recipes.checkpoint import Interrupted
from keras_twist.recipes.command_line import parse
from keras_twist.recipes.recipe import RecipeError


def main(recipes, about, default, arguments=None, flags=published_flags.COMMON, examples=""):
    """Parse, train, and report in one line; the scripts are nothing more than a call of this.

    Args:
        recipes: Dict from name to `Recipe`.
        about: Dict from name to a sentence for the help.
        default: Name of the recipe to run when none is given.
        arguments: List of arguments. Defaults to those of the process.
        flags: The published scripts' flags that are understood besides. Defaults to
            `published_flags.COMMON`.
        examples: Text whose lines that begin with "python" end the help. Defaults to `""`.

    Returns:
        Exit code: 0, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Each of its strategies tells there what it does; what goes wrong is an exception.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("jax").setLevel(logging.WARNING)  # It tells which devices there are not.
    warnings.showwarning = lambda message, *_: sys.stderr.write(f"warning: {message}\n")
    try:
        recipe, options = parse(recipes, about, default, arguments, flags, examples)
        level = logging.WARNING if options.quiet else logging.INFO
        logging.getLogger("keras_twist").setLevel(level)
        export.check_packages(options.export)
        if options.gpu is not None:
            runtime.use_gpu(options.gpu)
        with _sigterm_as_ctrl_c():
            return commands.command(options)(recipe, options)
    except Interrupted as stop:
        # Programs read JSON from the standard output, or nothing.
        stream = sys.stderr if options.json else sys.stdout
        again = ["--resume", str(stop.folder)]
        if options.data_dir is not None:
            again += ["--data_dir", str(options.data_dir)]
        stream.write(f"stopped after {stop.step} steps; go on with {shlex.join(again)}\n")
        return 128 + stop.signum
    except KeyboardInterrupt as stop:
        sys.stderr.write("stopped at once; a checkpoint, if there is one, is what it was\n")
        return 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except (RecipeError, DataError, OSError) as error:
        output.write_error(error)
        return 2


@contextlib.contextmanager
def _sigterm_as_ctrl_c():
    """Have SIGTERM unwind what runs, which tidies up and tells what is done, as Ctrl-C does."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(signum, frame):
    raise KeyboardInterrupt(signum)
