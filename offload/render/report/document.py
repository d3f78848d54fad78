"""What a report consists of, whatever it is written as; texts have `code` between backticks."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

_UNIT = re.compile(r"(?<=\d) (?=(?:%|m?s|min|h|[kMGT]?B|[kMG]?bit/s|GiB|px|images?/s)(?!\w))")
_INTERVAL = re.compile(r"\(\d[^()]{0,15} to \d[^()]{0,15}\)")
_PER_S = re.compile(r"/s\b")
_NAMED = re.compile(r"(?<!\S)@[a-z]+\d*")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences; `lead` is a bold word or two before them. `@name` refers to a figure or table."""

    kind: ClassVar[str] = "paragraph"
    text: str
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to type."""

    kind: ClassVar[str] = "code"
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells below a header, right-aligned but for the first column if `numbers`."""

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True
    number: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG element, or else a picture, with what it says; `width` is a share of the text's."""

    kind: ClassVar[str] = "figure"
    name: str
    svg: str
    caption: str
    width: float = 1.0
    number: int = 0
    picture: bytes = b""


Block = Paragraph | Code | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of level 1 or 2 and what is below it."""

    heading: str
    blocks: Sequence[Block]
    level: int = 1

    @property
    def name(self) -> str:
        """What its template and its anchor are called: `how-to-do-it-again`."""
        return "-".join(re.findall("[a-z0-9]+", self.heading.lower()))


@dataclass(frozen=True, slots=True)
class Document:
    """A report."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    def blocks(self) -> Iterator[Block]:
        """All blocks in their order."""
        for section in self.sections:
            yield from section.blocks


def paragraph(*sentences: str, lead: str = "") -> list[Block]:
    """What is left of the sentences as one paragraph; none if nothing is."""
    text = " ".join(sentence for sentence in sentences if sentence)
    return [Paragraph(text, lead)] if text else []


def tidy(text: str) -> str:
    """The text with units and intervals kept on one line, but for code between backticks."""
    pieces = text.split("`")
    return "`".join(each if n % 2 else _together(each) for n, each in enumerate(pieces))


def _together(text: str) -> str:
    """No line ends between a number and its unit, nor within the unit or an interval."""
    text = _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text)
    return _PER_S.sub("/\u2060s", _UNIT.sub("\u00a0", text))


def referring(document: Document) -> Document:
    """The document, its figures and tables numbered and each `@name` put as `Figure 2`."""
    kinds = Counter[str]()
    names: dict[str, str] = {}

    def numbered(block: Block) -> Block:
        if not isinstance(block, Figure | Table):
            return block
        kind = type(block).__name__
        kinds[kind] += 1
        names[f"@{block.name}"] = f"{kind}\u00a0{kinds[kind]}"
        return replace(block, number=kinds[kind])

    def referred(block: Block) -> Block:
        if not isinstance(block, Paragraph):
            return block
        # What data says may look like a name.
        return replace(block, text=_NAMED.sub(lambda n: names.get(n[0], n[0]), block.text))

    for change in (numbered, referred):
        changed = [replace(s, blocks=[*map(change, s.blocks)]) for s in document.sections]
        document = replace(document, sections=changed)
    return document


def cut(text: str, longest: int) -> str:
    """The text, or as much of it as goes into so many letters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def listing(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(items) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
