"""Images that never leave this machine."""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate

from offload.domain.errors import UsageError
from offload.domain.places import REMOTE, SPLIT
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.drivers.settings import Settings
from offload.usecases.context import Context
from offload.usecases.detect.request import Request

_MOST_LINKS = 40
"""As many as Linux follows."""


def patterns(request: Request, configured: Settings) -> tuple[str, ...]:
    """Those of the request and of the settings."""
    return (*request.keep_local, *configured.keep_local)


class KeepLocalRules:
    """The images below `root` that patterns name: by the end of their path, or of that of a folder
    which they are in, links followed or not; or by their whole path, from `/`, from `~` or from the
    current folder. `*` stands for anything, folders too; a name with brackets stands for itself
    besides.
    """

    def __init__(self, root: str, among: Sequence[str]) -> None:
        self._root = root
        forms = dict.fromkeys(form for pattern in among for form in _forms(pattern))
        self._named = re.compile("|".join(forms)) if forms else None

    def __contains__(self, path: str) -> bool:
        named = self._named
        if named is None:
            return False
        names = _followed(os.path.join(self._root, path))
        return any(named.match(name.replace(os.sep, "/")) for name in names)


def _followed(path: str) -> Iterator[str]:
    """A path, and all that it becomes as the links in it are followed one by one."""
    reached, real = path, os.path.realpath(path)
    yield from {path, real}
    if path == real:
        return
    for _ in range(_MOST_LINKS):
        ways = itertools.accumulate(reached.split(os.sep), lambda way, name: way + os.sep + name)
        link = next(filter(os.path.islink, ways), None)
        if link is None:
            return
        target = os.path.join(os.path.dirname(link), os.readlink(link))
        reached = os.path.normpath(target + reached[len(link) :])
        yield reached


def _forms(pattern: str) -> Iterator[str]:
    """Expressions for what a pattern says, and for what is in a folder of that name."""
    texts = [("(?s:.*/)", pattern)]
    if pattern.startswith((".", "~")) or os.path.isabs(pattern):
        texts += [("", text) for text in _anchored(os.path.abspath(os.path.expanduser(pattern)))]
    for before, text in texts:
        whole = text.replace(os.sep, "/").rstrip("/")
        for form in (whole, whole.replace("[", "[[]")):
            yield before + translate(form)
            yield before + translate(f"{form}/*")


def _anchored(pattern: str) -> Iterator[str]:
    """The pattern, with the links in what comes before its first `*` followed."""
    parts = pattern.split(os.sep)
    plain = list(itertools.takewhile(lambda part: not set("*?[") & set(part), parts))
    for folder in _followed(os.sep.join(plain) or os.sep):
        yield os.path.join(folder, *parts[len(plain) :])


def check(request: Request, context: Context, found: ImageList) -> None:
    """See that nothing leaves that is to stay. Warn of patterns of the request that name none of
    the images, as one that is mistyped may.

    Raises:
        UsageError: something would.
    """
    if request.where != SPLIT and request.leaves_machine:
        staying = KeepLocalRules(found.root, patterns(request, context.settings))
        if number := sum(path in staying for path in found.paths):
            raise UsageError(
                f"{number} of {len(found.paths)} images must stay here, but --where "
                f"{request.where} sends all.",
                hint="To do those here and the others there: --where split"
                + (f" --with {request.where}" if request.where != REMOTE else ""),
            )
    for pattern in dict.fromkeys(request.keep_local):
        staying = KeepLocalRules(found.root, [pattern])
        if not any(path in staying for path in found.paths):
            context.reporter.warn(f"--keep-local {pattern!r} matches none of the images.")


def leaving(request: Request, context: Context) -> tuple[ImageList, list[str], int]:
    """All images, those that could leave this machine, and what these weigh.

    Raises:
        UsageError: the sources name no image.
    """
    found = image_files.find(request.sources, recursive=request.recursive, skip=request.out)
    check(request, context, found)
    staying = KeepLocalRules(found.root, patterns(request, context.settings))
    away = found.paths if request.leaves_machine else []
    paths = [path for path in away if path not in staying]
    return found, paths, sum(map(found.size_bytes, paths))
