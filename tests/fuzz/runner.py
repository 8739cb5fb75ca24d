"""Cases one after the other, each with a limit on time and memory, and what came of them.

Time is that of the processor, which does not depend on what else the machine has to do.
"""

import contextlib
import json
import logging
import random
import resource
import signal
import time
import traceback
import warnings

CASE_SECONDS = 20
CASE_MEGABYTES = 768
_MOST_FINDINGS = 20


class TooLong(BaseException):
    """A case did not end in time. No reader catches this, as it would an `Exception`."""


@contextlib.contextmanager
def _time_limit(seconds):
    def stop(*_):
        raise TooLong(f"more than {seconds} seconds of the processor")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _silence():
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def case_random(seed, name, number):
    """The random numbers of one case, which can so be made again alone."""
    return random.Random(f"{seed}/{name}/{number}")


def run_cases(reader, name, seed, numbers, report=None):
    """Runs cases of a reader.

    Args:
        reader: A `Reader`.
        name: Its name, part of what the random numbers are made from.
        seed: Integer.
        numbers: Range of the cases.
        report: Function of a dict, called every thousand cases. Defaults to None.

    Returns:
        Dict: `cases`, `seconds`, `read` (cases without an error), `documented` (counts by type),
        `undocumented` (list of the first that were found, each with its `case`), `slowest`.
    """
    found = {"cases": 0, "read": 0, "documented": {}, "undocumented": [], "slowest": 0.0}
    started = time.monotonic()
    with warnings.catch_warnings(), _silence():
        warnings.simplefilter("ignore")
        for number in numbers:
            contents = reader.case(case_random(seed, name, number))
            _run_one(reader, contents, number, found)
            found["cases"] += 1
            found["seconds"] = round(time.monotonic() - started, 1)
            if report and found["cases"] % 1000 == 0:
                report(found)
            if len(found["undocumented"]) >= _MOST_FINDINGS:
                break
    return found


def _run_one(reader, contents, number, found):
    peak, began = _peak_megabytes(), time.process_time()
    error = None
    try:
        with _time_limit(CASE_SECONDS):
            reader.read(contents)
        found["read"] += 1
    except reader.documented as caught:
        kind = type(caught).__name__
        found["documented"][kind] = found["documented"].get(kind, 0) + 1
        if any(isinstance(cause, MemoryError) for cause in _causes(caught)):
            error = "MemoryError behind a documented error"
    except BaseException as caught:
        if isinstance(caught, KeyboardInterrupt):
            raise
        error = "".join(traceback.format_exception(caught)[-6:])[-2000:]
    found["slowest"] = max(found["slowest"], round(time.process_time() - began, 2))
    if _peak_megabytes() - peak > CASE_MEGABYTES:
        error = f"{_peak_megabytes() - peak} MB more than before"
    if error:
        found["undocumented"].append({"case": number, "error": error, "bytes": len(contents)})


def _causes(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def dump(value, path):
    """Writes JSON for the process that waits for it."""
    with open(path, "w") as file:
        json.dump(value, file)
