"""A file is whole or not there, also when the writer fails."""

import pytest

from keras_twist.files import partial_file


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
