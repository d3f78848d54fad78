"""A report as files."""

import os

from offload.domain.errors import UsageError
from offload.findings.study import Study
from offload.render.report import build, html
from offload.render.report.document import Document
from offload.render.tables import write_file

_NAMES = ("report.pdf", "report.html")
_KINDS = {".pdf", ".html"}


def targets(out: str) -> list[str]:
    """The files that `out` stands for: itself, or both kinds in a folder.

    Raises:
        UsageError: it is a file of another kind.
    """
    kind = os.path.splitext(out)[1].lower()
    if kind in _KINDS and not os.path.isdir(out):
        return [out]
    if kind and not os.path.isdir(out) and not out.endswith(os.sep):
        raise UsageError(
            f"A report is a .pdf or an .html file, not {out!r}.",
            hint="For instance: offload report STUDY -o report.pdf",
        )
    return [os.path.join(out, name) for name in _NAMES]


def write(study: Study, paths: list[str]) -> None:
    """The report of a study as each of the files.

    Raises:
        UsageError: one cannot be written.
    """
    document = build.document(study)
    for path in paths:
        write_file("report", path, _bytes(document, path))


def _bytes(document: Document, path: str) -> bytes:
    if path.lower().endswith(".html"):
        return html.page(document).encode()
    from offload.render.report import pdf

    return pdf.pages(document)
