"""One job here and at a server together."""

import json
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.paced import Pace
from tests.remote.rows import Rows, assert_same, rows
from tests.remote.served import Served, served
from tests.ssh.proxy import Proxy

pytestmark = pytest.mark.xdist_group("remote and local")

BUILTIN = ("--model", "builtin")
MANY = 120
FACES = MANY // 4
Split = Callable[..., Begun]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a quarter of them in a folder of their own."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "faces").mkdir()
    noise = Image.frombytes("RGB", (640, 480), random.Random(1).randbytes(640 * 480 * 3))
    for number in range(MANY):
        place = folder / "faces" if number % 4 == 0 else folder
        noise.crop((0, 0, 320 + number % 50, 240)).save(place / f"{number:03}.jpg", quality=50)
    return folder


@pytest.fixture
def offload(pace: Pace) -> Offload:
    """The command, on a computer that does at most some fifty pictures a second."""
    pace(0.04)
    return spawner(*pace.paths).run


@pytest.fixture
def splitting(pace: Pace) -> Split:
    """Begins a job there that is shared with whoever answers at a port of this machine."""
    pace(0.04)

    def begin(folder: Path, port: int, out: Path, *words: object) -> Begun:
        given = (*BUILTIN, "--where", "split", "--url", f"http://127.0.0.1:{port}", "-o", out)
        return spawner(*pace.paths).begin(("detect", folder, "-r", *given, *words))

    return begin


@pytest.fixture
def split(server: Served) -> tuple[str, ...]:
    return (*BUILTIN, "--where", "split", "--url", server.url)


def assert_each_once(found: Rows, many: Path) -> None:
    paths = {str(path.relative_to(many)) for path in many.rglob("*.jpg")}
    assert found.keys() == paths


def places(found: Rows) -> Counter[str]:
    return Counter(row["where"] for row in found.values())


def test_both_places_work_and_every_picture_has_the_objects_it_has_here(
    offload: Offload, pace: Pace, many: Path, split: tuple[str, ...], tmp_path: Path
) -> None:
    both = offload("detect", many, "-r", "--json", *split, "-o", tmp_path / "out")
    assert both.returncode == 0, both.stderr
    found = rows(both.stdout)
    pace(0)
    here = rows(offload("detect", many, "-r", "--json", *BUILTIN).stdout)
    assert_same(found, here)
    by_place = places(found)
    assert set(by_place) == {"local", "remote"}
    document = json.loads((tmp_path / "out" / "run.json").read_text())
    assert document["totals"]["images_by_place"] == dict(by_place)
    assert document["detected_on"].keys() == {"local", "remote"}
    duplicate_uploads = set(document["also_sent"])
    for path, row in found.items():
        if row["where"] == "remote":
            assert row["sent_bytes"] >= (many / path).stat().st_size
            assert path not in duplicate_uploads
        elif path not in duplicate_uploads:
            assert row["sent_bytes"] == 0
    parts = {f"{name} ({number})" for name, number in by_place.items()}
    assert all(part in both.stderr for part in parts), both.stderr


def test_small_pictures_are_sent_and_large_ones_done_here(
    offload: Offload, many: Path, split: tuple[str, ...]
) -> None:
    found = rows(offload("detect", many, "-r", "--json", *split).stdout)
    sizes: dict[str, list[int]] = {"local": [], "remote": []}
    for row in found.values():
        sizes[row["where"]].append(row["bytes"])
    mean = {name: sum(each) / len(each) for name, each in sizes.items()}
    assert mean["remote"] < mean["local"]


def test_what_is_to_stay_never_leaves(
    offload: Offload, many: Path, split: tuple[str, ...], tmp_path: Path
) -> None:
    found = rows(offload("detect", many, "-r", "--json", *split, "--keep-local", "faces/**").stdout)
    assert_each_once(found, many)
    staying = {path: row for path, row in found.items() if path.startswith("faces/")}
    assert len(staying) == FACES
    assert set(places(staying)) == {"local"}
    assert {row["sent_bytes"] for row in staying.values()} == {0}
    assert places(found)["remote"] > 0


def test_the_setting_counts_too_and_where_remote_refuses(
    offload: Offload, many: Path, server: Served, tmp_path: Path
) -> None:
    (tmp_path / "offload.toml").write_text('keep_local = ["faces/**"]\n')
    offload("trust", cwd=tmp_path)
    given = ("detect", many, "-r", "--json", *BUILTIN, "--url", server.url)
    refused = offload(*given, "--where", "remote", cwd=tmp_path)
    assert refused.returncode == 2
    error, hint = refused.stderr.splitlines()
    few = f"{FACES} of {MANY} images"
    assert error == f"error: {few} must stay here, but --where remote sends all."
    assert "--where split" in hint
    found = rows(offload(*given, "--where", "split", cwd=tmp_path).stdout)
    assert {row["where"] for path, row in found.items() if "faces" in path} == {"local"}


def test_a_dry_run_lists_what_could_leave_and_does_nothing(
    offload: Offload, many: Path, tmp_path: Path
) -> None:
    given = (*BUILTIN, "--where", "split", "--url", "http://127.0.0.1:9", "-o", tmp_path / "out")
    listed = offload("detect", many, "-r", *given, "--keep-local", "faces", "--dry-run")
    assert listed.returncode == 0, listed.stderr
    paths = listed.stdout.splitlines()
    assert sorted(paths) == sorted(path.name for path in many.glob("*.jpg"))
    assert f"{MANY - FACES} images (" in listed.stderr
    assert f"{FACES} would stay; nothing was sent" in listed.stderr
    as_json = offload("detect", many, "-r", *given, "--keep-local", "faces", "--dry-run", "--json")
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == [
        {"path": path} for path in paths
    ]
    assert not (tmp_path / "out").exists()


def test_without_a_remote_place_all_is_done_here_with_one_warning(
    offload: Offload, examples: Path
) -> None:
    nowhere = offload("detect", examples, *BUILTIN, "--json", "--where", "split")
    assert nowhere.returncode == 0
    assert set(places(rows(nowhere.stdout))) == {"local"}
    assert nowhere.stderr.count("warning: There is no remote place") == 1


def test_a_server_that_is_not_there_leaves_all_to_this_process(
    offload: Offload, many: Path
) -> None:
    given = (*BUILTIN, "--where", "split", "--url", "http://127.0.0.1:9", "--max-retries", "0")
    alone = offload("detect", many, "-r", "--json", *given)
    assert alone.returncode == 0, alone.stderr
    assert set(places(rows(alone.stdout))) == {"local"}
    warnings = [line for line in alone.stderr.splitlines() if line.startswith("warning: ")]
    assert len([line for line in warnings if "Until one does, all is detected here" in line]) == 1


def test_what_a_server_finds_too_large_is_done_here_and_it_goes_on(
    offload: Offload, many: Path
) -> None:
    least = sorted(path.stat().st_size for path in many.rglob("*.jpg"))[MANY // 4]
    with served("--max-bytes", least) as narrow:
        done = offload(
            "detect", many, "-r", "--json", *BUILTIN, "--workers", 1, "--where", "split",
            "--url", narrow.url,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert_each_once(found, many)
    assert not [row for row in found.values() if row["error"]]
    assert places(found)["remote"] > 0
    assert max(row["bytes"] for row in found.values() if row["where"] == "remote") <= least
    assert "was lost" not in done.stderr


def test_a_pattern_that_names_nothing_is_told_of(offload: Offload, examples: Path) -> None:
    given = (*BUILTIN, "--where", "split", "--keep-local", "feces/**", "--keep-local", "*.jpg")
    for more in ((), ("--dry-run",)):
        done = offload("detect", examples, *given, *more)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("--keep-local 'feces/**' matches none of the images.") == 1
        assert "'*.jpg' names none" not in done.stderr


def test_a_server_that_answers_late_takes_part_from_then_on(
    server: Served, splitting: Split, pace: Pace, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    pace(0.5)
    with Proxy(server.port) as way:
        way.refuse()
        with splitting(many, way.port, out, "--workers", "1") as process:
            wait_for(lambda: '"local"' in text_of(out))
            way.admit()
            wait_for(lambda: '"remote"' in text_of(out))
            pace(0)
            _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Until one does, all is detected here" in said
    assert "remote joined" in said
    found = rows(text_of(out))
    assert_each_once(found, many)
    assert places(found)["remote"] > 0


def test_a_server_that_dies_and_comes_back_takes_part_again(
    server: Served, splitting: Split, pace: Pace, many: Path, tmp_path: Path
) -> None:
    out, given = tmp_path / "out", ("--workers", "1", "--max-retries", "0")
    pace(0.5)
    with Proxy(server.port) as way, splitting(many, way.port, out, *given) as process:
        wait_for(lambda: '"remote"' in text_of(out))
        way.refuse()
        before: list[str] = []
        while not before or "remote was lost" not in before[-1]:
            before.append(process.stderr.readline())
            assert before[-1], before
        done_before = text_of(out).count('"remote"')
        way.admit()
        wait_for(lambda: text_of(out).count('"remote"') > done_before)
        pace(0)
        _, after = process.communicate(timeout=300)
    assert process.returncode == 0, after
    assert "remote joined again" in after
    assert not [line for line in before if "remote joined again" in line]
    found = rows(text_of(out))
    assert_each_once(found, many)
    assert places(found)["remote"] > done_before
    assert not [row for row in found.values() if row["error"]]


def test_a_server_with_another_model_takes_no_part(
    offload: Offload, many: Path, photos: Path, ssd: Path, ssd_labels: Path
) -> None:
    with served("--model", ssd, "--labels", ssd_labels) as other:
        alone = offload(
            "detect", many, "-r", "--json", *BUILTIN, "--where", "split", "--url", other.url
        )
    assert alone.returncode == 0, alone.stderr
    assert set(places(rows(alone.stdout))) == {"local"}
    assert "All is detected here" in alone.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_costs_no_image(
    splitting: Split, many: Path, tmp_path: Path, how: signal.Signals
) -> None:
    with served() as server:
        out = tmp_path / "out"
        with splitting(many, server.port, out) as process:
            wait_for(lambda: '"remote"' in text_of(out))
            server.process.send_signal(how)
            _, said = process.communicate(timeout=300)
        server.kill()
    assert process.returncode == 0, said
    found = rows(text_of(out))
    assert_each_once(found, many)
    assert not [row for row in found.values() if row["error"]]
    assert "Traceback" not in said


def test_an_interrupted_split_is_continued_anywhere(
    offload: Offload, splitting: Split, many: Path, server: Served, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for how in (signal.SIGINT, signal.SIGKILL):
        with splitting(many, server.port, out) as process:
            before = text_of(out).count("\n")
            wait_for(lambda: text_of(out).count("\n") > before + 15)  # noqa: B023 - used at once
            process.send_signal(how)
            _, said = process.communicate(timeout=300)
        assert "Traceback" not in said
        if how is signal.SIGINT:
            assert process.returncode == 130
    document = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(document | {"also_sent": ["000.jpg"]}))
    last = offload("detect", many, "-r", *BUILTIN, "-o", out)
    assert last.returncode == 0, last.stderr
    assert json.loads((out / "run.json").read_text())["also_sent"] == ["000.jpg"]
    assert_each_once(rows(text_of(out)), many)


def test_a_deadline_that_cannot_be_kept_is_declared_broken_on_the_way(
    offload: Offload, many: Path, split: tuple[str, ...]
) -> None:
    late = offload("detect", many, "-r", *split, "--deadline", "0.2s")
    assert late.returncode == 0, late.stderr
    assert "deadline" in late.stderr.partition(f"{MANY} images")[0], "before the summary"
    assert "deadline of 0.2 s missed by" in late.stderr
    for where in (split, (*BUILTIN, "--where", "local")):
        kept = offload("detect", many, "-r", *where, "--deadline", "5m")
        assert kept.returncode == 0, kept.stderr
        assert "kept" in kept.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "remote", "--deadline", "5m"), "--deadline has no effect with --where remote"),
        (("--max-cost", "1"), "--max-cost has no effect with --where local"),
        (("--keep-local", "a"), "--keep-local has no effect with --where local"),
        (("--where", "split", "--fallback", "local"), "--where split falls back by itself"),
        (("--where", "split", "--cpus", "1"), "--cpus has no effect with --where split"),
        (("--where", "split", "--deadline", "soon"), "--deadline takes a duration"),
        (("--where", "split", "--keep-local", ""), "--keep-local is empty"),
        (("--where", "split", "--machine", "x"), "This computer knows no machine x."),
        (("--where", "split", "--provision", "--machine", "X Y"), "A machine cannot be called"),
        (
            ("--where", "split", "--provision", "--url", "http://127.0.0.1:9"),
            "--provision rents a machine; --url names a server that runs already.",
        ),
    ],
)
def test_what_does_nothing_or_cannot_be_is_refused(
    offload: Offload, examples: Path, options: tuple[str, ...], message: str
) -> None:
    refused = offload("detect", examples, *BUILTIN, *options)
    assert refused.returncode == 2
    assert message in refused.stderr


@pytest.mark.parametrize("lasts_s", [6, pytest.param(120, marks=pytest.mark.soak)])
def test_whatever_ends_whenever_each_image_has_one_row(
    splitting: Split, many: Path, tmp_path: Path, lasts_s: float
) -> None:
    """Clients interrupted and killed, servers stopped, continued, killed and started anew, at
    random moments; left alone, a job then comes to its end with a part done by the server.
    """
    luck, out, began_s = random.Random(7), tmp_path / "out", time.monotonic()
    port = there = 0
    while time.monotonic() < began_s + lasts_s or not there:
        assert time.monotonic() < began_s + lasts_s + 120, "no server took part"
        with served(port=port) as server:
            port = server.port
            with splitting(many, port, out, *keeping(out)) as client:
                for _ in range(luck.randrange(4)):
                    time.sleep(luck.random() * 0.5)
                    server.process.send_signal(luck.choice([signal.SIGSTOP, signal.SIGCONT]))
                time.sleep(luck.random())
                if luck.random() < 0.5:
                    server.kill()
                if luck.random() < 0.5:
                    client.send_signal(luck.choice([signal.SIGINT, signal.SIGKILL]))
                _, said = client.communicate(timeout=300)
        if client.returncode != -signal.SIGINT:  # that came before Python was up
            assert client.returncode in {0, 130, -signal.SIGKILL}, said
            assert "Traceback" not in said
        there += text_of(out).count('"where":"remote"')
        if client.returncode == 0:
            assert_whole(rows(text_of(out)), many)
    shutil.rmtree(out)
    with served(port=port), splitting(many, port, out, *keeping(out)) as client:
        _, said = client.communicate(timeout=300)
    assert client.returncode == 0, said
    assert_whole(rows(text_of(out)), many)
    assert places(rows(text_of(out)))["remote"] > 0


def keeping(out: Path) -> tuple[str, ...]:
    """Options of a job of which the faces must stay here, continued, or anew if it is done."""
    done = text_of(out).count("\n") >= MANY
    return ("--keep-local", "faces/**", *(["--overwrite"] if done else []))


def assert_whole(found: Rows, many: Path) -> None:
    """Each picture has been detected, and where it may be."""
    assert_each_once(found, many)
    assert not [row for row in found.values() if row["error"]]
    staying = [row for path, row in found.items() if path.startswith("faces/")]
    assert {row["where"] for row in staying} == {"local"}
    assert {row["sent_bytes"] for row in staying} == {0}


def text_of(out: Path) -> str:
    log = out / "detections.jsonl"
    text = log.read_text() if log.exists() else ""
    return text[: text.rfind("\n") + 1]


def wait_for(true: Callable[[], Any], within_s: float = 120.0) -> None:
    give_up_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)
