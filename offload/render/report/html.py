"""A report as one HTML file that needs nothing else."""

import html
from collections.abc import Iterator
from importlib.resources import files
from string import Template

from offload.render.report.document import (
    Block,
    Commands,
    Document,
    Figure,
    Paragraph,
    Table,
    spans,
)


def page(document: Document) -> str:
    """The whole file."""
    template = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(document.title),
        subtitle=html.escape(document.subtitle),
        body="\n".join(_body(document)),
    )


def _body(document: Document) -> Iterator[str]:
    figures, tables, chapters, parts = 0, 0, 0, 0
    for section in document.sections:
        if section.level == 1:
            chapters, parts = chapters + 1, 0
            number = f"{chapters}"
        else:
            parts += 1
            number = f"{chapters}.{parts}"
        tag = f"h{section.level + 1}"
        yield f"<{tag}>{number}&ensp;{html.escape(section.heading)}</{tag}>"
        for block in section.blocks:
            figures += isinstance(block, Figure)
            tables += isinstance(block, Table)
            yield _block(block, figures, tables)


def _block(block: Block, figures: int, tables: int) -> str:
    match block:
        case Paragraph(text, lead):
            strong = f"<strong>{html.escape(lead)}</strong> " if lead else ""
            return f"<p>{strong}{_inline(text)}</p>"
        case Commands(lines):
            return f"<pre>{chr(10).join(map(_command, lines))}</pre>"
        case Figure():
            caption = f"<figcaption>Figure {figures}. {_inline(block.caption)}</figcaption>"
            label = html.escape(block.caption)
            svg = block.svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
            return f"<figure>{svg}{caption}</figure>"
        case Table():
            return _table(block, tables)


def _command(line: str) -> str:
    """Each word in a box of its own: lines end between words, not after an option's hyphens."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in line.split(" "))


def _table(table: Table, number: int) -> str:
    kind = ' class="numbers"' if table.numbers else ""
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in table.header)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    caption = f"Table {number}. {_inline(table.caption)}"
    return (
        f'<div class="table"><table{kind}><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    return "".join(
        f"<code>{html.escape(piece)}</code>" if code else html.escape(piece)
        for piece, code in spans(text)
    )
