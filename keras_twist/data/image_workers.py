"""Many pictures decoded at once."""

import collections
import concurrent.futures
import hashlib
import logging
import os
import time
import warnings

from keras_twist.data.errors import DataError
from keras_twist.data.image_decode import decode_square, decode_view
from keras_twist.data.pictures import import_pillow

_REPORT_SECONDS = 5

logger = logging.getLogger("keras_twist.data")


def decode_all(source, entries, put, options):
    """Decodes pictures on all cores, as many at a time as fit into a little memory.

    Args:
        source: What `open_source` returned.
        entries: Its entries to decode.
        put: Function `(position, image)` that keeps an image.
        options: Dict of arguments of `decode_square` or, with a `zoom`, of `decode_view`.

    Returns:
        `(aspects, digests, failures)`: lists with the width over height of each picture and the
        digest of its file, and a dict from position to the `DataError` of an unreadable picture.

    Raises:
        DataError: The archive is damaged, or Pillow is missing.
    """
    import_pillow()  # Without it, the error is not that of any picture.
    aspects, digests, failures = [0.0] * len(entries), [""] * len(entries), {}
    workers = os.cpu_count() or 1
    waiting = collections.deque()
    reported = time.monotonic()

    def finish():
        position, future = waiting.popleft()
        try:
            pixels, aspects[position], digests[position] = future.result()
        except DataError as error:
            failures[position] = error
        else:
            put(position, pixels)

    # Threads: Pillow decodes and resizes without the interpreter's lock.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        # Pillow warns of what is dealt with here: large pictures, odd metadata, transparency.
        warnings.simplefilter("ignore")
        for done, (position, read) in enumerate(source.contents(entries)):
            waiting.append((position, pool.submit(_decode_one, read, options)))
            if len(waiting) > 4 * workers:
                finish()
            if time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                logger.info("Decoding picture %d of %d", done + 1, len(entries))
        while waiting:
            finish()
    return aspects, digests, failures


def _decode_one(read, options):
    contents = read()
    decode = decode_view if "zoom" in options else decode_square
    pixels, aspect = decode(contents, **options)
    return pixels, aspect, hashlib.blake2b(contents, digest_size=16).hexdigest()
