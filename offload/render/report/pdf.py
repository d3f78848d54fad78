"""A report as PDF, set by Typst. The only importer of typst."""

import json
from importlib.resources import files

import typst

from offload.domain.results import Json
from offload.render.report.document import (
    Block,
    Commands,
    Document,
    Figure,
    Paragraph,
    Table,
    spans,
)


def pages(document: Document) -> bytes:
    """The whole file: A4, fonts embedded, figures as lines and not as pixels."""
    sources = {
        "main.typ": files(__package__).joinpath("report.typ").read_bytes(),
        "document.json": json.dumps(_document(document)).encode(),
    }
    for block in document.blocks():
        if isinstance(block, Figure):
            sources[f"{block.name}.svg"] = block.svg.encode()
    # The fonts that come with typst, wherever we are. Its types do not know several sources.
    made = typst.compile(sources, ignore_system_fonts=True)  # type: ignore[call-overload]
    assert isinstance(made, bytes)
    return made


def _document(document: Document) -> Json:
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "sections": [
            {
                "heading": section.heading,
                "level": section.level,
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in document.sections
        ],
    }


def _block(block: Block) -> Json:
    match block:
        case Paragraph(text, lead):
            return {"kind": "paragraph", "lead": lead, "text": _inline(text)}
        case Commands(lines):
            return {"kind": "commands", "lines": list(lines)}
        case Figure():
            return {
                "kind": "figure", "file": f"{block.name}.svg", "caption": _inline(block.caption),
                "width": block.width,
            }  # fmt: skip
        case Table():
            return {
                "kind": "table", "caption": _inline(block.caption), "numbers": block.numbers,
                "header": [_inline(cell) for cell in block.header],
                "rows": [[_inline(cell) for cell in row] for row in block.rows],
            }  # fmt: skip


def _inline(text: str) -> list[list[object]]:
    return [list(piece) for piece in spans(text)]
