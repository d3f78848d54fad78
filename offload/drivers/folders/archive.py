"""Archives from elsewhere. tarfile's own filters led outside in some Pythons, and bound no size."""

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib

_CHUNK_BYTES = 2**16
_HEADERS_BYTES = 2**22


def is_archive(path: str) -> bool:
    """Whether the file begins as a `.tar.gz` or a `.zip` does."""
    with open(path, "rb") as file:
        return file.read(4).startswith((b"\x1f\x8b", b"PK\3\4"))


def unpack(archive: str, folder: str, most_bytes: int) -> None:
    """Take the files and folders out of a `.tar.gz` or `.zip` into `folder`, which is made.

    Raises:
        ValueError: it is damaged, or there is something else in it, or more than `most_bytes`.
        OSError: they cannot be written.
    """
    folder = os.path.abspath(folder)
    os.makedirs(folder)
    if zipfile.is_zipfile(archive):
        _unzip(archive, folder, most_bytes)
        return
    try:
        with _Unpacked(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as members:
            data_bytes = 0
            for member in members:
                if member.offset_data - data_bytes > _HEADERS_BYTES:
                    raise ValueError("it holds too many files")
                if not 0 <= member.size <= most_bytes - member.offset_data:
                    raise ValueError(f"it unpacks to more than {most_bytes / 1e6:.0f} MB")
                _take(members, member, folder)
                data_bytes += member.size if member.isfile() else 0
            # The checksum stands at the end, where nothing has looked yet.
            while stream.tell() <= most_bytes and stream.read(_CHUNK_BYTES):
                pass
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError("two of its members have the same name") from error
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, RecursionError) as error:
        raise ValueError(str(error) or "it cannot be unpacked") from error


def _unzip(archive: str, folder: str, most_bytes: int) -> None:
    try:
        with zipfile.ZipFile(archive) as members:
            # A member weighs what it says: reading one that goes on fails its checksum.
            if sum(member.file_size for member in members.infolist()) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes / 1e6:.0f} MB")
            for member in members.infolist():
                path = _below(folder, member.filename)
                if member.is_dir():
                    os.makedirs(path, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with members.open(member) as source, open(path, "xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ValueError("two of its members have the same name") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(str(error) or "it cannot be unpacked") from error


class _Unpacked(gzip.GzipFile):
    """What tarfile reads at once, the headers of a member, may be as long as an archive says."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _CHUNK_BYTES:
            raise tarfile.ReadError("it has too long a header")
        return super().read(size)


def _take(members: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    """Write a file or make a folder. There is no link on the way, as none is ever made."""
    path = _below(folder, member.name)
    if member.isdir():
        os.makedirs(path, exist_ok=True)
        return
    plain = member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse()
    if not plain or not (source := members.extractfile(member)):
        raise ValueError(f"{member.name!r} is neither a file nor a folder")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _below(folder: str, name: str) -> str:
    path = os.path.normpath(os.path.join(folder, name.lstrip("/")))
    if not f"{path}{os.sep}".startswith(f"{folder}{os.sep}"):
        raise ValueError(f"{name!r} would lie outside of it")
    return path
