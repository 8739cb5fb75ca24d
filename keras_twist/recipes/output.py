"""What the training scripts write: lines for people, JSON for programs, errors."""

import json
import sys

from keras_twist.color import has_color, paint


def write(options, text):
    """Write for people."""
    if not options.json:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def write_json(options, content):
    """Write for programs."""
    if options.json:
        sys.stdout.write(json.dumps(content) + "\n")
        sys.stdout.flush()


def write_error(error):
    """Write one line for people, whether or not programs read the rest."""
    word = paint("error:", "error") if has_color(sys.stderr) else "error:"
    sys.stderr.write(f"{word} {error}\n")
