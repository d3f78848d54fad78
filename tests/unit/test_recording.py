"""What becomes of runs and bring-ups in the history, and what each was predicted to take."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offload.costmodel.dollars import Billing
from offload.domain.measurements import ImageSample, Measurement, Outcome
from offload.domain.places import StartState
from offload.domain.ports import ModelIdentity, Stream
from offload.domain.timing import Durations
from offload.drivers import settings
from offload.drivers.settings import Settings
from offload.providers.config import Endpoint
from offload.render import detections
from offload.usecases.detect.places import condition
from offload.usecases.detect.record import remember
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Samples
from offload.usecases.detect.run import DetectRun
from offload.usecases.provision.provisioning import brought_up
from tests.contexts import context
from tests.fakes import FakeSession
from tests.measured import KIND, LABEL, MODEL, THERE

REQUEST = Request(("photos",), where="remote")
BILLING = Billing(0.36, "as provisioned", idle_s=600)
HOURLY_USD = 0.36 + 0.005 + 8 * 0.08 / 730
PHASES = {"api": 2.0, "pending": 4.0, "boot": 20.0, "engine": 1.0, "image": 45.0, "container": 4.0}


@dataclass
class Rented(FakeSession):
    """The session of a rented machine."""

    model: ModelIdentity = MODEL
    host: Mapping[str, str] = field(default_factory=lambda: dict(THERE))  # type: ignore[arg-type]


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return settings.load({"OFFLOAD_DATA": str(tmp_path)})


def unused(_timeout_s: float) -> Stream:
    raise AssertionError


ENDPOINT = Endpoint("http://machine", "", unused, LABEL, BILLING, machine=KIND)


def run(images: int = 40, startup_s: float = 0.5) -> DetectRun:
    """One of images that took 0.1 s each, at a machine of the kind LABEL."""
    session = Rented()
    seconds = Durations(upload_s=0.05, infer_s=0.2)
    samples = Samples(first_s=0.3, first_sent_bytes=170_000)
    samples.images = [
        ImageSample(n, n / 10, 170_000, 170_000, seconds) for n in range(1, images + 1)
    ]
    made = DetectRun(session, "remote", images, 0, startup_s, iter(()), lambda: 0.0, ENDPOINT)
    made.detect_s, made.images, made.bytes = images / 10, images, images * 170_000
    made.samples["remote"] = samples
    return made


def up(
    configured: Settings, came_from: StartState = StartState.ABSENT, image_s: float = 45.0
) -> Measurement | None:
    under = condition(Rented(), REQUEST, configured, ENDPOINT)
    phases = PHASES | {"image": image_s}
    return brought_up(
        under, came_from, phases, "streamed", sum(phases.values()), context(configured)
    )


def remembered(
    configured: Settings, ran: DetectRun, bring_up: Measurement | None = None
) -> Outcome | None:
    return remember(ran, REQUEST, context(configured), bring_up=bring_up)


def kept(configured: Settings) -> list[Measurement]:
    with context(configured).history() as store:
        return [m for _, m in store.measurements(limit=-1)][::-1]


def test_a_bring_up_is_kept_with_every_phase(configured: Settings) -> None:
    made = up(configured)
    [found] = kept(configured)
    assert found == made
    assert (found.source, found.condition.url, found.images) == ("provision", LABEL, ())
    [start] = found.starts
    assert (start.startup_s, start.phases) == (76.0, PHASES)
    assert found.facts == {"from": "new", "image": "streamed"}


def test_a_machine_that_was_ready_was_not_brought_up(configured: Settings) -> None:
    assert up(configured, StartState.WARM) is None
    assert kept(configured) == []


def test_who_wants_no_history_has_no_bring_up_in_it_either(configured: Settings) -> None:
    assert up(replace(configured, history=False)) is not None
    assert kept(configured) == []


def test_a_history_that_is_no_use_fails_no_bring_up(configured: Settings) -> None:
    said: list[str] = []
    Path(configured.history_path).mkdir()
    under = condition(Rented(), REQUEST, configured, ENDPOINT)
    heard = context(configured, said.append)
    assert brought_up(under, StartState.COLD, PHASES, "built", 77.0, heard) is not None
    [warning] = said
    assert warning.startswith("This start of a machine could not be recorded: ")


def test_a_run_after_a_bring_up_alone_is_the_first_of_its_place(configured: Settings) -> None:
    up(configured)
    assert remembered(configured, run()) is None
    assert [m.source for m in kept(configured)] == ["provision", "run"]


def test_a_run_at_a_rented_machine_costs_what_it_was_busy(configured: Settings) -> None:
    remembered(configured, run())
    outcome = remembered(configured, run(startup_s=0.7))
    assert outcome is not None
    assert outcome.place == "remote"
    assert outcome.actual_usd == pytest.approx(4.7 * HOURLY_USD / 3600)
    assert outcome.predicted_usd == pytest.approx(outcome.predicted_s * HOURLY_USD / 3600)


def test_what_it_cost_is_said_only_if_it_cost_something(
    configured: Settings,
) -> None:
    remembered(configured, run())
    outcome = remembered(configured, run())
    assert outcome is not None
    free = replace(outcome, actual_usd=0.0, predicted_usd=0.0)
    billed, plain = (
        line
        for each in (outcome, free)
        for line in detections.details(run(), None, each)
        if line.startswith("total time ")
    )
    assert billed.removeprefix(plain) == "; $0.00046, predicted $0.0005"


def test_a_run_that_a_machine_was_brought_up_for_pays_for_all_of_it(configured: Settings) -> None:
    remembered(configured, run())
    for image_s in (43.0, 44.0, 46.0):
        up(configured, image_s=image_s)
    outcome = remembered(configured, run(startup_s=90.0), up(configured))
    assert outcome is not None
    assert outcome.place == "remote, not provisioned"
    assert outcome.predicted_s == pytest.approx(80.5, rel=0.1)
    assert outcome.actual_s == pytest.approx(94.0)
    assert outcome.low_s < outcome.actual_s < outcome.high_s
    assert outcome.actual_usd == pytest.approx((94 + 600) * HOURLY_USD / 3600)
    assert outcome.predicted_usd == pytest.approx((outcome.predicted_s + 600) * HOURLY_USD / 3600)


def test_the_start_of_a_machine_is_no_start_of_the_client(configured: Settings) -> None:
    remembered(configured, run(startup_s=90.0), up(configured))
    last = kept(configured)[-1]
    assert (last.source, last.starts, len(last.images)) == ("run", (), 40)
    assert remembered(configured, run()) is not None
    outcome = remembered(configured, run())
    assert outcome is not None
    assert outcome.predicted_s < 10


def test_what_a_prediction_rests_on_was_known_before(configured: Settings) -> None:
    remembered(configured, run())
    outcome = remembered(configured, run(startup_s=540.0), up(configured, image_s=500.0))
    assert outcome is not None
    assert outcome.predicted_s < 150
    following = remembered(configured, run(startup_s=540.0), up(configured, image_s=499.0))
    assert following is not None
    assert following.predicted_s > 250
