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
    matter = Comparisons(study)
    made = Document(opening.title(matter), opening.subtitle(study), [
        *section("Introduction", opening.introduction(matter, conclusions.short(matter))),
        *section("Problem overview", opening.problem(matter)),
        *section("Methodology and approach", method.design(matter)),
        *section("Measures", method.measures(matter), level=2),
        *section("Set-up", setup.setup(matter), level=2),
        *section("How to do it again", setup.reproduction(matter), level=2),
        Section("Results", results.opening(matter)),
        *section("Makespan", results.makespan(matter), level=2),
        *section("Where the time goes", results.where(matter), level=2),
        *section("Replicas and requests in flight", replicas.scaling(matter), level=2),
        *section("Transfer", evidence.transfer(matter), level=2),
        *section("Predictions", evidence.predicted(matter), level=2),
        *section("Dollars", evidence.dollars(matter), level=2),
        *section("Failed runs", evidence.failures(matter), level=2),
        *section("Conclusions", conclusions.conclusions(matter)),
    ])  # fmt: skip
    return referring(made)
