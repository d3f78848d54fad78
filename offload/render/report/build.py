"""The document of a study."""

from offload.findings.study import Study
from offload.render.report.chapters import (
    conclusions,
    evidence,
    method,
    opening,
    replicas,
    results,
    setup,
)
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Document, Section, referring, section


def document(study: Study) -> Document:
    """Everything that the study has to say, and nothing that it has not."""
    compared = Comparisons(study)
    made = Document(opening.title(compared), opening.subtitle(study), [
        *section("Introduction", opening.introduction(compared, conclusions.short(compared))),
        *section("Problem overview", opening.problem(compared)),
        *section("Methodology and approach", method.design(compared)),
        *section("Measures", method.measures(compared), level=2),
        *section("Set-up", setup.setup(compared), level=2),
        *section("How to do it again", setup.reproduction(compared), level=2),
        Section("Results", results.opening(compared)),
        *section("Total time", results.makespan(compared), level=2),
        *section("Where the time goes", results.where(compared), level=2),
        *section("Replicas and requests in flight", replicas.scaling(compared), level=2),
        *section("Transfer", evidence.transfer(compared), level=2),
        *section("Predictions", evidence.predicted(compared), level=2),
        *section("Dollars", evidence.dollars(compared), level=2),
        *section("Failed runs", evidence.failures(compared), level=2),
        *section("Conclusions", conclusions.conclusions(compared)),
    ])  # fmt: skip
    return referring(made)
