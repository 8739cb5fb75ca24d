"""Large downloads that go on where they stopped."""

import hashlib
import logging
import os
import urllib.error

from keras_twist.data.download import CONNECT_SECONDS, network_errors, open_url, received
from keras_twist.data.errors import DataError
from keras_twist.files import alone_in

logger = logging.getLogger("keras_twist.data")


def fetch_resumable(url, path, md5, check, most, timeout=CONNECT_SECONDS):
    """Downloads one file; what came before it broke off is kept, and the next call goes on there.

    `path` exists afterwards only if the file is whole. What there is of it until then is
    `<path>.part`; `<path>.part.tag` beside it holds the host's name for this version of the file
    (`ETag`), and the rest is asked for on condition that the host still has this one.

    Args:
        url: Address, `https://` or `http://`.
        path: `pathlib.Path` to write, in an existing folder; if it exists, nothing is done.
        md5: Known digests of the file, 32 hexadecimal digits each. A whole file with another
            digest is accepted with a warning if it came in one piece and passes `check`, as a new
            version that the host published; put together from pieces, it is taken for damage and
            fetched again.
        check: Function of a path, which raises `DataError` unless it is a file of the expected
            kind: many a network answers with a page of its own where a file was asked for.
        most: Bytes that the file may have at most.
        timeout: Longest silence of the other side, in seconds. Defaults to 15.

    Raises:
        DataError: The host cannot be reached, goes silent or crawls (less than 1 MB a minute), or
            sends something else.
        OSError: The file cannot be written.

    Example:
        ```python
        md5 = ("3d20...",)
        fetch_resumable("https://example.org/set.tgz", Path("set.tgz"), md5, check_archive, 2**30)
        ```
    """
    # Two processes would mix their pieces.
    with alone_in(path.parent):
        if not path.exists():  # Otherwise another process has just fetched it.
            _fetch(url, path, md5, check, most, timeout)


def _fetch(url, path, md5, check, most, timeout):
    part, tag = (path.with_name(path.name + suffix) for suffix in (".part", ".part.tag"))
    while True:
        resumed = _fetch_rest(url, part, tag, most, timeout)
        with open(part, "rb") as file:
            digest = hashlib.file_digest(file, _md5).hexdigest()
        if digest not in md5 and resumed:
            logger.warning("%s came damaged in pieces and is downloaded anew", url)
            part.unlink()
            continue
        if digest not in md5:
            try:
                check(part)
            except DataError as error:
                part.unlink()
                tag.unlink(missing_ok=True)
                raise DataError(f"{url} sent something else: {error}") from error
            logger.warning("%s is no version that is known (md5 %s); it is used", url, digest)
        os.replace(part, path)
        tag.unlink(missing_ok=True)
        return


def _fetch_rest(url, part, tag, most, timeout):
    """Adds to `part` what it lacks; returns whether something of it was there before."""
    begun = part.stat().st_size if part.exists() and tag.exists() else 0
    begun = begun if begun <= most else 0
    headers = {"Range": f"bytes={begun}-", "If-Range": tag.read_text()} if begun else {}
    with network_errors(url):
        try:
            reply = open_url(url, timeout, headers.items())
        except urllib.error.HTTPError as error:
            if not begun or error.code != 416:
                raise
            # Nothing is left to send: the last call ended between the last byte and the new name.
            error.close()
            reply, begun = open_url(url, timeout), 0
    with reply:
        # A host may send all of it (200) however little it was asked for.
        begun = begun if reply.status == 206 else 0
        logger.info("Downloading %s%s", url, f" from byte {begun} on" if begun else "")
        _write_tag(tag, reply.headers.get("ETag", ""))
        with open(part, "ab" if begun else "wb") as file:
            for chunk in received(reply, url, most - begun):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    return begun > 0


def _write_tag(tag, value):
    # Without a strong tag nobody can say whether two pieces are of one file.
    if value.startswith('"'):
        tag.write_text(value)
    else:
        tag.unlink(missing_ok=True)


def _md5():
    return hashlib.md5(usedforsecurity=False)
