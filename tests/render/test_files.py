import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from offload.costmodel import runs_table
from offload.domain.errors import UsageError
from offload.domain.study_tables import shown
from offload.drivers.images import pictures
from offload.findings.study import MeasuredRun, Study, Variant
from offload.render.report import build, html, pdf, templating
from offload.render.report.document import Document, Figure, Paragraph, Section, Table
from offload.usecases.experiment.study import recorded
from tests.browser import launched
from tests.measured import PLACES as KNOWN
from tests.render.pdfs import contents
from tests.render.test_documents import BOTH_LINKS, BROKEN, FAST, SWEEP
from tests.studies import Made, made

pytestmark = pytest.mark.xdist_group("report files")

A4 = (595, 842)
STUDY = Study((MeasuredRun("", Variant("local"), 5, {"makespan_s": 1.0}),), places=KNOWN)
GRID = {
    **BOTH_LINKS,
    "upload_max_side_px": [None, 640],
    "concurrency": [1, 8],
    "replicas": [1, 3],
}
RICHEST = Made(
    images=[1, 2, 5, 10, 20, 50],
    laws=FAST,
    failing=BROKEN | {7: "x " * 200, 9: "y", 11: "z"},
    grid=GRID,
    repeats=2,
)


@pytest.fixture(scope="module")
def richest(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = made(tmp_path_factory.mktemp("richest") / "study", RICHEST)
    return build.document(recorded(str(folder)))


@pytest.fixture(scope="module")
def scaling(tmp_path_factory: pytest.TempPathFactory) -> Document:
    what = Made(places=["container"], images=[50], grid=SWEEP)
    folder = made(tmp_path_factory.mktemp("scaling") / "study", what)
    return build.document(recorded(str(folder)))


def test_the_longest_report_has_at_most_eight_pages_of_a4_with_its_fonts(richest: Document) -> None:
    assert {b.name for b in richest.blocks() if isinstance(b, Figure)} > {"response", "dollars"}
    found = contents(pdf.pages(richest))
    assert 5 <= found.pages <= 8
    assert found.sizes == {A4}
    assert found.embedded == found.fonts > 0
    assert found.pictures == 0, "figures are lines"


def test_whatever_is_drawn_fits_into_eight_pages(richest: Document) -> None:
    figures = [b for b in richest.blocks() if isinstance(b, Figure)]
    more = Section("More", figures[:3])
    found = contents(pdf.pages(Document("Long", "", [*richest.sections, more])))
    assert found.pages <= 8


def test_what_stands_in_a_text_is_no_markup() -> None:
    text = "A *b* _c_ #d $e$ \\f <g> </script> & `h` [i] @ ~"
    document = Document(text, text, [Section(text, [Paragraph(text, lead="<j>")])])
    assert contents(pdf.pages(document)).pages == 1
    page = html.page(document, STUDY)
    assert "<g>" not in page
    assert "&lt;g&gt; &lt;/script&gt; &amp; <code>h</code>" in page


HOSTILE = (
    '<b></script>&`$x^2$ #y @makespan @nobody *_~ \\frac" --> ]]> \u202e\u05e9\x07\ud800 '
    + "w" * 200
)


def test_whatever_data_says_is_neither_markup_nor_trouble(tmp_path: Path) -> None:
    folder = made(tmp_path / "study", Made(images=[1, 10], repeats=1, failing={3: shown(HOSTILE)}))
    machine = {"cpu": HOSTILE, "gpu": HOSTILE, "system": HOSTILE, "cores": 2}
    places = {"remote": {"host": machine, "instance_type": HOSTILE, "region": HOSTILE}}
    versions = {"offload": HOSTILE}
    document = {"client": machine, "places": places, "versions": versions}
    (folder / "environment.json").write_text(json.dumps(document))
    command = ["offload", "experiment", HOSTILE, "--out=my study"]
    (folder / "study.json").write_text(json.dumps({"model": HOSTILE, "command": command}))
    made_of_it = build.document(recorded(str(folder)))
    assert contents(pdf.pages(made_of_it)).pages <= 8
    page = html.page(made_of_it, STUDY)
    assert page.encode()
    assert "<b>" not in page
    assert "</script>" not in page
    text = re.sub("</?span>", "", page)
    assert "offload report &#39;my study&#39; -o report.pdf" in text


class References(HTMLParser):
    """Every address that a page names, and every id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "xlink:href", "src", "srcset", "action", "data"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if value and "url(" in value:
                self.addresses += re.findall(r"url\(([^)]*)\)", value)


def test_a_page_names_nothing_outside_of_itself(scaling: Document) -> None:
    page = html.page(scaling, STUDY)
    found = References(page)
    assert found.addresses
    assert all(address.startswith("#") for address in found.addresses)
    assert {address[1:] for address in found.addresses} <= set(found.ids)
    assert not found.tags & {"script", "link", "iframe", "img"}
    assert "@import" not in page


def test_figures_on_a_page_do_not_share_their_ids(richest: Document) -> None:
    found = References(html.page(richest, STUDY))
    assert len(found.ids) == len(set(found.ids))


def test_every_figure_can_be_read_out(scaling: Document) -> None:
    page = html.page(scaling, STUDY)
    figures = [b for b in scaling.blocks() if isinstance(b, Figure)]
    assert page.count('<div role="img" aria-label="') == len(figures) == page.count("<figcaption>")


def test_a_browser_shows_it_without_asking_anybody(scaling: Document, tmp_path: Path) -> None:
    shown = tmp_path / "report.html"
    shown.write_text(html.page(scaling, STUDY))
    (tmp_path / "profile").mkdir()
    with launched(tmp_path / "profile") as browser, browser.page() as page:
        page.view(400, 800)
        page.open(shown.as_uri())
        assert page.requests == [shown.as_uri()]
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.text("h1").startswith("Detecting objects in the container")


@pytest.mark.parametrize(
    ("out", "written"),
    [
        ("report.pdf", ["report.pdf"]),
        ("a/b.HTML", ["a/b.HTML"]),
        ("folder", ["folder/report.pdf", "folder/report.html"]),
        ("v1.2/", ["v1.2/report.pdf", "v1.2/report.html"]),
    ],
)
def test_a_report_goes_to_a_file_or_into_a_folder(out: str, written: list[str]) -> None:
    assert build.targets(out) == written


def test_other_kinds_of_report_are_refused() -> None:
    with pytest.raises(UsageError, match=r"A report is a \.pdf or an \.html file, not ") as caught:
        build.targets("report.docx")
    assert "-o report.pdf" in caught.value.hint


OLD = Path(__file__).with_name("old_study")
"""As it was written when cells had units and nothing was known of the model's input."""


def test_a_study_of_an_older_version_is_reported_and_imported() -> None:
    study = recorded(str(OLD))
    document = build.document(study)
    tables = {block.name: block for block in document.blocks() if isinstance(block, Table)}
    assert tables["makespans"].rows[0][0] == "start-up"
    assert "model input" not in [row[0] for row in tables["job"].rows]
    assert len(runs_table.read((OLD / "runs.csv").read_text())) == len(study.done) == 12


def test_a_photo_is_in_both_files(tmp_path: Path) -> None:
    picture = pictures.sample()
    small = pictures.smaller(picture, 64, 85)
    assert small is not None
    document = build.document(replace(STUDY, picture=small[0]))
    assert 'src="data:image/jpeg;base64,' in html.page(document, STUDY)
    assert contents(pdf.pages(document)).pictures == 1


def test_a_page_has_its_contents_and_is_dark_where_people_want_that(scaling: Document) -> None:
    page = html.page(scaling, STUDY)
    found = References(page)
    links = [each[1:] for each in found.addresses if each.startswith("#s-")]
    assert links == [f"s-{section.name}" for section in scaling.sections]
    assert "prefers-color-scheme: dark" in page


def own(folder: Path, **files: str) -> templating.Templates:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return templating.read(str(folder))


def test_a_template_of_the_same_name_goes_before_ours(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        conclusions_html="<i>{{ section.heading }} at {{ study.runs[0].cell }}</i>",
        conclusions_typ="#let section(it) = [#metadata(it.heading) <own>]",
        sentences_toml='alone = "It takes {seconds:took}, and not more."',
    )
    study = replace(STUDY, runs=(replace(STUDY.runs[0], cell="<b>"),))
    document = build.document(study, found)
    page = html.page(document, study, found)
    assert "<i>Conclusions at &lt;b&gt;</i>" in page
    assert "It takes 1\u00a0s, and not more." in page
    assert pdf.pages(document, found).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "report.html",
            "a\n{% for x in y %}",
            "report.html, line 2 cannot be used: Unexpected end",
        ),
        (
            "section.html",
            "a\n{{ nothing }}",
            "section.html, line 2 cannot be used: 'nothing' is und",
        ),
        (
            "report.html",
            "a\n\n{{ 1 / 0 }}",
            "report.html, line 3 cannot be used: division by zero.",
        ),
        ("report.typ", "a\n#b", "report.typ, line 2 cannot be used: unknown variable: b."),
        ("section.typ", "#let section(it) = [\n#it.b]", "section.typ, line 2 cannot be used: dict"),
        (
            "sentences.toml",
            "\nalone = '{b:took}'",
            "sentences.toml, line 2 cannot be used: of 'alone'",
        ),
        ("sentences.toml", "b = ''", "sentences.toml, line 1 cannot be used: there is no sentence"),
        ("sentences.toml", "alone = '", "sentences.toml cannot be used: "),
    ],
)
def test_a_broken_template_is_one_sentence_with_its_file_and_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    found = own(tmp_path, **{name: text})

    def write() -> None:
        document = build.document(STUDY, found)
        html.page(document, STUDY, found)
        pdf.pages(document, found)

    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        write()
    assert str(caught.value).startswith(f"The template {tmp_path}/")


def test_templates_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The templates in '.*nothing' cannot be read: No such"):
        templating.read(str(tmp_path / "nothing"))


def test_ours_are_part_of_the_package() -> None:
    names = {each.name for each in files("offload.render.report").joinpath("templates").iterdir()}
    assert names >= {"report.html", "report.typ", "section.html", "section.typ", "sentences.toml"}
