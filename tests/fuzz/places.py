"""Faults that are no contents of a file: hosts that break off or lie, folders full of traps."""

import contextlib
import hashlib
import http.server
import json
import os
import shutil
import socket
import threading

import numpy as np

from keras_twist.data.errors import DataError
from keras_twist.data.image_folder import load_sets
from keras_twist.data.resume import fetch_resumable

CONTENTS = hashlib.shake_128(b"an archive").digest(20_000)
MD5 = hashlib.md5(CONTENTS).hexdigest()
_PAGE = b"<html>Sign in to this network</html>"
_BEHAVIOURS = [*"cut cut cut page endless status other to".split(), "no tag", "no range"]


class _Host(http.server.BaseHTTPRequestHandler):
    """Answers as the server's list of behaviours says, and honestly when it has ended."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        kind, number = self.server.plan.pop(0) if self.server.plan else ("honest", 0)
        body, tag, start = CONTENTS, '"1"', 0
        if kind == "status":
            return self.send_error((403, 404, 416, 500)[number % 4])
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", ("file:///etc/passwd", "ftp://a/b", "//\x7f")[number % 3])
            return self.end_headers()
        if kind == "page":
            body, tag = _PAGE, None
        elif kind == "other":
            body = hashlib.shake_128(b"%d" % number).digest(len(CONTENTS))
            tag = (None, '"1"', '"2"')[number % 3]
        elif kind == "no tag":
            tag = None
        wanted = self.headers.get("Range")
        if wanted and kind != "no range" and self.headers.get("If-Range") == tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
        body = body[start:]
        self.send_response(206 if start else 200)
        if tag:
            self.send_header("ETag", tag)
        if kind != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind in ("cut", "no tag", "other"):
            body = body[: number % (len(body) + 1)]
        with contextlib.suppress(OSError):
            self.wfile.write(body * (20 if kind == "endless" else 1))
        return None

    def log_message(self, *_):
        pass


def _check(path):
    if path.read_bytes()[:20] == _PAGE[:20]:
        raise DataError("a page and no archive")


def host_reader(folder):
    """`(case, read)` of downloads: after any faults, an honest host gives the whole file."""
    os.environ["no_proxy"] = "*"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    server.handle_error = lambda *_: None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/set.tgz"

    def case(random):
        plan = [
            (random.choice(_BEHAVIOURS), random.randrange(2 * len(CONTENTS)))
            for _ in range(random.randrange(1, 5))
        ]
        return json.dumps(plan).encode()

    def read(contents):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        server.plan = json.loads(contents)
        # A whole file that is unknown counts as a new version, so a lie that is whole is kept, and
        # said; here the right one is known.
        for _ in range(2 * len(server.plan) + 3):
            try:
                fetch_resumable(url, folder / "set", (MD5,), _check, 10**5, timeout=5)
            except DataError as error:
                assert "\n" not in str(error)
                continue
            found = (folder / "set").read_bytes()
            if found == CONTENTS:
                break
            assert len(found) == len(CONTENTS), "a piece of a file was taken for it"
            (folder / "set").unlink()
        assert (folder / "set").read_bytes() == CONTENTS
        assert os.listdir(folder) == ["set"]

    return case, read


def folder_reader(folder, picture):
    """`(case, read)` of picture folders: links, loops, pipes, sockets, names of any bytes."""
    names = [b"cat", b"dog", b"\xff\xfe", b"a\nb", b"\x1b[2J", b".hid", b"a.png", b"b.jpg",
             b"<b>", "\u202e.png".encode(), b"x" * 200, b"-rf", b" "]  # fmt: skip
    kinds = ("picture", "picture", "picture", "bad", "empty", "pipe", "socket", "up", "self",
             "nowhere", "folder", "folder")  # fmt: skip

    def case(random):
        entries = []
        for _ in range(random.randrange(1, 25)):
            split = random.choice((b"train", b"val"))
            parts = [random.choice(names[:2]) if random.randrange(3) else random.choice(names)]
            parts += random.choices(names, k=random.randrange(3))
            path = b"/".join([split, *parts])
            entries.append((os.fsdecode(path), random.choice(kinds)))
        good = random.randrange(3)
        return json.dumps([good, entries]).encode()

    def make(path, kind):
        if os.path.lexists(path):
            return
        with contextlib.suppress(OSError):  # A file where a folder would have to be, and the like.
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "folder":
                path.mkdir()
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "socket":
                with socket.socket(socket.AF_UNIX) as one:
                    one.bind(os.fspath(path))
            elif kind in ("up", "self", "nowhere"):
                path.symlink_to({"up": "../..", "self": ".", "nowhere": "none"}[kind])
            else:
                path.write_bytes({"picture": picture, "bad": b"hello"}.get(kind, b""))

    def read(contents):
        shutil.rmtree(folder, ignore_errors=True)
        good, entries = json.loads(contents)
        for path, kind in entries:
            make(folder / "set" / path, kind)
        if good:
            for split in ("train", "val"):
                for name in ("cat", "dog"):
                    make(folder / "set" / split / name / "good.png", "picture")
        train, valid, _ = load_sets(folder / "set", 4, 4, 1.0, on_error="skip" if good else "raise")
        for one in (train, valid):
            assert len(one.images) == len(one.labels) == len(one.paths) == len(one.aspects)
            assert set(np.unique(one.labels)) == set(range(len(one.class_names)))
            assert not any(letter < " " for name in one.class_names for letter in name)

    return case, read
