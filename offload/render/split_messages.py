"""What a split tells of itself on its way, in sentences."""

from collections.abc import Iterator

from offload.domain.events import Event, Noted, Warned
from offload.domain.units import show_s, show_usd
from offload.usecases.split import events as split
from offload.usecases.split.events import Outlook, SplitEvent, SplitWarning


def worded(event: Event) -> Event:
    """The warning or note that an event of a split is to people; any other event as it is."""
    if not isinstance(event, SplitEvent):
        return event
    text = sentence(event)
    return Warned(text) if isinstance(event, SplitWarning) else Noted(text)


def sentence(event: SplitEvent) -> str:
    """One event in words."""
    match event:
        case split.PlaceEvent():
            change = _stop(event) if isinstance(event, split.PlaceStopped) else _change(event)
            effects = ", ".join(_effects(event))
            return f"{event.place} {change}" + (f": {effects}" if effects else "")
        case split.DeadlineChanged():
            return f"The deadline of {show_s(event.deadline_s)} {_deadline(event)}"
        case split.NotRented():
            return f"No machine {_not_rented(event)}"
        case split.MachineReturned(machine, is_removed):
            return f"The machine {machine} is {'removed' if is_removed else 'stopped'} again"
    return _warning(event)


def _warning(event: SplitEvent) -> str:
    match event:
        case split.MachineLeft(machine, cause):
            return (
                f"{cause.text} The machine {machine} may still cost money. To see: offload "
                f"machines; to remove it: offload down {machine}"
            )
        case split.NothingLeaves(is_asked=True):
            return "Every image must stay here: nothing is sent and no machine is rented."
        case split.NothingLeaves():
            return (
                "There is no remote place: all images are done here. To name one: --url "
                "http://HOST:8080; to rent one: --provision"
            )
        case split.PlaceFailed(cause, is_awaited):
            here = "Until one does, all is" if is_awaited else "All is"
            return f"{cause.text} {here} detected here. {cause.hint}".strip()
        case split.TooExpensive(place, least_usd, max_usd):
            least, most = show_usd(least_usd), show_usd(max_usd)
            return (
                f"The {place} place is left out: it costs at least {least}, and --max-cost is "
                f"{most}. All images are done here."
            )
    raise AssertionError(event)


def _change(event: split.PlaceEvent) -> str:
    match event:
        case split.PlaceJoined():
            return f"joined{' again' if event.again else ''}"
        case split.RateChanged():
            if event.quiet_s is not None:
                return f"has not answered for {_about(event.quiet_s)}"
            before = _rate(event.before_per_s)
            return f"does {_rate(event.images_per_s)} images/s instead of {before}"
        case split.PlaceReleased():
            return "is no longer needed: the images left must stay here"
    raise AssertionError(event)


def _stop(event: split.PlaceStopped) -> str:
    reason = event.reason.rstrip(".")
    match event:
        case split.PlaceLost():
            return f"was lost ({reason})"
        case split.PlaceEnding():
            return f"will end soon ({reason}) and gets no more images"
    return f"gets no more images, to stay within {reason}"


def _effects(event: split.PlaceEvent) -> Iterator[str]:
    if isinstance(event, split.PlaceStopped) and event.rest_is_here is not None:
        what = "its images are" if isinstance(event, split.PlaceLost) else "the rest is"
        yield f"{what} done {'here' if event.rest_is_here else 'elsewhere'}"
    if (outlook := event.outlook) is not None:
        if outlook.images is not None:
            yield _share(outlook, outlook.images)
        end, before = _about(outlook.end_s), _about(outlook.end_before_s)
        yield _instead(f"ETA {end}", end, before)


def _share(outlook: Outlook, images: int) -> str:
    where = "stay here" if outlook.is_here else "go there"
    share = f"about {images} of the {outlook.undone} images left {where}"
    return _instead(share, str(images), str(outlook.images_before))


def _deadline(event: split.DeadlineChanged) -> str:
    end = "" if event.left_s is None else f": ETA {_about(event.left_s)}"
    if event.late_s <= 0:
        return f"will be met, with about {_about(-event.late_s)} to spare"
    if event.spent_s > event.deadline_s:
        return f"has passed{end}"
    return f"will be missed by about {_about(event.late_s)}{end}"


def _not_rented(event: split.NotRented) -> str:
    here = show_s(event.here_s)
    needs = event.startup_s and f", and one takes about {show_s(event.startup_s)} to start"
    if event.is_over:
        return f"was rented: all was done here in {here}{needs or ''}"
    return f"is rented: the images left take about {here} here{needs or ''}"


def _rate(images_per_s: float) -> str:
    return f"{float(f'{images_per_s:.2g}'):g}"


def _instead(text: str, now: str, before: str) -> str:
    """What is true now, and what was before if that was something else."""
    return text if now == before else f"{text} instead of {before}"


def _about(seconds: float) -> str:
    """Two digits of a duration."""
    return show_s(float(f"{max(seconds, 0.0):.2g}"))
