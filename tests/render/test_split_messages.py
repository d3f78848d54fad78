"""How people read what a split tells of itself."""

import pytest

from offload.domain import events
from offload.domain.events import Event, Failed, Noted, Warned
from offload.render.messages import EventLines, Messages
from offload.render.split_messages import worded
from offload.usecases.split import events as split_events
from offload.usecases.split.events import (
    BudgetReached,
    DeadlineChanged,
    MachineLeft,
    MachineReturned,
    NothingLeaves,
    NotRented,
    Outlook,
    PlaceEnding,
    PlaceFailed,
    PlaceJoined,
    PlaceLost,
    PlaceReleased,
    RateChanged,
    SplitEvent,
    SplitWarning,
    TooExpensive,
)

OUTLOOK = Outlook(12.0, 7.2, 108)
SHARE = Outlook(12.0, 12.04, 108, images=48, images_before=72)
CAUSE = Failed("It is gone.", "Look for it.", 4, "remote")
NOTES = [
    (PlaceJoined("remote", again=False), "remote joined"),
    (
        PlaceJoined("remote", again=True, outlook=SHARE),
        ("remote joined again: about 48 of the 108 images left go there instead of 72, ETA 12 s"),
    ),
    (
        RateChanged("local", 4.04, 10.0, outlook=Outlook(12.0, 7.2, 108, 54, 54, is_here=True)),
        (
            "local does 4 images/s instead of 10: about 54 of the 108 images left stay here, "
            "ETA 12 s instead of 7.2 s"
        ),
    ),
    (RateChanged("remote", 0.1, 10.0, quiet_s=3.75), "remote has not answered for 3.8 s"),
    (
        PlaceReleased("remote"),
        "remote is no longer needed: the images left must stay here",
    ),
    (
        PlaceLost("remote", "no answer: reset.", rest_is_here=True, outlook=OUTLOOK),
        ("remote was lost (no answer: reset): its images are done here, ETA 12 s instead of 7.2 s"),
    ),
    (PlaceLost("remote", "gone"), "remote was lost (gone)"),
    (
        PlaceEnding("remote", "it is reclaimed", rest_is_here=False),
        (
            "remote will end soon (it is reclaimed) and gets no more images: the rest is done "
            "elsewhere"
        ),
    ),
    (
        BudgetReached("remote", "--max-cost $0.06", rest_is_here=True),
        ("remote gets no more images, to stay within --max-cost $0.06: the rest is done here"),
    ),
    (
        DeadlineChanged(30.0, 2.0, 40.0),
        "The deadline of 30 s will be missed by about 12 s: ETA 40 s",
    ),
    (DeadlineChanged(2.0, 2.5, None), "The deadline of 2 s has passed"),
    (DeadlineChanged(2.0, 2.5, 4.0), "The deadline of 2 s has passed: ETA 4 s"),
    (
        DeadlineChanged(30.0, 10.0, 10.0),
        "The deadline of 30 s will be met, with about 10 s to spare",
    ),
    (
        NotRented(11.0, 60.0),
        (
            "No machine is rented: the images left take about 11 s here, and one takes about 1 min "
            "to start"
        ),
    ),
    (
        NotRented(11.0, 60.0, is_over=True),
        "No machine was rented: all was done here in 11 s, and one takes about 1 min to start",
    ),
    (NotRented(11.0, None, is_over=True), "No machine was rented: all was done here in 11 s"),
    (MachineReturned("big", is_removed=True), "The machine big is removed again"),
    (MachineReturned("big", is_removed=False), "The machine big is stopped again"),
]
WARNINGS = [
    (
        MachineLeft("big", CAUSE),
        (
            "It is gone. The machine big may still cost money. To see: offload machines; to remove "
            "it: offload down big"
        ),
    ),
    (
        NothingLeaves(is_asked=False),
        (
            "There is no remote place: all images are done here. To name one: --url "
            "http://HOST:8080; to rent one: --provision"
        ),
    ),
    (
        NothingLeaves(is_asked=True),
        "Every image must stay here: nothing is sent and no machine is rented.",
    ),
    (
        PlaceFailed(CAUSE, is_awaited=True),
        "It is gone. Until one does, all is detected here. Look for it.",
    ),
    (PlaceFailed(CAUSE), "It is gone. All is detected here. Look for it."),
    (PlaceFailed(Failed("It is gone.", "")), "It is gone. All is detected here."),
    (
        TooExpensive("remote", 0.06, 0.05),
        (
            "The remote place is left out: it costs at least $0.06, and --max-cost is $0.05. "
            "All images are done here."
        ),
    ),
]


@pytest.mark.parametrize(("event", "text"), NOTES)
def test_what_changes_is_a_note(
    event: SplitEvent, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worded(event) == Noted(text)
    Messages().hear(event)
    assert capsys.readouterr().err == f"{text}\n"
    EventLines().hear(event)
    assert capsys.readouterr().err == "", "it is nothing to another process"


@pytest.mark.parametrize(("event", "text"), WARNINGS)
def test_what_the_user_should_know_is_a_warning_in_the_process_that_asked_too(
    event: SplitEvent, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Messages().hear(event)
    assert capsys.readouterr().err == f"warning: {text}\n"
    EventLines().hear(event)
    (line,) = capsys.readouterr().err.splitlines()
    assert events.from_line(line) == Warned(text)


def kinds(of: type[Event]) -> set[type[Event]]:
    """Those of these events that are not only what others have in common."""
    found = [each for each in vars(split_events).values() if isinstance(each, type)]
    bases = {base for each in found for base in each.__bases__}
    return {each for each in found if issubclass(each, of) and each not in bases}


def test_every_event_of_a_split_has_its_words() -> None:
    assert kinds(SplitWarning) == {type(event) for event, _ in WARNINGS}
    assert kinds(SplitEvent) == {type(event) for event, _ in [*NOTES, *WARNINGS]}


def test_other_events_are_as_they_are() -> None:
    assert worded(Warned("Careful.")) == Warned("Careful.")
