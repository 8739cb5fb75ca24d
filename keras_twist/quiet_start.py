"""What TensorFlow's C++ side writes to the screen, kept off that of this package's own programs."""

import contextlib
import os
from pathlib import Path

SCRIPTS = ("train_cifar.py", "train_woof.py")
MODULES = ("keras_twist.report",)


def is_program(script, command):
    """Whether a process is one of the training scripts or makes a report.

    Args:
        script: What Python says that it runs, `sys.argv[0]`: `"-m"` while it looks for a module.
        command: List of strings, `sys.orig_argv`: the command line with the interpreter.

    Example:
        >>> is_program("-m", ["python", "-m", "keras_twist.report", "runs/quick-1"])
        True
        >>> is_program("mine.py", ["python", "mine.py", "train_cifar.py"])
        False
    """
    if script == "-m":
        return any(word.removeprefix("-m") in MODULES for word in command)
    return Path(script).name in SCRIPTS


@contextlib.contextmanager
def hushed():
    """Context manager in which nothing reaches the standard error, from C++ neither.

    TensorFlow writes there while it is loaded, at any log level. What goes wrong in Python is an
    exception, and comes through.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        screen = os.dup(2)
    except OSError:  # It is closed.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)
