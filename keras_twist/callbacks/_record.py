"""What was set, and for which updates it held."""

import itertools

import numpy as np


class Record:
    """Values that held from an update on, until the next entry or the end of the epoch."""

    def __init__(self):
        self._entries = []  # (update, values), with None for values where an epoch ended

    def add(self, update, values):
        """From this update on these values hold."""
        self._entries.append((update, values))

    def end(self, update):
        """This is the next update, and it will be entered anew."""
        self._entries.append((update, None))

    def updates(self):
        """Numbers of all updates that were made."""
        ranges = [np.arange(begin, begin + length) for begin, length, _ in self._spans()]
        return np.concatenate([np.zeros(0, "int64"), *ranges]).astype("int64")

    def values(self, index):
        """The value of that index at each of the updates."""
        spans = [np.full(length, values[index]) for _, length, values in self._spans()]
        return np.concatenate([np.zeros(0, "float32"), *spans]).astype("float32")

    def _spans(self):
        # A training broken off within an epoch leaves an entry open: it held for one update.
        open_end = (self._entries[-1][0] + 1, None) if self._entries else None
        for (begin, values), (end, _) in itertools.pairwise([*self._entries, open_end]):
            if values is not None:
                # A skipped step that was noticed late takes back an update that was not made.
                yield begin, max(end - begin, 0), values
