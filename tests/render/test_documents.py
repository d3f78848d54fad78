import json
import re
import shlex
import string
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offload.findings.estimates import Estimate
from offload.findings.phases import STAGES
from offload.findings.study import MeasuredRun, Study, Variant
from offload.render.report import build, figures, html, pdf
from offload.render.report.chapters.method import wrapped
from offload.render.report.comparisons import Comparisons, thinned
from offload.render.report.document import (
    Block,
    Code,
    Document,
    Figure,
    Paragraph,
    Section,
    Table,
    listing,
    paragraph,
    referring,
    tidy,
)
from offload.render.report.sentences import (
    SHOWN,
    Names,
    Sentences,
    digits,
    in_one_unit,
    round_images,
    wording,
)
from offload.render.report.templating import ours
from offload.usecases.experiment.study import recorded
from tests.measured import PLACES as KNOWN
from tests.studies import LAWS, PHASES, RUNS, Law, Made, change, made

pytestmark = pytest.mark.xdist_group("documents")

FAST = LAWS | {"remote": Law(0.012, slots=4, mbit=100, rtt_s=0.15, usd_per_h=0.0942)}
SLOW = LAWS | {"remote": Law(0.012, slots=4, mbit=8)}
SWEEP: dict[str, Sequence[Any]] = {
    "replicas": [1, 2, 3],
    "cpus": [0.5],
    "concurrency": [1, 2, 4, 8, 16, 32],
}
BOTH_LINKS: dict[str, Sequence[Any]] = {"link_mbit": [10, 100]}
BROKEN = {3: "The server did not answer within 60 s.", 40: "Ctrl-C."}

STUDIES = {
    "three places": Made(laws=FAST),
    "a slow link": Made(laws=SLOW),
    "two links": Made(grid=BOTH_LINKS, failing=BROKEN),
    "replicas": Made(places=["container"], images=[50], grid=SWEEP),
    "everything at once": Made(
        images=[1, 10, 50],
        grid={**BOTH_LINKS, "upload_max_side_px": [None, 640]},
    ),
    "no remote place": Made(places=["local", "container"], images=[1, 10, 100]),
    "one image": Made(images=[1]),
    "one number of images": Made(images=[10]),
    "one place": Made(places=["local"], images=[1, 10, 100]),
    "one repeat": Made(images=[1, 10], repeats=1),
    "one run": Made(places=["local"], images=[5], repeats=1),
    "nothing but the runs": Made(
        images=[1, 10], environment=False, predicted=False, per_image=False
    ),
    "a place that always failed": Made(
        images=[1, 10], repeats=1, failing={4: "No route.", 5: "No route."}
    ),
    "all failed": Made(images=[5], repeats=1, failing={0: "a", 1: "b", 2: "c"}),
    "replicas alone": Made(places=["container"], images=[10], grid={"replicas": [1, 2, 3]}),
    "many links": Made(images=[1, 10], repeats=2, grid={"link_mbit": [1, 2, 5, 10, 20, 50, 200]}),
    "cold alone": Made(images=[1, 10, 50], grid={"cold": [True]}),
}  # fmt: skip

SENTENCES = wording(ours())

_MANY_OF_ONE = re.compile(
    r"(?<![\d,.])1 (runs|images|places|cells|predictions|jobs|times|requests|replicas|transfers)\b"
)
_UNSAID = re.compile(r"\bNone\b(?! of)|\b(nan|inf|True|False)\b|[{}@]|  | \.")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    root = tmp_path_factory.mktemp("studies")
    return {name: recorded(str(made(root / name, what))) for name, what in STUDIES.items()}


@pytest.fixture(scope="module")
def documents(studies: dict[str, Study]) -> dict[str, Document]:
    return {name: build.document(study) for name, study in studies.items()}


def texts(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for block in section.blocks:
            match block:
                case Paragraph(text):
                    yield text
                case Figure():
                    yield block.caption


def chapter(document: Document, *headings: str) -> list[Section]:
    """The sections of some chapters, those below them included."""
    found, inside = [], False
    for section in document.sections:
        if section.level == 1:
            inside = section.heading in headings
        found += [section] * inside
    return found


def sentences(text: str) -> list[str]:
    # Code has no sentences, and a reference to a figure is no number.
    plain = re.sub(r"(Figure|Table)\s\d+", r"\1", re.sub(r"`[^`]*`", "code", text))
    return re.split(r"(?<=[.?!]) (?=[A-Z])", plain)


def conclusion(document: Document, lead: str) -> str:
    blocks = [b for s in chapter(document, "Conclusions") for b in s.blocks]
    return next((b.text for b in blocks if isinstance(b, Paragraph) and b.lead == lead), "")


def named(document: Document) -> set[str]:
    return {block.name for block in document.blocks() if isinstance(block, Figure)}


EXPLAINING = ("Dots:", "The dashed", "Each mark", "Vertical lines:", "Absolute errors of")
POINTING = re.compile(r"^(Figure|Table)( and Table)? (show|compare|weigh)")


@pytest.mark.parametrize("name", STUDIES)
def test_every_sentence_of_results_and_conclusions_has_its_number(
    name: str, documents: dict[str, Document]
) -> None:
    for text in texts(chapter(documents[name], "Results", "Conclusions")):
        for sentence in sentences(text):
            pointing = POINTING.match(sentence) or sentence.startswith(EXPLAINING)
            assert pointing or re.search(r"\d", sentence), sentence


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_is_said_of_what_is_not_there(name: str, documents: dict[str, Document]) -> None:
    document = documents[name]
    for text in [document.title, document.subtitle, *texts(list(document.sections))]:
        assert text
        assert not _UNSAID.search(text), text
        assert not _MANY_OF_ONE.search(text), text
    for block in document.blocks():
        for line in block.rows if isinstance(block, Table) else ():
            assert not any(_UNSAID.search(cell) for cell in line), line


@pytest.mark.parametrize("name", STUDIES)
def test_the_chapters_are_those_that_people_expect(
    name: str, documents: dict[str, Document]
) -> None:
    assert [s.heading for s in documents[name].sections if s.level == 1] == [
        "Introduction", "Problem overview", "Methodology and approach", "Results", "Conclusions",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("three places", "architecture makespan phases transfer predictions dollars"),
        ("a slow link", "architecture makespan phases transfer predictions"),
        ("replicas", "architecture phases response predictions"),
        ("no remote place", "architecture makespan phases predictions"),
        ("one number of images", "architecture phases transfer predictions dollars"),
        ("nothing but the runs", "architecture makespan phases dollars"),
        ("all failed", ""),
    ],
)
def test_a_figure_is_there_if_the_study_has_its_data(
    name: str, there: str, documents: dict[str, Document]
) -> None:
    assert named(documents[name]) == set(there.split())


@pytest.mark.parametrize(
    ("name", "lead", "words"),
    [
        ("three places", "Is it worth offloading?", "For 200 images, yes: the remote server takes"),
        ("three places", "From how many images on?", "images on (41 to 61), the remote server is"),
        ("a slow link", "Is it worth offloading?", "For 200 images, no: the remote server takes"),
        (
            "a slow link",
            "What is the bottleneck?",
            "At the remote server, the link is the bottleneck, with ",
        ),
        ("a slow link", "What would change it?", "instead of 7.7 Mbit/s"),
        ("two links", "What would change it?", "between links that were measured"),
        ("two links", "Is it worth offloading?", "yes: the remote server over 100 Mbit/s takes"),
        ("two links", "Is it worth offloading?", "no: the remote server over 10 Mbit/s takes"),
        ("replicas", "What would change it?", "Going from 1 to 3 replicas multiplies"),
        ("replicas", "What does it take?", "no more than 3 replicas and 4 requests in flight."),
        ("replicas alone", "What would change it?", "Going from 1 to 3 replicas multiplies"),
        ("many links", "Is it worth offloading?", "yes: the remote server over 200 Mbit/s takes"),
        ("many links", "Is it worth offloading?", "no: the remote server over 1 Mbit/s takes"),
        ("cold alone", "What is the bottleneck?", "start-up is "),
    ],
)
def test_conclusions_are_what_the_law_behind_the_study_says(
    name: str, lead: str, words: str, documents: dict[str, Document]
) -> None:
    assert words in conclusion(documents[name], lead)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no remote place", "All 2 places are on one machine"),
        ("one image", "With jobs of 1 image only, it is not known from how many images on"),
        ("one place", "There is only 1 place (local), so nothing to compare it with."),
        ("one repeat", "Each cell was run 1 time"),
        ("one run", "All jobs have 5 images"),
        ("a place that always failed", "Remote was not measured: none of its 2 runs"),
        ("all failed", "None of its 3 runs finished"),
        ("three places", "jobs of more than 200 images"),
        ("many links", "links below 1 Mbit/s or above 200 Mbit/s"),
    ],
)
def test_a_study_says_what_it_cannot_say(
    name: str, words: str, documents: dict[str, Document]
) -> None:
    assert words in conclusion(documents[name], "Limits.")


@pytest.mark.parametrize("name", ["no remote place", "one place", "a place that always failed"])
def test_without_a_remote_run_nothing_is_said_of_offloading(
    name: str, documents: dict[str, Document]
) -> None:
    document = documents[name]
    assert not conclusion(document, "Is it worth offloading?")
    assert "uplink" not in " ".join(texts(chapter(document, "Conclusions")))


def test_failed_runs_are_listed_with_their_reasons(documents: dict[str, Document]) -> None:
    tables = {b.name: b for b in documents["two links"].blocks() if isinstance(b, Table)}
    reasons = [row[1] for row in tables["failures"].rows]
    assert any(reason.endswith(BROKEN[3]) for reason in reasons)
    assert len(reasons) == 2


def test_a_long_command_goes_on_in_lines_that_a_shell_takes() -> None:
    options = (
        "--images 1,2,5,10,20,50,100 --where local,remote --url http://192.0.2.10:8080 -o study"
    )
    words = ["offload", "experiment", "my photos", *options.split()]
    lines = wrapped(words)
    assert len(lines) == 2
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert all(len(line) <= 80 for line in lines)
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == words


LOCAL, CONTAINER = Variant("local"), Variant("container")
WARM_S = {  # of three repeats: 20 images take 0.57 s here, and 0.38 s in the container, or once 0.9
    LOCAL: {1: (0.05, 0.06, 0.07), 5: (0.16, 0.17, 0.18), 20: (0.55, 0.57, 0.6)},
    CONTAINER: {1: (0.05, 0.06, 0.08), 5: (0.14, 0.16, 0.2), 20: (0.36, 0.38, 0.9)},
}
START_S = {LOCAL: 0.43, CONTAINER: 2.12}


@pytest.fixture(scope="module")
def started() -> Document:
    return build.document(Study(tuple(
        MeasuredRun("", lane, images, {"makespan_s": s, "startup_s": START_S[lane],
                                       "detect_s": s, "cold_s": START_S[lane] + s})
        for lane, numbers in WARM_S.items()
        for images, seconds in numbers.items()
        for s in seconds
    ), places=KNOWN))  # fmt: skip


def test_start_up_and_the_cold_total_stand_beside_every_makespan(started: Document) -> None:
    table = next(b for b in started.blocks() if isinstance(b, Table) and b.name == "makespans")
    assert list(table.header) == ["images", "local (s)", "container (s)"]
    rows = {row[0]: [*row[1:]] for row in table.rows}
    assert rows["start-up"] == ["0.43 (0.43 to 0.43)", "2.1 (2.1 to 2.1)"]
    assert rows["20"] == ["0.57 (0.55 to 0.6)", "0.38 (0.36 to 0.9)"]
    assert rows["20, cold total"] == ["1 (0.98 to 1)", "2.5 (2.5 to 3)"]
    assert len(rows) == 7


def test_what_cannot_be_told_apart_is_what_the_table_shows(started: Document) -> None:
    took = conclusion(started, "What does it take?")
    assert "With 20 images, when warm, the container and the local process cannot be" in took
    assert ": 0.38 s (0.36 to 0.9) and 0.57 s (0.55 to 0.6)." in took
    assert "start-up included, the container takes 2.5 times as long as the local process" in took
    crossed = conclusion(started, "From how many images on?")
    assert (
        "From 1 to 20 images, the local process and the container cannot be told apart, when warm"
        in (
            crossed.replace(
                "the container and the local process", "the local process and the container"
            )
        )
    )
    assert (
        "the local process is faster than the container throughout, start-up included." in crossed
    )


def test_a_table_has_one_unit_and_intervals_everywhere_or_nowhere() -> None:
    three, one = Estimate(0.5, 0.5, 0.5, 3), Estimate(2.0, 2.0, 2.0, 1)
    assert in_one_unit([["a", three, one]]) == [["a", "0.5 (0.5 to 0.5)", "2 (1 run)"]]
    assert in_one_unit([[one, one]], 1e-3) == [["2,000", "2,000"]]


@pytest.mark.parametrize("name", ["three places", "two links", "replicas", "cold alone"])
def test_a_sentence_with_a_number_is_said_once(name: str, documents: dict[str, Document]) -> None:
    # The answer in short is a summary.
    sections = [s for s in documents[name].sections if s.heading != "Introduction"]
    said = [each for text in texts(sections) for each in sentences(text) if re.search(r"\d", each)]
    explaining = ("Bars:", "Medians of jobs")
    told = [each for each in said if not each.startswith(explaining)]
    assert len(told) == len(set(told))


def test_a_bad_prediction_has_its_reason_beside_it() -> None:
    numbers = {"predicted_s": 1.0, "makespan_s": 3.0}
    runs = [MeasuredRun("", LOCAL, 5, numbers, assumed=True) for _ in range(3)]
    runs += [MeasuredRun("", CONTAINER, 5, numbers | {"makespan_s": s}) for s in (1.0, 2.0, 4.0)]
    document = build.document(Study(tuple(runs), places=KNOWN))
    table = next(b for b in document.blocks() if isinstance(b, Table) and b.name == "accuracy")
    assert table.header[-1] == "reason"
    reasons = {row[0]: row[-1] for row in table.rows}
    assert reasons["local"] == "part of it was assumed, as it was never measured"
    assert reasons["container"] == "the slowest repeat of a job took 4 times as long as the fastest"


def test_the_model_and_what_was_used_are_told() -> None:
    found = {"model": {"runtime": "tflite", "sha256": "3cb6"}, "min_score": 0.5}
    versions = {"offload": "0.1.0", "ai-edge-litert": "2.3.0", "tensorflow": "2.21.0"}
    study = Study(
        (MeasuredRun("", LOCAL, 5, {"makespan_s": 1.0, "images_per_s": 5.0}),),
        design={"model": "builtin", "input_px": [224, 224]},
        environment={"places": {"local": found}, "versions": versions},
        places=KNOWN,
    )
    tables = {b.name: b for b in build.document(study).blocks() if isinstance(b, Table)}
    assert [[*row] for row in tables["job"].rows] == [
        ["model", "builtin"], ["SHA-256", "3cb6"], ["model input", "224 x 224 px"],
        ["threshold", "0.5"], ["software used", "offload 0.1.0, ai-edge-litert 2.3.0"],
    ]  # fmt: skip
    assert tables["throughput"].rows == [("local", "5")]


def test_the_command_that_made_the_study_is_told(documents: dict[str, Document]) -> None:
    (commands,) = (b for b in documents["replicas"].blocks() if isinstance(b, Code))
    assert commands.lines[0].startswith("offload experiment photos/ --images 50")
    assert "offload profile import study/runs.csv" in commands.lines


def test_the_set_up_has_the_machines_and_the_link(documents: dict[str, Document]) -> None:
    blocks = documents["three places"].blocks()
    rows = next(b.rows for b in blocks if isinstance(b, Table) and b.name == "machines")
    facts = {row[0]: row[1:] for row in rows}
    assert facts["cores"] == ("2", "4")
    assert facts["rented as"] == ("", "c7i.xlarge in eu-central-1")
    assert facts["uplink"] == ("", "96 Mbit/s")
    assert facts["round trip"] == ("", "20.4 ms")


def test_a_job_that_nobody_finished_was_not_measured(tmp_path: Path) -> None:
    failing = dict.fromkeys((2, 5), "Ctrl-C.")
    what = Made(places=["local", "remote"], images=[1, 10, 50], repeats=1, failing=failing)
    document = build.document(recorded(str(made(tmp_path / "study", what))))
    assert "jobs of more than 10 images" in conclusion(document, "Limits.")


def test_where_nothing_differs_no_link_and_no_hour_is_said_to_decide() -> None:
    numbers = {"sent_bytes": 6e6, "upload_s": 0.4, "upload_wait_s": 0.5, "infer_s": 0.1, "usd": 0.0}
    lanes = Variant("local"), Variant("remote")
    environment = {"places": {"remote": {"goodput_bytes_per_s": 6e6}}}
    runs = [
        MeasuredRun("", lane, 50, numbers | {"makespan_s": seconds, "usd": float(lane is lanes[1])})
        for lane in lanes
        for seconds in ((2.0, 2.2, 2.4) if lane is lanes[0] else (1.9, 2.1, 2.3))
    ]
    document = build.document(Study(tuple(runs), environment=environment, places=KNOWN))
    assert "no clear difference" in conclusion(document, "Is it worth offloading?")
    assert conclusion(document, "What would change it?") == ""


def test_offloading_is_compared_with_the_fastest_place_here(tmp_path: Path) -> None:
    laws = LAWS | {"container": Law(0.02), "remote": Law(0.02, mbit=50)}
    study = recorded(str(made(tmp_path / "study", Made(images=[1, 50], laws=laws))))
    worth = conclusion(build.document(study), "Is it worth offloading?")
    assert re.match(
        r"For 50 images, no: the remote server takes .* as long as the container", worth
    )


def test_a_lane_looks_the_same_in_all_figures() -> None:
    lanes = [
        Variant("container"),
        *(Variant("remote", link_mbit=float(mbit)) for mbit in (1, 2, 5)),
    ]
    runs = [MeasuredRun("", lane, 5, {"makespan_s": 1.0}) for lane in lanes]
    looks = Comparisons(Study(tuple(runs), places=KNOWN)).looks
    assert list(looks.values()) == [1, 2, 6, 7]  # the known places between have the others


def test_of_too_many_the_ends_and_some_between_are_shown() -> None:
    assert thinned(range(3), 3) == [0, 1, 2]
    assert thinned(range(100), 3) == [0, 50, 99]
    assert thinned(range(5), 1) == [0]
    assert thinned(range(5), 0) == []


def test_long_tables_and_axes_are_thinned(tmp_path: Path) -> None:
    what = Made(places=["local", "remote"], images=range(1, 61), repeats=1, per_image=False)
    document = build.document(recorded(str(made(tmp_path / "study", what))))
    tables = {b.name: b for b in document.blocks() if isinstance(b, Table)}
    rows = tables["makespans"].rows
    assert len(rows) == 12
    assert (rows[0][0], rows[-1][0]) == ("1", "60")
    assert "48 more numbers of images" in tables["makespans"].caption


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "1"), (1.26, "1.3"), (123.4, "123"), (1234567.0, "1,230,000")]
)
def test_factors_have_no_exponents(value: float, shown: str) -> None:
    assert digits(value) == shown


@pytest.mark.parametrize(("number", "shown"), [(1.2, "2"), (46.01, "47"), (1234.0, "1,200")])
def test_a_crossing_is_at_a_whole_number_of_images(number: float, shown: str) -> None:
    assert round_images(number) == shown


SWEPT = Made(places=["container"], images=[10], grid=SWEEP, repeats=2, per_image=False)


@pytest.mark.parametrize("missing", ["response_p50_s", "images_per_s", "predicted_s", "infer_s"])
@pytest.mark.parametrize("where", [("32",), ("1", "2", "4", "8", "16", "32")])
def test_a_sweep_of_which_something_is_missing_says_nothing_of_it(
    tmp_path: Path, missing: str, where: tuple[str, ...]
) -> None:
    folder = made(tmp_path / "study", SWEPT)
    change(
        folder / "runs.csv", lambda row: row | {missing: ""} if row["concurrency"] in where else row
    )
    for text in texts(list(build.document(recorded(str(folder))).sections)):
        assert not _UNSAID.search(text), text
        assert not re.search(r"(?<![\d.])0 (s|ms|images/s)\b", text), text


def test_transfers_that_took_no_time_can_be_drawn(tmp_path: Path) -> None:
    folder = made(tmp_path / "study", Made(images=[1, 10], repeats=1))
    change(folder / "per_image.csv", lambda row: row | dict.fromkeys(PHASES, "0"))
    assert "transfer" in named(build.document(recorded(str(folder))))


EMPTIED = sorted(set(RUNS) - {"cell", "place", "images", "makespan_s", "error"})


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(EMPTIED)))
def test_a_sentence_whose_number_is_missing_is_not_written(
    tmp_path_factory: pytest.TempPathFactory, emptied: set[str]
) -> None:
    folder = made(tmp_path_factory.mktemp("study"), Made(images=[1, 10], laws=FAST))
    change(folder / "runs.csv", lambda row: row | dict.fromkeys(emptied, ""))
    document = build.document(recorded(str(folder)))
    for text in texts(list(document.sections)):
        assert not _UNSAID.search(text), text


def test_a_study_that_is_still_going_on_can_be_reported(tmp_path: Path) -> None:
    folder = made(tmp_path / "study", Made(images=[1, 10]))
    path = folder / "runs.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:8]) + lines[8][:30])
    study = recorded(str(folder))
    assert len(study.runs) == 7
    assert build.document(study).sections


def test_the_same_study_gives_the_same_report(
    studies: dict[str, Study], documents: dict[str, Document]
) -> None:
    assert build.document(studies["one repeat"]) == documents["one repeat"]


def test_figures_look_the_same_whatever_matplotlib_is_set_to(studies: dict[str, Study]) -> None:
    import matplotlib as mpl

    study, before = studies["one repeat"], dict(mpl.rcParams)
    svg = figures.predictions(study.done, study.known_names())
    with mpl.rc_context({"font.size": 30}):
        assert figures.predictions(study.done, study.known_names()) == svg
    assert dict(mpl.rcParams) == before


def test_a_sentence_needs_all_of_its_fields() -> None:
    say = Sentences(Names(KNOWN)).say
    known = {"fast": Variant("remote"), "usd": 3.1}
    told = "The remote server pays if an hour of your time is worth $3.10 or more."
    assert say("worth", **known) == told
    assert say("worth", **known | {"usd": None}) == ""
    assert say("beyond", limits=[]) == ""
    assert paragraph("", "") == []


def test_each_sentence_is_said_somewhere_and_no_other() -> None:
    sources = "".join(path.read_text() for path in Path(build.__file__).parent.rglob("*.py"))
    made_up = {f"bottleneck_{stage}" for stage in ("start-up", *STAGES)}
    made_up |= {f"{each}_time" for each in ("total", "inference", "transfer", "response")}
    made_up.add("cold_total")
    assert set(re.findall(r'\bsay\(\s*"([\w-]+)"', sources)) <= set(SENTENCES)
    assert {name for name in SENTENCES if f'"{name}"' not in sources} == made_up


def test_each_field_of_a_sentence_has_a_form_that_there_is() -> None:
    counted = {"cell", "image", "job", "prediction", "replica", "request", "run", "time"}
    for name, template in SENTENCES.items():
        for _, _, form, _ in string.Formatter().parse(template):
            assert (form or "") in {"", ",", "at", "setting", *SHOWN, *counted}, name


def test_a_place_that_nobody_declared_is_told_of_like_a_remote_one(
    studies: dict[str, Study], documents: dict[str, Document]
) -> None:
    study = studies["three places"]
    known = study.environment["places"]
    there = {"toy": known["remote"], **{k: v for k, v in known.items() if k != "remote"}}
    toy = Study(
        tuple(replace(run, lane=_at_toy(run.lane)) for run in study.runs),
        tuple(replace(photo, lane=_at_toy(photo.lane)) for photo in study.photos),
        study.design,
        {**study.environment, "places": there},
        places=KNOWN,
    )
    document = build.document(toy)
    assert named(document) == named(documents["three places"])
    assert "the toy place takes" in conclusion(document, "Is it worth offloading?")
    assert "`toy` is the same software on another machine" in " ".join(texts(document.sections))
    assert "at the toy place" in html.page(document, toy)
    assert pdf.pages(document).startswith(b"%PDF")


def _at_toy(variant: Variant) -> Variant:
    return variant.but(place="toy") if variant.place == "remote" else variant


def test_units_stay_with_their_numbers_but_code_is_left_alone() -> None:
    text = "It took 2 s at 10 Mbit/s, 3 % more. `run 2 s` then"
    set_ = "It took 2\u00a0s at 10\u00a0Mbit/\u2060s, 3\u00a0% more. `run 2 s` then"
    assert tidy(text) == set_
    assert tidy("2 (1 to 3) images/s") == "2 (1\u00a0to\u00a03) images/\u2060s"


def test_figures_and_tables_are_referred_to_by_their_numbers() -> None:
    blocks: list[Block] = [
        Paragraph("@second, @first and @only."),
        Figure("first", "", ""), Table("only", "", [], []), Figure("second", "", ""),
    ]  # fmt: skip
    document = referring(Document("", "", [Section("", blocks)]))
    (told,) = (block.text for block in document.blocks() if isinstance(block, Paragraph))
    assert told == "Figure\u00a02, Figure\u00a01 and Table\u00a01."


@pytest.mark.parametrize("text", ["a user@host", "@nobody", "a@first"])
def test_what_only_looks_like_a_reference_is_left_alone(text: str) -> None:
    document = Document("", "", [Section("", [Paragraph(text), Figure("first", "", "")])])
    assert Paragraph(text) in referring(document).blocks()


def test_a_list_reads_as_people_write_it() -> None:
    assert [listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_report_on_damaged_documents_does_without_them(tmp_path: Path) -> None:
    folder = made(tmp_path / "study", Made(images=[1], repeats=1))
    (folder / "environment.json").write_text(json.dumps({"client": 3, "places": {"local": []}}))
    (folder / "study.json").write_text(json.dumps({"command": 5, "seed": "x", "model": ["y"]}))
    assert build.document(recorded(str(folder))).sections
