"""Streams of bytes, and files as one: a tar archive."""

import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO

_CHUNK_BYTES = 2**18


def packed(files: Mapping[str, str]) -> Iterator[bytes]:
    """Files and folders, name there -> path here, as a tar stream."""
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, path in files.items():
                archive.add(os.path.realpath(path), name)
        stream.seek(0)
        yield from chunks(stream)


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds, piece by piece."""
    while piece := stream.read(_CHUNK_BYTES):
        yield piece
