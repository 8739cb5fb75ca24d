"""Downloads that break off and go on: from the right byte, of the right file."""

import hashlib
import os
import threading
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_twist.data import DataError
from keras_twist.data.resume import fetch_resumable

from .hosts import Handler, serving

CONTENTS = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENTS).hexdigest()
NEW = CONTENTS[::-1]


def get(url, path, md5, check=lambda path: None, most=2**21):
    fetch_resumable(url, path, md5, check, most, timeout=5)


@pytest.fixture
def host(monkeypatch):
    """A server whose file, tag and behaviour tests set, and what it was asked for."""
    monkeypatch.setenv("no_proxy", "*")
    state = types.SimpleNamespace(
        contents=CONTENTS, tag='"1"', send=None, ranges=True, asked=[], status=None
    )

    class Sender(Handler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.status:
                return self.send_error(state.status)
            start = 0
            if wanted and state.ranges and self.headers.get("If-Range") == state.tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start and start >= len(state.contents):
                return self.send_error(416)
            body = state.contents[start:]
            self.send_response(206 if start else 200)
            if state.tag:
                self.send_header("ETag", state.tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if state.send is None else body[: state.send])
            return None

    with serving(Sender) as server:
        state.url = f"{server.url}set.tgz"
        yield state


def begun(host, path, size=300_000):
    """A download that broke off."""
    host.send = size
    with pytest.raises(DataError, match=f"stopped after {size} of"):
        get(host.url, path, (MD5,))
    host.send = None
    host.asked.clear()
    assert not path.exists()


def test_in_one_piece(host, tmp_path, caplog):
    get(host.url, tmp_path / "set", (MD5, "0" * 32))
    assert (tmp_path / "set").read_bytes() == CONTENTS
    assert os.listdir(tmp_path) == ["set"] and host.asked == [None] and not caplog.records


def test_goes_on_where_it_stopped(host, tmp_path, caplog):
    begun(host, tmp_path / "set")
    host.send = 100_000
    with pytest.raises(DataError, match="stopped after 100000 of"):
        get(host.url, tmp_path / "set", (MD5,))
    host.send = None
    get(host.url, tmp_path / "set", (MD5,))
    assert host.asked == ["bytes=300000-", "bytes=400000-"]
    assert (tmp_path / "set").read_bytes() == CONTENTS
    assert os.listdir(tmp_path) == ["set"] and not caplog.records


@pytest.mark.parametrize("change", ["file", "ranges", "tag lost", "no tag", "part lost"])
def test_begins_again_where_pieces_would_not_fit(host, tmp_path, change):
    if change == "no tag":
        host.tag = None
    begun(host, tmp_path / "set")
    expected = CONTENTS
    if change == "file":
        host.contents, host.tag, expected = NEW, '"2"', NEW
    elif change == "ranges":
        host.ranges = False
    elif change == "tag lost":
        (tmp_path / "set.part.tag").unlink()
    elif change == "part lost":
        (tmp_path / "set.part").unlink()
    get(host.url, tmp_path / "set", (hashlib.md5(expected).hexdigest(),))
    assert (tmp_path / "set").read_bytes() == expected
    assert os.listdir(tmp_path) == ["set"]


def test_a_damaged_piece_is_fetched_again(host, tmp_path, caplog):
    begun(host, tmp_path / "set")
    with open(tmp_path / "set.part", "r+b") as file:
        file.write(b"damage")
    get(host.url, tmp_path / "set", (MD5,))
    assert host.asked == ["bytes=300000-", None]
    assert (tmp_path / "set").read_bytes() == CONTENTS
    assert "damaged in pieces" in caplog.text


def test_ended_between_the_last_byte_and_the_name(host, tmp_path):
    begun(host, tmp_path / "set")
    (tmp_path / "set.part").write_bytes(CONTENTS)
    get(host.url, tmp_path / "set", (MD5,))
    assert (tmp_path / "set").read_bytes() == CONTENTS and os.listdir(tmp_path) == ["set"]


def test_a_new_version_is_accepted_with_a_warning(host, tmp_path, caplog):
    host.contents = NEW
    get(host.url, tmp_path / "set", (MD5,))
    assert (tmp_path / "set").read_bytes() == NEW
    assert f"no version that is known (md5 {hashlib.md5(NEW).hexdigest()})" in caplog.text


@pytest.mark.parametrize("status", [403, 404, 500])
def test_errors_of_the_host_keep_what_there_is(host, tmp_path, status):
    begun(host, tmp_path / "set")
    host.status = status
    with pytest.raises(DataError, match="cannot be downloaded"):
        get(host.url, tmp_path / "set", (MD5,))
    assert (tmp_path / "set.part").stat().st_size == 300_000


def test_two_at_once_fetch_it_once(host, tmp_path):
    threads = [
        threading.Thread(target=get, args=(host.url, tmp_path / "set", (MD5,))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "set").read_bytes() == CONTENTS
    assert host.asked == [None] and os.listdir(tmp_path) == ["set"]


def test_other_addresses_and_folders_are_refused(host, tmp_path):
    with pytest.raises((DataError, ValueError), match="https://"):
        get("file:///etc/passwd", tmp_path / "set", ())
    with pytest.raises(OSError):
        get(host.url, tmp_path / "missing" / "set", (MD5,))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, len(CONTENTS) - 1), min_size=1, max_size=4))
def test_cut_at_any_byte_it_goes_on_to_the_same_file(host, tmp_path, cuts):
    path = tmp_path / "set"
    path.unlink(missing_ok=True)
    for cut in sorted(cuts):
        there = (tmp_path / "set.part").stat().st_size if (tmp_path / "set.part").exists() else 0
        host.send = max(cut - there, 0)
        with pytest.raises(DataError, match="stopped after"):
            get(host.url, path, (MD5,))
        assert not path.exists()
    host.send = None
    get(host.url, path, (MD5,))
    assert path.read_bytes() == CONTENTS and os.listdir(tmp_path) == ["set"]


def test_something_else_is_not_kept(host, tmp_path):
    def check(path):
        raise DataError(f"no archive, but {path.read_bytes()[:6]!r}")

    host.contents = b"<html>Sign in to this network</html>"
    with pytest.raises(DataError, match="sent something else: no archive, but b'<html>'"):
        get(host.url, tmp_path / "set", (MD5,), check)
    assert os.listdir(tmp_path) == []
    host.contents = CONTENTS
    get(host.url, tmp_path / "set", (MD5,), check)  # what is known need not be looked at


def test_more_than_any_file_expected_there_is_not_fetched(host, tmp_path):
    with pytest.raises(DataError, match="has 1024000 bytes, more than the 1000"):
        get(host.url, tmp_path / "set", (MD5,), most=1000)
    begun(host, tmp_path / "set")
    with pytest.raises(DataError, match="more than the 700000 of any file"):
        get(host.url, tmp_path / "set", (MD5,), most=1_000_000)
