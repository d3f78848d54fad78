"""The command, at this machine and at a server on it."""

import csv
import io
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from offload.domain import profiles
from offload.domain.measurements import Measurement
from offload.domain.typed import read
from offload.render.profiles import CSV_COLUMNS
from tests.becoming import spawner
from tests.conftest import Offload, on_a_terminal
from tests.drawing import saved, scene
from tests.measured import LABEL, bring_up
from tests.remote.served import served

BUILTIN = ("-m", "builtin", "--budget", "60s")
"""More than it takes for every picture there is, however slow a machine."""
HASTY = ("-m", "builtin", "--budget", "1s")
TOKEN = "a-token-nobody-may-see"


def exported(offload: Offload) -> list[Measurement]:
    done = offload("profile", "export")
    assert done.returncode == 0, done.stderr
    return [read(Measurement, each) for each in json.loads(done.stdout)["measurements"]]


def test_this_machine_is_measured_and_what_was_measured_is_kept(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    assert listed(offload) == []
    done = offload("profile", examples, *BUILTIN)
    assert done.returncode == 0, done.stderr
    for wanted in ("builtin at local", "cold start", "first result", "inference", "images/s"):
        assert wanted in done.stdout
    assert done.stderr == "" or done.stderr.startswith("warning: ")
    (found,) = exported(offload)
    assert (found.source, found.condition.place) == ("profile", "local")
    assert found.condition.slots == found.condition.host["usable_cores"]
    assert (found.condition.url, found.condition.network) == (None, None)
    assert 1 <= len(found.starts) <= 3
    assert all(start.images == min(found.condition.slots, 12) for start in found.starts)
    assert all(start.startup_s > start.phases["load"] > 0 < start.first_s for start in found.starts)
    assert [image.number for image in found.images] == list(range(1, 13))
    assert found.images[-1].finished_s > found.images[0].finished_s > 0
    assert (found.folder_images, found.probes) == (12, ())
    assert found.facts["versions"]["offload"]
    assert_listed_shown_carried_elsewhere_and_forgotten(offload, tmp_path / "profile.json")


def assert_listed_shown_carried_elsewhere_and_forgotten(offload: Offload, file: Path) -> None:
    (entry,) = listed(offload)
    assert (entry["place"], entry["model"], entry["images"]) == ("local", "builtin", 12)
    number = entry["id"]
    assert "builtin" in offload("profile", "list").stdout
    shown = offload("profile", "show", number)
    assert "cold start" in shown.stdout
    as_json = json.loads(offload("profile", "show", number, "--json").stdout)
    assert len(as_json["measurements"]) == 1
    assert offload("profile", "export", file).returncode == 0
    assert json.loads(file.read_text())["measurements"] == as_json["measurements"]
    assert offload("profile", "forget", number).returncode == 0
    assert listed(offload) == []
    assert offload("profile", "show", number).returncode == 2
    taken = offload("profile", "import", file)
    assert taken.returncode == 0, taken.stderr
    assert len(listed(offload)) == 1
    assert offload("profile", "forget", "--all").returncode == 0
    assert listed(offload) == []
    assert offload("profile", "forget").returncode == 2


def test_a_server_is_measured_beside_this_machine(offload: Offload, examples: Path) -> None:
    with served("--workers", 2, token=TOKEN) as server:
        command = ("profile", examples, "--where", "local,remote", "--url", f"{server.url}/")
        done = offload(*command, *BUILTIN, env={**os.environ, "OFFLOAD_TOKEN": TOKEN})
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    remote, local = sorted(exported(offload), key=lambda each: each.condition.place, reverse=True)
    assert (local.condition.place, remote.condition.place) == ("local", "remote")
    assert remote.condition.url == server.url
    assert remote.condition.slots == 2
    assert remote.in_flight > 2
    assert all(start.images == 1 and start.sent_bytes > 0 for start in remote.starts)
    assert {probe.kind for probe in remote.probes} == {"rtt", "up", "down"}
    assert all(probe.seconds > 0 for probe in remote.probes)
    assert all(image.sent_bytes == image.bytes > 0 for image in remote.images)
    for wanted in ("round trip", "link  ", "an image"):  # on loopback luck hides a rate or other
        assert wanted in done.stdout


def test_smaller_copies_that_are_asked_for_are_measured_beside_the_images(
    offload: Offload, examples: Path
) -> None:
    with served() as server:
        command = ("profile", examples, "--where", "remote", "--url", server.url)
        done = offload(*command, *BUILTIN, "--upload-max-side", 320)
    assert done.returncode == 0, done.stderr
    full, copies = sorted(exported(offload), key=lambda each: len(each.agreements))
    assert (full.condition.upload_max_side_px, copies.condition.upload_max_side_px) == (None, 320)
    assert full.condition.key != copies.condition.key
    assert copies.images
    assert len(copies.agreements) == len(copies.images)
    assert sum(each.matched for each in copies.agreements) > 0
    assert sum(i.sent_bytes for i in copies.images) < sum(i.bytes for i in copies.images)
    assert "agreement" in done.stdout


def test_a_place_that_is_not_there_loses_no_other(offload: Offload, examples: Path) -> None:
    done = offload("profile", "--where", "remote,local", examples, "--url", "127.0.0.1:9", *HASTY)
    assert done.returncode == 4
    assert done.stderr.startswith("error: No server answers")
    assert "builtin at local" in done.stdout
    (found,) = exported(offload)
    assert found.condition.place == "local"


def test_the_token_is_on_no_command_line(examples: Path) -> None:
    with served(token=TOKEN) as server:
        words = ("profile", examples, "--where", "remote", "--url", server.url, *HASTY)
        environment = {**os.environ, "OFFLOAD_TOKEN": TOKEN}
        with spawner().begin(words, environment) as process:
            lines = set()
            while process.poll() is None:
                children = []
                with suppress(psutil.NoSuchProcess):  # it has ended since
                    children = psutil.Process(process.pid).children()
                for child in children:
                    with suppress(psutil.NoSuchProcess):
                        lines.add(" ".join(child.cmdline()))
                time.sleep(0.01)
    assert process.returncode == 0
    assert any(" detect " in line for line in lines)
    assert not any(TOKEN in line for line in lines)


def test_a_machine_that_came_up_is_listed_and_shown_as_what_it_is(
    offload: Offload, tmp_path: Path
) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(profiles.document([bring_up()], [])))
    assert offload("profile", "import", file).returncode == 0
    row = offload("profile", "list").stdout.splitlines()[1].split()
    assert row[0] == "1"
    assert row[3:7] == ["provision", "builtin", "remote", LABEL]
    said = offload("profile", "show", 1).stdout
    assert (
        "started          as a new machine in 1 min 16 s (api 2 s, pending 4 s, boot 21 s, " in said
    )
    assert "container image  streamed\n" in said
    assert "first result" not in said
    assert "cold start" not in said
    assert exported(offload) == [bring_up()]


def test_an_empty_folder_is_one_sentence(offload: Offload, tmp_path: Path) -> None:
    done = offload("profile", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: No images in {tmp_path}.",
        f"  To include subfolders: offload profile -r {tmp_path}",
    ]


def test_a_folder_without_a_picture_is_one_sentence(offload: Offload, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    done = offload("profile", tmp_path, *BUILTIN)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No image can be opened; text.jpg: not an image")


def test_one_image_is_enough_and_damaged_ones_do_no_harm(offload: Offload, tmp_path: Path) -> None:
    saved(tmp_path / "x.jpg", scene(320, 240))
    (tmp_path / "empty.jpg").touch()
    whole = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    done = offload("profile", tmp_path, *BUILTIN)
    assert done.returncode == 0, done.stderr
    assert "warning: local: 2 of 3 images failed; to see which: -v." in done.stderr
    (found,) = exported(offload)
    assert len(found.images) == 1
    assert found.starts


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--url", "x:1"), "--url has no effect with --where local"),
        (("--where", ""), "There is no place ''"),
        (("--where", "local,auto"), "There is no place 'auto'"),
        (("--where", "remote"), "needs a server's address"),
        (("--budget", "soon"), "--budget takes a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_measured(
    offload: Offload, examples: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = offload("profile", examples, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_every_sample_is_to_be_had_as_json_and_as_csv(offload: Offload, examples: Path) -> None:
    done = offload("profile", examples, *HASTY, "--json")
    (found,) = (read(Measurement, m) for m in json.loads(done.stdout)["measurements"])
    assert exported(offload) == [found]
    done = offload("profile", examples, *HASTY, "--csv")
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert {line["place"] for line in lines} == {"local"}
    infer_s = [float(line["seconds"]) for line in lines if line["quantity"] == "infer"]
    (kept,) = (each for each in exported(offload) if each != found)
    assert len(infer_s) == len(kept.images) > 0
    assert all(seconds > 0 for seconds in infer_s)
    assert offload("profile", examples, "--json", "--csv").returncode == 2


def listed(offload: Offload) -> list[dict[str, Any]]:
    done = offload("profile", "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["measurements"]
    return found


TABLE = """\
Date,Total Images,Payload Size,Transfer Speed,Total Execution time on server (s),Location
2026-03-01,10,1MB,1MB/s,2.0,http://192.0.2.7:5000
2026-03-02,20,2MB,1MB/s,3.0,http://192.0.2.7:5000
2026-03-03,40,4MB,1MB/s,5.0,http://192.0.2.7:5000
1.3.2026,10,,,5.5,local
1.3.2026,20,,,10.5,local
"""


def test_a_table_of_timed_jobs_is_taken_in(offload: Offload, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text(TABLE)
    done = offload("profile", "import", tmp_path / "jobs.csv", "--model", "yolo")
    assert done.returncode == 0, done.stderr
    assert "http://192.0.2.7:5000: 3 jobs, 1 s + 0.1 s an image + 1 s a MB" in done.stdout
    assert "leave-one-out error 0.0%" in done.stdout
    local, remote = sorted(exported(offload), key=lambda each: each.condition.place)
    assert (remote.source, remote.condition.model.name) == ("import", "yolo")
    assert remote.condition.host == {"name": "192.0.2.7"}
    assert local.condition.host == local.condition.client
    assert remote.taken_at == "2026-03-03T00:00:00+00:00"
    assert [total.images for total in remote.totals] == [10, 20, 40]
    assert [total.transfer_s for total in remote.totals] == [1, 2, 4]


@pytest.mark.parametrize("name", ["x.json", "x.csv", "gone.json", "gone.csv"])
def test_what_is_no_profile_is_refused(offload: Offload, tmp_path: Path, name: str) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    done = offload("profile", "import", tmp_path / name)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_person_who_watches_sees_what_is_being_done(examples: Path) -> None:
    code, seen = on_a_terminal("profile", examples, *HASTY)
    assert code == 0, seen
    assert "local: start 1" in seen
    assert "local: full-size images" in seen


def test_who_interrupts_keeps_what_is_measured(offload: Offload, tmp_path: Path) -> None:
    original = saved(tmp_path / "000.jpg", scene(1600, 1200))
    for number in range(1, 300):
        (tmp_path / f"{number:03}.jpg").hardlink_to(original)
    with spawner().begin(("profile", tmp_path, *BUILTIN, "-v")) as process:
        while "full-size images" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    (found,) = exported(offload)
    assert found.starts


def test_who_interrupts_twice_leaves_no_process_behind(examples: Path) -> None:
    with spawner().begin(("profile", examples, *BUILTIN, "-v")) as process:
        while not (children := psutil.Process(process.pid).children()):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode in {130, -signal.SIGINT}
    assert not any(child.is_running() for child in children)
