"""A file is whole or not there, also when the writer fails."""

import os

import pytest

from keras_twist.files import (
    alone_in,
    partial_file,
    partial_path,
    remove_partials,
    remove_stale_partials,
)


def test_replaces_the_old_file_only_when_complete(tmp_path):
    path = tmp_path / "file"
    with partial_file(path) as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), partial_file(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    with partial_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError), partial_file(tmp_path / "missing" / "file") as file:
        file.write(b"")


def test_a_path_that_is_written_by_somebody_else_ends_as_the_target_does(tmp_path):
    path = tmp_path / "model.keras"
    with partial_path(path) as temporary:
        assert temporary.suffix == ".keras" and temporary.parent == tmp_path
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_writers_left_is_removed(tmp_path):
    path = tmp_path / "file.npz"
    writer = partial_file(path)
    writer.__enter__()
    (left,) = tmp_path.iterdir()
    remove_stale_partials(path)
    assert left.exists()  # Somebody may be writing it.
    remove_partials(tmp_path)
    assert not left.exists()
    with pytest.raises(OSError):
        writer.__exit__(None, None, None)


def test_a_folder_is_one_processes_alone(tmp_path):
    pytest.importorskip("fcntl", reason="no locks on Windows")
    with alone_in(tmp_path), pytest.raises(BlockingIOError), alone_in(tmp_path, wait=False):
        pass
    with alone_in(tmp_path, wait=False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_let_go_though_a_child_has_the_lock_as_well(tmp_path, monkeypatch):
    pytest.importorskip("fcntl", reason="no locks on Windows")
    inherited, opened = [], os.open

    def open_twice(*arguments):
        descriptor = opened(*arguments)
        inherited.append(os.dup(descriptor))
        return descriptor

    monkeypatch.setattr(os, "open", open_twice)
    try:
        for _ in range(2):
            with alone_in(tmp_path, wait=False):
                pass
        assert len(inherited) == 2  # Both got in.
    finally:
        for descriptor in inherited:
            os.close(descriptor)
