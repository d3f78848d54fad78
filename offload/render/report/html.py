"""A report as one HTML file that needs nothing else."""

import html
from collections.abc import Iterator
from importlib.resources import files
from string import Template

from offload.render.report.document import Block, Code, Document, Figure, Paragraph, Table, spans


def page(document: Document) -> str:
    """The whole file."""
    template = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(document.title),
        subtitle=html.escape(document.subtitle),
        body="\n".join(_body(document)),
    )


def _body(document: Document) -> Iterator[str]:
    for section in document.sections:
        tag = f"h{section.level + 1}"
        yield f"<{tag}>{html.escape(section.heading)}</{tag}>"
        yield from map(_block, section.blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, lead):
            strong = f"<strong>{html.escape(lead)}</strong> " if lead else ""
            return f"<p>{strong}{_inline(text)}</p>"
        case Code(lines):
            return f"<pre>{chr(10).join(map(_command, lines))}</pre>"
        case Figure():
            label = html.escape(block.caption)
            svg = block.svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
            return f"<figure>{svg}<figcaption>{_caption(block)}</figcaption></figure>"
        case Table():
            return _table(block)


def _caption(block: Figure | Table) -> str:
    return f"{type(block).__name__} {block.number}. {_inline(block.caption)}"


def _command(line: str) -> str:
    """Each word in a box of its own: lines end between words, not after an option's hyphens."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in line.split(" "))


def _table(table: Table) -> str:
    kind = ' class="numbers"' if table.numbers else ""
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in table.header)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="table"><table{kind}><caption>{_caption(table)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    return "".join(
        f"<code>{html.escape(piece)}</code>" if code else html.escape(piece)
        for piece, code in spans(text)
    )
