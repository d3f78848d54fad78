"""What is taken out of archives from elsewhere."""

import gzip
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from offload.drivers.folders.archive import unpack

MB = 1_000_000
SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, to: str = "") -> bytes:
    """One member as it stands in an archive; its header tells the length of the data."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), to
    return header(info) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT)


def archived(path: Path, members: Sequence[bytes]) -> str:
    path.write_bytes(gzip.compress(b"".join(members) + bytes(2 * tarfile.BLOCKSIZE), 1))
    return str(path)


def leading_around_pythons_filter(levels: int) -> list[bytes]:
    """Links whose target is longer than a path may be, so that where they lead is not found out
    (CVE-2025-4517): the last one leads out of the folder.
    """
    name, steps, path = "d" * 247, "abcdefghijklmnop", ""
    members = []
    for step in steps:
        members.append(entry(f"{path}{name}", kind=tarfile.DIRTYPE))
        members.append(entry(f"{path}{step}", kind=tarfile.SYMTYPE, to=name))
        path += f"{name}/"
    long = "/".join(steps) + "/" + "l" * 254
    members.append(entry(long, kind=tarfile.SYMTYPE, to="../" * len(steps)))
    members.append(entry("escape", kind=tarfile.SYMTYPE, to=long + "/.." * levels))
    return [*members, entry("escape/evil", b"evil")]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_links_that_led_python_three_folders_up_are_not_made(tmp_path: Path, levels: int) -> None:
    folder = tmp_path / "cache" / "models" / "unpacked"
    archive = archived(tmp_path / "a", leading_around_pythons_filter(levels))
    with pytest.raises(ValueError, match="'a' is neither a file nor a folder"):
        unpack(archive, str(folder), MB)
    assert not list(tmp_path.rglob("evil"))
    assert [path.name for path in folder.rglob("*")] == ["d" * 247]


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
        tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z",
    ],
)  # fmt: skip
def test_nothing_is_taken_out_but_files_and_folders(tmp_path: Path, kind: bytes) -> None:
    archive = archived(tmp_path / "a", [entry("b", b"b"), entry("c", kind=kind, to="b")])
    with pytest.raises(ValueError, match="'c' is neither a file nor a folder"):
        unpack(archive, str(tmp_path / "x"), MB)
    assert os.listdir(tmp_path / "x") == ["b"]


def test_a_file_that_would_grow_to_8_gb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    info = tarfile.TarInfo("weights")
    info.size = 8_200_000_000
    archive = archived(tmp_path / "a", [header(info), bytes(MB)])
    with pytest.raises(ValueError, match="it unpacks to more than 2000 MB"):
        unpack(archive, str(tmp_path / "x"), 2000 * MB)
    assert os.listdir(tmp_path / "x") == []


def test_many_files_weigh_no_more_than_one(tmp_path: Path) -> None:
    archive = archived(tmp_path / "a", [entry(f"{n}", bytes(300_000)) for n in range(9)])
    with pytest.raises(ValueError, match="it unpacks to more than 1 MB"):
        unpack(archive, str(tmp_path / "x"), MB)
    assert len(os.listdir(tmp_path / "x")) == 3


def test_a_name_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("name")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1000 * MB
    archive = archived(tmp_path / "a", [header(info), bytes(MB)])
    with pytest.raises(ValueError, match="it has too long a header"):
        unpack(archive, str(tmp_path / "x"), 2000 * MB)


def test_headers_without_number_are_given_up(tmp_path: Path) -> None:
    archive = archived(tmp_path / "a", [entry("folder", kind=tarfile.DIRTYPE) * 9000])
    with pytest.raises(ValueError, match="it holds too many files"):
        unpack(archive, str(tmp_path / "x"), 2000 * MB)


@pytest.mark.parametrize(
    "members",
    [
        [entry("pax", b"", tarfile.XHDTYPE)] * 2000,
        [entry("a", b"1"), entry("a", b"2")],
        [entry("a", b"1"), entry("a/b", b"2")],
        [entry("pax", b"14 size=-2000\n", tarfile.XHDTYPE), entry("a", b"1")],
        [entry("pax", b"12 path=a\x00b\n", tarfile.XHDTYPE), entry("a", b"1")],
        [entry("pax", SPARSE, tarfile.XHDTYPE), entry("a", b"x\n")],
        [b"no header at all" * 32],
    ],
)
def test_an_odd_archive_is_a_value_error(tmp_path: Path, members: Sequence[bytes]) -> None:
    archive = archived(tmp_path / "a", members)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        unpack(archive, str(tmp_path / "x"), MB)
