"""Tar archives: good ones are read whole, all others raise DataError and leave no file behind."""

import gzip
import os
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_twist.data import archives
from keras_twist.data.archives import read_members
from keras_twist.data.errors import DataError

FILES = {"set/one": b"1" * 3000, "set/two": bytes(range(256)) * 20, "set/readme": b"no"}


def everything(name):
    return True


@pytest.fixture
def pack(tmp_path, forge):
    def write(files, mode="w:gz"):
        path = tmp_path / "archive"
        path.write_bytes(forge.tar_bytes(files, mode))
        return path

    return write


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_reads_chosen_members(pack, mode):
    path = pack(FILES, mode)
    assert read_members(path, everything) == FILES
    assert read_members(path, lambda name: name.endswith("one")) == {"set/one": FILES["set/one"]}


def test_reads_folders_as_nothing(pack):
    folder = tarfile.TarInfo("set")
    folder.type = tarfile.DIRTYPE
    assert read_members(pack({"set": folder, **FILES}), everything) == FILES


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up", "a/../../up", "\\\\host\\share", "a\\..\\..\\up", "C:/up", "C:up"],
)
def test_refuses_members_outside(pack, name):
    with pytest.raises(DataError, match="outside the archive's own folder"):
        read_members(pack({**FILES, name: b"x"}), lambda name: name.endswith("one"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_refuses_links_and_devices(pack, kind):
    member = tarfile.TarInfo("set/four")
    member.type = kind
    member.linkname = "../../etc/passwd"
    with pytest.raises(DataError, match="'set/four' is a link or a device"):
        read_members(pack({**FILES, "set/four": member}), everything)


def test_refuses_a_member_that_is_too_large(pack):
    with pytest.raises(DataError, match="'set/two' claims 5120 bytes; at most 4000"):
        read_members(pack(FILES), everything, max_member=4000)


def test_refuses_a_compression_bomb(pack):
    with pytest.raises(DataError, match="unpacks to more bytes"):
        read_members(pack({"zeros": bytes(3 * 2**20)}), everything, max_total=2**20)
    # Also behind the end of the tar, where a reader of members alone never looks.
    path = pack(FILES, "w")
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(3 * 2**20)))
    with pytest.raises(DataError, match="unpacks to more bytes"):
        read_members(path, everything, max_total=2**20)


def test_refuses_an_enormous_extended_header(pack):
    member = tarfile.TarInfo("pax")
    member.type = tarfile.XHDTYPE
    member.size = 8**11 - 1
    with pytest.raises(DataError):
        read_members(pack({"pax": member}), everything)


def test_refuses_too_many_members_and_twins(pack, monkeypatch, tmp_path):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(DataError, match="more than 2 members"):
        read_members(pack(FILES), everything)
    monkeypatch.undo()
    path = tmp_path / "twins"
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("set/one"))
    with pytest.raises(DataError, match="appears twice"):
        read_members(path, everything)


def test_refuses_what_is_no_archive(tmp_path):
    with pytest.raises(DataError, match="missing or no file"):
        read_members(tmp_path / "nothing", everything)
    with pytest.raises(DataError, match="missing or no file"):
        read_members(tmp_path, everything)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="missing or no file"):
        read_members(tmp_path / "pipe", everything)
    (tmp_path / "text").write_text("<html>Sign in to this network</html>" * 100)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_members(tmp_path / "text", everything)


def test_gzip_cut_anywhere_is_damage(pack):
    path = pack(FILES)
    whole = path.read_bytes()
    for size in range(2, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_members(path, everything)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    position=st.integers(0, 10**6), change=st.integers(1, 255), mode=st.sampled_from(["w", "w:gz"])
)
def test_one_damaged_byte_raises_nothing_else(pack, position, change, mode):
    path = pack(FILES, mode)
    damaged = bytearray(path.read_bytes())
    damaged[position % len(damaged)] ^= change
    path.write_bytes(damaged)
    try:
        members = read_members(path, everything)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        # gzip has a checksum over its contents, and fields of its own that do not matter.
        assert mode == "w" or members == FILES


def _sparse(size, pax):
    """A member that claims `size` bytes of holes, in GNU's old form or in that of pax headers."""
    member = tarfile.TarInfo("set/holes")
    if pax:
        member.pax_headers = {"GNU.sparse.size": str(size), "GNU.sparse.map": "0,0"}
        return member.tobuf(tarfile.PAX_FORMAT)
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("pax", [False, True])
def test_refuses_sparse_members(tmp_path, pax):
    # Ten kilobytes that would unpack to as many gigabytes as there are members.
    path = tmp_path / "holes"
    path.write_bytes(_sparse(2**25, pax) + bytes(1024))
    with tarfile.open(path) as archive:
        (member,) = archive.getmembers()
        assert member.issparse() and member.size == 2**25
    with pytest.raises(DataError, match="'set/holes' is a sparse file"):
        read_members(path, everything)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_an_extended_header_is_not_held_in_memory(tmp_path, kind):
    header = tarfile.TarInfo("long")
    header.type, header.size = kind, 48 * 2**20
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(header.size + 1024), 1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="a header that is longer than any name"):
            read_members(path, everything)
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_refuses_headers_that_announce_headers(tmp_path):
    header = tarfile.TarInfo("long")
    header.type = tarfile.GNUTYPE_LONGNAME
    path = tmp_path / "archive"
    path.write_bytes(header.tobuf() * 1500 + bytes(1024))
    with pytest.raises(DataError, match="truncated or damaged"):
        read_members(path, everything)
