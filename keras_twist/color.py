"""Colours, where a terminal shows them."""

import os

_CODES = {"good": "1;32", "error": "1;31"}


def has_color(stream):
    """Whether colours belong on a stream: on a terminal that knows them, unless NO_COLOR is set.

    Args:
        stream: Text stream, such as `sys.stdout`.

    Reference:
        https://no-color.org
    """
    return not os.environ.get("NO_COLOR") and is_terminal(stream)


def is_terminal(stream):
    """Whether somebody watches a stream who sees more than plain lines.

    Args:
        stream: Text stream; an object that merely has `write`, as a logger's; or None.
    """
    return os.environ.get("TERM") != "dumb" and getattr(stream, "isatty", bool)()


def paint(text, meaning):
    """Text in the colour of its meaning.

    Args:
        text: String.
        meaning: `"good"` or `"error"`.

    Example:
        >>> paint("error:", "error")
        '\\x1b[1;31merror:\\x1b[0m'
    """
    return f"\x1b[{_CODES[meaning]}m{text}\x1b[0m"
