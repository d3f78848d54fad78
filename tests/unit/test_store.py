"""What the history promises, of real files and several processes."""

import hashlib
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from offload.domain.errors import OffloadError, UsageError
from offload.domain.measurements import Agreement, Measurement, Outcome, Total
from offload.drivers.store.store import SCHEMA, VERSION, ListedMeasurement, Store
from tests.conftest import PROJECT
from tests.measured import LABEL, MODEL, URL, bring_up, local, remote
from tests.strategies import made

OUTCOME = Outcome("2026-11-21T09:00:00+00:00", "key", "local", "builtin", 9, 99, 2, 1, 3, 2.5)
ADD = """
import sys
from offload.drivers.store.store import Store
from tests.measured import local
with Store.opened(sys.argv[1], print) as store:
    for number in range(int(sys.argv[2])):
        print(store.add(local(images=20)), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history.sqlite3"


@pytest.fixture
def said() -> list[str]:
    return []


def fill(path: Path, *measurements: Measurement) -> None:
    with Store.opened(str(path), pytest.fail) as store:
        for one in measurements:
            store.add(one)


def kept(path: Path) -> list[Measurement]:
    with Store.opened(str(path), pytest.fail) as store:
        return [one for _, one in store.measurements(limit=-1)]


def sql(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement).fetchall()


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def day(number: int) -> str:
    return f"2026-11-{number:02}T09:00:00+00:00"


def test_what_is_kept_is_found_again(path: Path) -> None:
    agreements, totals = [Agreement(1, 2, 3)], (Total(5, None, 0.5, 1.5),)
    one = replace(
        remote(agreements=agreements, max_side_px=640),
        totals=totals,
        facts={"load": [0.5, None], "versions": {"offload": "1"}},
        warnings=("busy", "on battery"),
    )
    fill(path, one)
    assert kept(path) == [one]
    assert kept(path)[0].condition.key == one.condition.key


@settings(max_examples=50, deadline=None)
@given(one=made(Measurement), outcome=made(Outcome))
def test_whatever_can_be_measured_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, one: Measurement, outcome: Outcome
) -> None:
    path = str(tmp_path_factory.mktemp("data") / "history.sqlite3")
    with Store.opened(path, pytest.fail) as store:
        number = store.add(one)
        store.note(outcome)
        assert store.measurements() == [(number, one)]
        assert store.get(number) == one
        assert store.outcomes() == [outcome]


def test_a_model_whose_name_is_no_text_can_be_kept(path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    one = local(images=1)
    one = replace(one, condition=replace(one.condition, model=replace(MODEL, name=name)))
    fill(path, one)
    with Store.opened(str(path), pytest.fail) as store:
        assert store.measurements(model=name) == [(1, one)]
        store.note(replace(OUTCOME, model=name))
        assert store.outcomes()[0].model == name


def test_measurements_come_newest_first_and_no_more_than_asked_for(path: Path) -> None:
    fill(path, *(local(images=1, taken_at=day(number)) for number in (2, 9, 5, 9)))
    with Store.opened(str(path), pytest.fail) as store:
        assert [number for number, _ in store.measurements()] == [4, 2, 3, 1]
        assert [number for number, _ in store.measurements(limit=2)] == [4, 2]
        assert [listed.id for listed in store.listing()] == [4, 2, 3, 1]
        assert len(store.measurements(limit=-1)) == len(store.measurements(limit=2**70)) == 4


def test_many_runs_of_one_kind_leave_room_for_what_was_measured_otherwise(path: Path) -> None:
    runs = [replace(local(images=1, taken_at=day(5 + n)), source="run") for n in range(4)]
    fill(path, remote(images=1, taken_at=day(1)), local(images=1, taken_at=day(2)), *runs)
    with Store.opened(str(path), pytest.fail) as store:
        assert [number for number, _ in store.measurements(limit=2)] == [6, 5, 2, 1]


def test_bring_ups_crowd_out_neither_other_measurements_nor_those_from_other_states(
    path: Path,
) -> None:
    run = replace(remote(images=1, taken_at=day(1)), source="run")
    rented = replace(run, condition=replace(run.condition, url=LABEL))
    stopped = [bring_up("stopped", taken_at=day(5 + n)) for n in range(3)]
    fill(
        path, rented, bring_up("new", taken_at=day(2)), bring_up("cold", taken_at=day(3)), *stopped
    )
    with Store.opened(str(path), pytest.fail) as store:
        assert [number for number, _ in store.measurements(limit=2)] == [6, 5, 3, 2, 1]
        assert store.get(2) == bring_up("new", taken_at=day(2))
        assert store.listing()[0] == ListedMeasurement(
            6, day(7), "provision", "remote", "builtin", LABEL, None, 1, 0, 0
        )


def test_a_model_is_named_by_its_name_or_by_how_its_sha256_begins(path: Path) -> None:
    one = local(images=1)
    models = [
        replace(MODEL, name="ssd", sha256="abcdef0123" * 6 + "abcd"),
        replace(MODEL, name="abcdef01", sha256="1" * 64),
        replace(MODEL, name="ssd_", sha256="2" * 64),
    ]
    fill(path, *(replace(one, condition=replace(one.condition, model=m)) for m in models))
    with Store.opened(str(path), pytest.fail) as store:
        for model, numbers in {
            "ssd": [1],
            "ABCDEF0123": [1],
            "abcdef01": [2, 1],
            "abcdef0": [],
            "ss": [],
            "11111111": [2],
            "%": [],
            "": [],
        }.items():
            assert [number for number, _ in store.measurements(model=model)] == numbers, model


def test_the_list_counts_samples(path: Path) -> None:
    fill(path, remote(images=7, max_side_px=640), replace(local(), images=(), starts=()))
    with Store.opened(str(path), pytest.fail) as store:
        assert store.listing() == [
            ListedMeasurement(2, day(21), "profile", "local", "builtin", None, None, 0, 0, 0),
            ListedMeasurement(1, day(21), "profile", "remote", "builtin", URL, 640, 3, 7, 15),
        ]


def test_the_list_tells_what_was_measured_beside_another_place(path: Path) -> None:
    one = local(images=1)
    fill(path, one, replace(one, condition=replace(one.condition, beside="remote")))
    with Store.opened(str(path), pytest.fail) as store:
        assert [listed.beside for listed in store.listing()] == ["remote", None]
        assert [m.condition.beside for _, m in store.measurements(limit=1)] == ["remote", None]


def test_outcomes_come_newest_first_and_no_more_than_asked_for(path: Path) -> None:
    with Store.opened(str(path), pytest.fail) as store:
        for number in (2, 9, 5):
            store.note(replace(OUTCOME, taken_at=day(number), images=number, assumed=number == 5))
        assert [outcome.images for outcome in store.outcomes()] == [9, 5, 2]
        assert [outcome.assumed for outcome in store.outcomes(2)] == [False, True]


def test_what_is_forgotten_leaves_nothing_behind(path: Path) -> None:
    one = replace(remote(agreements=[Agreement(1, 2, 3)]), totals=(Total(1, 2, 3, 4),))
    fill(path, one, one, one)
    with Store.opened(str(path), pytest.fail) as store:
        assert store.forget([1, 3, 3, 77, 2**70]) == 2
        assert (store.get(1), store.get(2), store.get(2**70)) == (None, one, None)
        assert sql(path, "SELECT id FROM measurement") == [(2,)]
        store.note(OUTCOME)
        assert store.forget_all() == 1
        assert (store.measurements(), store.listing(), store.outcomes()) == ([], [], [])
        assert store.add(one) == 4, "a number is never given twice"
    assert sql(path, "SELECT count(*) FROM measurement") == [(1,)]
    assert sql(path, "SELECT count(*) FROM outcome") == [(0,)]


def test_reading_creates_nothing(path: Path) -> None:
    with Store.opened(str(path), pytest.fail) as store:
        assert (store.measurements(), store.listing(), store.outcomes()) == ([], [], [])
        assert (store.get(1), store.forget([1]), store.forget_all()) == (None, 0, 0)
    assert not path.parent.exists()


def test_a_file_that_was_only_just_begun_is_empty_and_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert kept(path) == []
    assert path.stat().st_size == 0
    fill(path, local(images=1))
    assert len(kept(path)) == 1


def test_nobody_else_may_look_into_the_folder_and_one_file_is_in_it(path: Path) -> None:
    fill(path, local(images=1))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_people_can_ask_in_plain_sql(path: Path) -> None:
    fill(path, remote(images=4), local(images=2))
    question = """
        SELECT place, count(*), avg(json_extract(value, '$.durations.infer_s')) > 0
        FROM measurement, json_each(samples, '$.images') GROUP BY place ORDER BY place
    """
    assert sql(path, question) == [("local", 2, 1), ("remote", 4, 1)]
    question = "SELECT json_extract(document, '$.condition.url') FROM measurement ORDER BY id"
    assert sql(path, question) == [(URL,), (None,)]


def test_other_columns_are_another_version() -> None:
    digest = hashlib.sha256("\n".join(SCHEMA).encode()).hexdigest()[:12]
    assert (VERSION, digest) == (2, "254076e5b886"), (
        "raise VERSION, and bring older files up to date"
    )


def test_two_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    writers = [python(ADD, path, 15) for _ in range(2)]
    numbers = [int(line) for writer in writers for line in writer.communicate()[0].splitlines()]
    assert sorted(numbers) == list(range(1, 31))
    found = kept(path)
    assert len(found) == 30
    assert all(len(one.images) == 20 for one in found)


def test_what_was_kept_survives_a_kill_while_more_is_written(path: Path) -> None:
    told: list[int] = []
    for _ in range(3):
        with python(ADD, path, 10**6) as writer:
            assert writer.stdout
            told += [int(writer.stdout.readline()) for _ in range(4)]
            writer.send_signal(signal.SIGKILL)
    with Store.opened(str(path), pytest.fail) as store:
        found = dict(store.measurements(limit=-1))
        assert set(told) <= set(found)
        assert all(len(one.images) == 20 for one in found.values())
        assert store.add(local(images=1)) > max(told)


def test_half_a_transaction_is_undone_by_who_reads_next(path: Path) -> None:
    fill(path, *(local(images=1000) for _ in range(3)))
    spill = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE measurement SET samples = replace(samples, 'infer_s', 'infer_h')")
print("written", flush=True)
sys.stdin.read()
"""
    before, whole = kept(path), path.read_bytes()
    with python(spill, path) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    assert path.read_bytes() != whole
    assert kept(path) == before


def overwrite(begin: int, end: int | None = None, data: bytes = b"\0") -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        whole = bytearray(path.read_bytes())
        whole[begin:end] = data * len(whole[begin:end])
        path.write_bytes(whole)

    return damage


def truncate(size_bytes: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size_bytes)


def ask(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        sql(path, statement)

    return damage


def replaced(path: Path) -> None:
    path.unlink()
    sql(path, "CREATE TABLE cat (name TEXT)")


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "it is some text": lambda path: path.write_text("Dear diary,\n" * 1000),
    "it is a short text": lambda path: path.write_text("Dear diary"),
    "its first page is cut": truncate(1000),
    "only its first page is left": truncate(4096),
    "its end is missing": truncate(4 * 4096),
    "its first page is empty": overwrite(0, 4096),
    "its header is of another format": overwrite(44, 48, b"\x09"),
    "its tables are spelled wrongly": overwrite(3800, 3900, b"\xff"),
    "its other pages are empty": overwrite(4096),
    "its other pages are noise": overwrite(4096, None, b"\x5a"),
    "its tables are somebody else's": replaced,
    "a table is missing": ask("DROP TABLE outcome"),
    "a column is missing": ask("ALTER TABLE measurement DROP COLUMN samples"),
    "its version was never made": ask("PRAGMA user_version = -1"),
    "it is somebody else's": ask("PRAGMA application_id = 7"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_set_aside_by_who_reads_and_a_new_one_begun_by_who_writes(
    path: Path, said: list[str], damage: Callable[[Path], Any]
) -> None:
    fill(path, local(), local())
    damage(path)
    damaged = path.read_bytes()
    with Store.opened(str(path), said.append) as store:
        assert store.measurements() == []
        [aside] = path.parent.iterdir()
        assert re.fullmatch(r"history\.sqlite3\.damaged-\d{8}T\d{6}\.\d{6}Z", aside.name)
        assert aside.read_bytes() == damaged
        [line] = said
        assert str(aside) in line
        store.add(remote())
    assert kept(path) == [remote()]
    assert len(said) == 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_set_aside_by_who_writes(
    path: Path, said: list[str], damage: Callable[[Path], Any]
) -> None:
    fill(path, local(), local())
    damage(path)
    with Store.opened(str(path), said.append) as store:
        assert store.add(remote()) == 1
    assert kept(path) == [remote()]
    assert len(said) == 1


def test_what_belongs_to_a_damaged_file_goes_with_it(path: Path, said: list[str]) -> None:
    fill(path, local())
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("DROP TABLE outcome")
        with Store.opened(str(path), said.append) as store:
            assert store.measurements() == []
        [aside] = path.parent.glob("*Z")
        companions = {aside.name, f"{aside.name}-wal", f"{aside.name}-shm"}
        assert {each.name for each in path.parent.iterdir()} == companions
        assert sql(aside, "SELECT images FROM measurement") == [(100,)]
    fill(path, remote())
    assert kept(path) == [remote()]


def test_of_two_who_find_the_damage_the_first_sets_it_aside(path: Path, said: list[str]) -> None:
    fill(path, local())
    with Store.opened(str(path), said.append) as one, Store.opened(str(path), said.append) as other:
        assert one.measurements() == other.measurements() != []
        path.write_text("Dear diary,\n" * 1000)
        assert (one.add(remote()), other.add(local())) == (1, 2)
    assert len(kept(path)) == 2
    assert len(said) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "document = '{'",
        "document = '[]'",
        "document = 'null'",
        "document = '{}'",
        "document = x'ff'",
        f"document = '{'[' * 100_000}'",
        "document = json_set(document, '$.facts', json('[]'))",
        "document = json_set(document, '$.warnings', json('[1]'))",
        "document = json_set(document, '$.condition', null)",
        "document = json_set(document, '$.condition', json('{}'))",
        "document = json_set(document, '$.condition.model', 5)",
        "document = json_set(document, '$.in_flight', 'many')",
    ],
    ids=lambda statement: statement[:50],
)
def test_a_measurement_that_cannot_be_read_is_left_out_and_told_of_once(
    path: Path, said: list[str], damage: str
) -> None:
    fill(path, local(), local(), local())
    sql(path, f"UPDATE measurement SET {damage} WHERE id = 2")
    with Store.opened(str(path), said.append) as store:
        assert [number for number, _ in store.measurements()] == [3, 1]
        assert [listed.id for listed in store.listing()] == [3, 1]
        assert store.get(2) is None
        assert said == ["Unreadable entries of the history are left out: measurement 2."]
        assert store.forget([2]) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "json_set(samples, '$.images[5].durations.infer_s', 'long')",
        "json_set(samples, '$.starts[0].phases', null)",
        """json_set(samples, '$.starts[0].phases', json('{"load": "long"}'))""",
        "json_remove(samples, '$.probes[0].bytes', '$.images[0].number')",
        "json_set(samples, '$.images[5].durations.infer_s', -1.0)",
        "json_set(samples, '$.images[5].finished_s', -0.001)",
        "replace(samples, '\"bytes\":170000', '\"bytes\":-1')",
        "json_set(samples, '$.probes[0].seconds', 1e300)",
        "'[]'",
        "substr(samples, 1, 1000)",
    ],
)
def test_samples_that_cannot_be_read_cost_their_measurement_alone(
    path: Path, said: list[str], damage: str
) -> None:
    fill(path, local(), local(), local())
    sql(path, f"UPDATE measurement SET samples = {damage} WHERE id = 2")
    with Store.opened(str(path), said.append) as store:
        assert [number for number, _ in store.measurements()] == [3, 1]
    assert len(said) == 1


NEVER = (math.nan, math.inf, -0.001, 1e300)


def odd(value: float) -> Iterator[Measurement]:
    """Measurements with one number that cannot be."""
    one = remote(images=3)
    *images, last = one.images
    for sample in (
        replace(last, finished_s=value),
        replace(last, durations=replace(last.durations, infer_s=value)),
    ):
        yield replace(one, images=(*images, sample))
    for start in (
        replace(one.starts[0], startup_s=value),
        replace(one.starts[0], phases={"load": value}),
    ):
        yield replace(one, starts=(start,))
    yield replace(one, probes=(replace(one.probes[0], seconds=value),))
    yield replace(one, totals=(Total(5, None, value, 1.5),))


@pytest.mark.parametrize("value", NEVER)
def test_what_cannot_have_been_measured_is_refused_and_changes_nothing(
    path: Path, value: float
) -> None:
    fill(path, remote())
    with Store.opened(str(path), pytest.fail) as store:
        for one in odd(value):
            with pytest.raises(OffloadError, match=r"^The history cannot store such numbers: ."):
                store.add(one)
        with pytest.raises(OffloadError, match="cannot store such numbers"):
            store.note(replace(OUTCOME, actual_s=value))
        assert store.outcomes() == []
    assert kept(path) == [remote()]


def test_what_cannot_be_read_crowds_out_nothing_and_is_passed_over_from_then_on(
    path: Path, said: list[str]
) -> None:
    fill(path, *(local(images=1, taken_at=day(number)) for number in range(1, 8)))
    poison = "json_set(samples, '$.images[0].durations.infer_s', -1.0)"
    sql(path, f"UPDATE measurement SET samples = {poison} WHERE id > 2")
    with Store.opened(str(path), said.append) as store:
        assert [number for number, _ in store.measurements()] == [2, 1]
    assert said == ["Unreadable entries of the history are left out: measurement 7, 6, 5, 4, 3."]
    with Store.opened(str(path), pytest.fail) as store:
        assert [number for number, _ in store.measurements()] == [2, 1]
        assert store.forget([3, 4, 5, 6, 7]) == 5


def test_what_is_dated_in_the_future_is_kept_but_counts_for_nothing_until_then(
    path: Path,
) -> None:
    future = "2999-01-01T00:00:00+00:00"
    fill(path, local(images=1), *(local(images=1, taken_at=future) for _ in range(5)))
    with Store.opened(str(path), pytest.fail) as store:
        assert [number for number, _ in store.measurements()] == [1]
        assert [listed.id for listed in store.listing()] == [6, 5, 4, 3, 2, 1]
        assert store.get(6) == local(images=1, taken_at=future)
        store.note(replace(OUTCOME, taken_at=future))
        assert store.outcomes() == []


def test_an_outcome_that_cannot_be_read_is_left_out(path: Path, said: list[str]) -> None:
    with Store.opened(str(path), said.append) as store:
        store.note(OUTCOME)
        store.note(OUTCOME)
        sql(path, "UPDATE outcome SET document = replace(document, '2.5', 'null') WHERE id = 1")
        assert store.outcomes() == [OUTCOME]
        assert said == ["Unreadable entries of the history are left out: outcome 1."]


def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    fill(path, local())
    sql(path, f"PRAGMA user_version = {VERSION + 1}")
    whole = path.read_bytes()
    with Store.opened(str(path), pytest.fail) as store:
        for work in (store.measurements, store.forget_all, lambda: store.note(OUTCOME)):
            with pytest.raises(UsageError, match="was made by a newer offload") as caught:
                work()
            assert str(path) in str(caught.value)
            assert "pip install" in caught.value.hint
    assert path.read_bytes() == whole


def test_a_file_that_stays_locked_is_an_explained_failure(path: Path) -> None:
    fill(path, local())
    with (
        closing(sqlite3.connect(path)) as other,
        Store.opened(str(path), pytest.fail, patience_s=0.01) as store,
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OffloadError, match="be written: another process has locked it"):
            store.note(OUTCOME)
        with pytest.raises(OffloadError, match="be read: another process has locked it"):
            store.outcomes()
        other.rollback()
        store.note(OUTCOME)
        assert store.outcomes() == [OUTCOME]


def test_a_folder_that_cannot_be_made_is_an_explained_failure(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with Store.opened(str(tmp_path / "data" / "history.sqlite3"), pytest.fail) as store:
        assert store.measurements() == []
        with pytest.raises(OffloadError, match="cannot be written") as caught:
            store.add(local())
    assert "OFFLOAD_DATA" in caught.value.hint


def test_a_folder_in_the_place_of_the_file_is_an_explained_failure(path: Path) -> None:
    path.mkdir(parents=True)
    with Store.opened(str(path), pytest.fail) as store:
        with pytest.raises(OffloadError, match="cannot be read"):
            store.measurements()
        with pytest.raises(OffloadError, match="cannot be written"):
            store.add(local())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_can_be_read_and_writing_is_explained(path: Path) -> None:
    fill(path, local())
    path.parent.chmod(0o500)
    with Store.opened(str(path), pytest.fail) as store:
        assert store.measurements() == [(1, local())]
        with pytest.raises(OffloadError, match="cannot be written"):
            store.add(local())
    path.parent.chmod(0o700)


def test_a_disk_that_takes_no_more_is_an_explained_failure_and_nothing_is_lost(path: Path) -> None:
    fill(path, local())
    full = """
import resource, sys
from offload.domain.errors import OffloadError
from offload.drivers.store.store import Store
from tests.measured import local
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
with Store.opened(sys.argv[1], print) as store:
    try:
        store.add(local(images=5000))
    except OffloadError as error:
        print(error)
"""
    with python(full, path, path.stat().st_size + 50_000) as writer:
        said = writer.communicate()[0]
    assert re.fullmatch(rf"The history {re.escape(str(path))} cannot be written: .+\.\n", said)
    assert kept(path) == [local()]


VERSION_1 = """
CREATE TABLE measurement (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  place TEXT NOT NULL,
  taken_at TEXT NOT NULL,
  condition TEXT NOT NULL,
  facts TEXT NOT NULL
);
CREATE TABLE image (
  measurement_id INTEGER NOT NULL REFERENCES measurement (id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  number INTEGER NOT NULL,
  turn_s REAL NOT NULL,
  PRIMARY KEY (measurement_id, ordinal)
) WITHOUT ROWID;
CREATE INDEX measurement_taken_at ON measurement (taken_at);
INSERT INTO measurement VALUES (1, 'local', '2026-11-20T09:00:00+00:00', '{}', '{}');
INSERT INTO image VALUES (1, 1, 1, 0.25);
PRAGMA application_id = 0x6F66666C;
PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("work", [Store.measurements, Store.listing, lambda s: s.add(remote())])
def test_a_history_of_version_1_is_kept_aside_in_one_sentence(
    path: Path, said: list[str], work: Callable[[Store], Any]
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(VERSION_1)
    whole = path.read_bytes()
    with Store.opened(str(path), said.append) as store:
        work(store)
        [aside] = path.parent.glob("*.version-1-*Z")
        assert aside.read_bytes() == whole
        [line] = said
        was = "was made by an older offload"
        assert line == f"The history {was}: it was moved to {aside}, and a new one was started."
        store.add(local())
    assert local() in kept(path)
    assert len(said) == 1
