"""What sources name: lists, URLs, and the paths by which images are known."""

import codecs
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from offload.domain.errors import UsageError
from offload.domain.vision import Image
from offload.drivers.http.web import without_secrets
from offload.drivers.images.stored import Listing, Reader, Stored, is_prefix, plain
from offload.drivers.objects.store import is_url

MAX_LIST_BYTES = 512 * 2**20
_SCHEME_AND_BUCKET = 3
"""Of the parts of a URL between slashes."""
_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def at(
    source: str, reader: Reader, skip: str | None, left_out: Counter[str], most: int | None
) -> Iterable[Stored]:
    """What a URL names: of a prefix, the first `most`.

    Raises:
        UsageError: it names nothing.
    """
    if is_prefix(source):
        listing = Listing(source, skip, left_out)
        found = [stored for _, stored in islice(listing, most)]
        if not found:
            others = f"; {listing.omission}" if left_out else ""
            raise UsageError(f"No images in {source}{others}.")
        return found
    file = source.split("?", 1)[0]
    if file.endswith("/"):
        raise UsageError(
            f"{without_secrets(source)} is a folder of a web server, which cannot be listed.",
            hint="Give a list with a URL a line: offload detect urls.txt",
        )
    if not file.lower().endswith(".txt"):
        return [Stored(source)]
    folder = file.rpartition("/")[0]
    lines = listed(reader.text(source, MAX_LIST_BYTES))
    return [Stored(line if is_url(line) else f"{folder}/{line}") for line in lines]


def anywhere(line: str) -> str | Stored:
    """What a line of a list here names."""
    return Stored(line) if is_url(line) else os.path.abspath(line)


def listed(text: bytes) -> list[str]:
    """The paths of a list, as they are on disk: lines, or records if there is a NUL."""
    if text.startswith(_UTF16):
        text = text.decode("utf-16", "replace").encode()
    text = text.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in text else b"\n"
    lines = (line.rstrip(b"\r") if separator == b"\n" else line for line in text.split(separator))
    return [os.fsdecode(line) for line in lines if line.strip()]


def root_of(
    sources: Sequence[str | Image],
    found: Sequence[str | Image | Stored],
    problems: Sequence[tuple[str, str]],
) -> str:
    """What paths are relative to."""
    named = [source for source in sources if isinstance(source, str)]
    if len(named) == 1 and (is_prefix(named[0]) or os.path.isdir(named[0])):
        return named[0].rstrip("/") if is_url(named[0]) else os.path.abspath(named[0])
    files = [each for each in found if isinstance(each, str)]
    files += [os.path.abspath(path) for path, _ in problems]
    folders = [plain(each.url).split("/")[:-1] for each in found if isinstance(each, Stored)]
    ways = takewhile(lambda each: len(set(each)) == 1, zip(*folders, strict=False))
    common = [] if files else [way[0] for way in ways]
    if len(common) >= _SCHEME_AND_BUCKET:
        return "/".join(common)
    return _root(files)


def identity(each: str | Stored, root: str) -> str:
    """The path of an image below `root`."""
    if isinstance(each, str):
        return os.path.relpath(each, root).replace(os.sep, "/")
    url = plain(each.url)
    return url.removeprefix(f"{root}/") if is_url(root) else url.partition("://")[2]


def _root(places: list[str]) -> str:
    here = os.getcwd()
    folders = {os.path.dirname(place) for place in places}
    if all(folder == here or folder.startswith(here.rstrip("/") + os.sep) for folder in folders):
        return here
    return os.path.commonpath(folders)
