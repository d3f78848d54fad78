"""A report as PDF, set by Typst. The only importer of typst."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import typst

from offload.domain.results import Json
from offload.render.report import templating
from offload.render.report.document import Block, Code, Document, Figure, Section, tidy
from offload.render.report.templating import Templates

_BREAKABLE = partial(re.compile(r"[^ ]{60}(?=[^ ])").sub, "\\g<0>\u200b")
"""Words that are longer than a line may end it anywhere."""
_PLACE = re.compile(r"┌─ (.+):(\d+):\d+")
_DRAWN = {"svg", "picture"}
_MOST_PAGES = 8
_SCALES, _SMALL_SCALES = (1.0, 0.94, 0.88, 0.82, 0.76), (0.7, 0.6)
_FOOT_PT = 774.0
"""Where the text of an A4 page ends, from its top."""


def pages(document: Document, wanted: Templates | None = None) -> bytes:
    """The file: A4, fonts embedded; figures are smaller where that saves paper. Templates get what
    is said as document.json, so none of it is taken for markup.

    Raises:
        UsageError: a template cannot be used.
    """
    found = wanted or templating.ours()
    figures = [block for block in document.blocks() if isinstance(block, Figure)]
    sections = [_section(section, found) for section in document.sections]
    told = {"title": document.title, "subtitle": document.subtitle, "sections": sections}
    sources = {
        **found.contents,
        **{_file(each): each.picture or each.svg.encode() for each in figures},
        "document.json": json.dumps(_each(told, _BREAKABLE)).encode(),
    }
    with TemporaryDirectory(prefix="offload-") as folder:  # in memory, there would be no pictures
        for name, data in sources.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        try:
            return _set(folder)
        except typst.TypstError as error:
            place = _PLACE.search(error.diagnostic or "")
            name, line = (place[1], int(place[2])) if place else ("report.typ", None)
            raise found.broken(os.path.basename(name), line, error.message) from error


def _set(folder: str) -> bytes:
    """The file with its figures as large as they may be for few pages and little empty paper."""
    made = _compiled(folder, _SCALES[0])  # of what is wrong, a query does not say where
    paper = {scale: _paper(folder, scale) for scale in _SCALES}
    if min(paper.values()) > (True, 0):
        paper = {scale: _paper(folder, scale) for scale in _SMALL_SCALES}
    scale = min(paper, key=lambda each: paper[each])
    return made if scale == _SCALES[0] else _compiled(folder, scale)


def _compiled(folder: str, scale: float) -> bytes:
    made = typst.compile(os.path.join(folder, "report.typ"), **_options(folder, scale))
    assert isinstance(made, bytes)
    return made


def _paper(folder: str, scale: float) -> tuple[bool, float]:
    """Whether there are too many pages; and how many there are, the empty feet of all but the last
    counted once more.
    """
    main = os.path.join(folder, "report.typ")
    said = typst.query(main, "<end>", field="value", **_options(folder, scale))
    feet: dict[int, float] = {}
    for end in json.loads(said):
        feet[end["page"]] = max(float(end["y"].removesuffix("pt")), feet.get(end["page"], 0.0))
    full = [*feet.values()][:-1]
    return len(feet) > _MOST_PAGES, len(feet) + sum(1 - foot / _FOOT_PT for foot in full)


def _options(folder: str, scale: float) -> dict[str, Any]:
    # The fonts that come with typst, wherever we are.
    return {"root": folder, "ignore_system_fonts": True, "sys_inputs": {"scale": str(scale)}}


def _section(section: Section, found: Templates) -> Json:
    own = f"{section.name}.typ"
    return {
        "name": section.name, "heading": section.heading, "level": section.level,
        "template": own if own in found.contents else "section.typ",
        "blocks": [*map(_block, section.blocks)],
    }  # fmt: skip


def _block(block: Block) -> Json:
    known = asdict(block, dict_factory=lambda items: {n: v for n, v in items if n not in _DRAWN})
    known = known if isinstance(block, Code) else _each(known, tidy)
    return known | {"kind": block.kind, "file": _file(block) if isinstance(block, Figure) else ""}


def _file(figure: Figure) -> str:
    return f"{figure.name}.jpg" if figure.picture else f"{figure.name}.svg"


def _each(told: Any, change: Callable[[str], str]) -> Any:
    """The same with every text in it changed."""
    if isinstance(told, dict):
        return {name: _each(value, change) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [_each(value, change) for value in told]
    return change(told) if isinstance(told, str) else told
