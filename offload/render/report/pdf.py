"""A report as PDF, set by Typst. The only importer of typst."""

import json
import re
from importlib.resources import files
from typing import Any

import typst

from offload.domain.results import Json
from offload.render.report.document import Block, Code, Document, Figure, Paragraph, Table, spans

Sources = Any
"""Names -> contents; typst's own types know of a single source only."""

_LONG_WORD = re.compile(r"[^ ]{1,60}")
_MOST_PAGES = 8
_SCALES = (1.0, 0.94, 0.88)
_SMALL_SCALES = (0.8, 0.7, 0.6)


def pages(document: Document) -> bytes:
    """The whole file: A4, fonts embedded; figures are smaller where that saves pages."""
    sections = [
        {"heading": s.heading, "level": s.level, "blocks": [*map(_block, s.blocks)]}
        for s in document.sections
    ]
    told = {"title": document.title, "subtitle": document.subtitle, "sections": sections}
    sources = {
        "main.typ": files(__package__).joinpath("report.typ").read_bytes(),
        "document.json": json.dumps(told).encode(),
    }
    for block in document.blocks():
        if isinstance(block, Figure):
            sources[f"{block.name}.svg"] = block.svg.encode()
    found = {scale: _pages(sources, scale) for scale in _SCALES}
    scale = min(found, key=lambda each: found[each])
    if found[scale] > _MOST_PAGES:
        enough = (each for each in _SMALL_SCALES if _pages(sources, each) <= _MOST_PAGES)
        scale = next(enough, _SMALL_SCALES[-1])
    made = typst.compile(sources, **_options(scale))
    assert isinstance(made, bytes)
    return made


def _pages(sources: Sources, scale: float) -> int:
    return int(typst.query(sources, "<pages>", field="value", one=True, **_options(scale)))


def _options(scale: float) -> dict[str, Any]:
    # The fonts that come with typst, wherever we are.
    return {"ignore_system_fonts": True, "sys_inputs": {"scale": str(scale)}}


def _block(block: Block) -> Json:
    match block:
        case Paragraph(text, lead):
            known: Json = {"lead": lead, "text": _inline(text)}
        case Code(lines):
            words = [[_LONG_WORD.findall(word) for word in line.split(" ")] for line in lines]
            known = {"lines": words}
        case Figure():
            known = {
                "file": f"{block.name}.svg", "caption": _inline(block.caption),
                "width": block.width,
            }  # fmt: skip
        case Table():
            known = {
                "caption": _inline(block.caption), "numbers": block.numbers,
                "header": [*map(_inline, block.header)],
                "rows": [[*map(_inline, row)] for row in block.rows],
            }  # fmt: skip
    return {"kind": type(block).__name__.lower(), **known}


def _inline(text: str) -> list[list[object]]:
    return [[_breakable(piece), code] for piece, code in spans(text)]


def _breakable(text: str) -> str:
    """Words that are longer than a line may end it anywhere."""
    return " ".join("\u200b".join(_LONG_WORD.findall(word)) for word in text.split(" "))
