"""The report of a study, as a document and as files."""

import os

from offload.domain.errors import UsageError
from offload.findings.study import Study
from offload.render.report import html, templating
from offload.render.report.chapters import conclusions, evidence, method, opening, results
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Document, Section, referring
from offload.render.report.templating import Templates
from offload.render.tables import write_file

_NAMES = ("report.pdf", "report.html")
_KINDS = {".pdf", ".html"}


def document(study: Study, wanted: Templates | None = None) -> Document:
    """Everything that the study has to say, and nothing that it has not, in the words of templates.

    Raises:
        UsageError: a template cannot be used.
    """
    compared = Comparisons(study, wanted or templating.ours())
    sections = [
        Section("Introduction", opening.introduction(compared, conclusions.short(compared))),
        Section("Problem overview", opening.problem(compared)),
        Section("Methodology and approach", method.design(compared)),
        Section("Measures", method.measures(compared), level=2),
        Section("Set-up", method.setup(compared), level=2),
        Section("Reproduction", method.reproduction(compared), level=2),
        Section("Results", results.opening(compared)),
        Section("Total time", results.makespan(compared), level=2),
        Section("Where the time goes", results.where(compared), level=2),
        Section("Replicas and requests in flight", results.scaling(compared), level=2),
        Section("Transfer", evidence.transfer(compared), level=2),
        Section("Predictions", evidence.predicted(compared), level=2),
        Section("Dollars", evidence.dollars(compared), level=2),
        Section("Failed runs", evidence.failures(compared), level=2),
        Section("Conclusions", conclusions.conclusions(compared)),
    ]
    said = [each for each in sections if each.blocks or each.heading == "Results"]
    return referring(Document(opening.title(compared), opening.subtitle(study), said))


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


def write(study: Study, paths: list[str], template: str | None = None) -> None:
    """The report of a study as each of the files; templates in the folder `template` go first.

    Raises:
        UsageError: one cannot be written, or a template not be used.
    """
    wanted = templating.read(template)
    made = document(study, wanted)
    for path in paths:
        if path.lower().endswith(".html"):
            content = html.page(made, study, wanted).encode()
        else:
            from offload.render.report import pdf

            content = pdf.pages(made, wanted)
        write_file("report", path, content)
