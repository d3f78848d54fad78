"""What an instance costs: as AWS says, as it said today, or as our table has it."""

import datetime
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from offload.domain import typed
from offload.domain.errors import PlaceUnavailable
from offload.domain.prices import Price
from offload.drivers.aws import account, prices
from offload.drivers.folders.files import atomic_write_bytes
from offload.usecases.context import Context

_KEPT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What AWS said, and when: seconds since 1970."""

    asked_at_s: float
    price: Price


def find(
    instance_type: str,
    region: str,
    context: Context,
    profile: str | None = None,
    *,
    offline: bool = False,
    environment: Mapping[str, str] = os.environ,
    now: datetime.datetime | None = None,
    ask: Callable[[str, str, str | None], Price] = prices.listed,
) -> Price:
    """The price of an instance; its `source` says who named it. AWS is asked as `profile`.

    What AWS names is kept in the cache for a day. Where AWS should have answered and did not, that
    is said, and the shipped table answers. `now` knows its time zone.

    Raises:
        UsageError: the table has to answer and has no such price.
    """
    now_s = (now or datetime.datetime.now(datetime.UTC)).timestamp()
    cache_path = os.path.join(context.settings.cache, "prices.json")
    key, kept = f"{instance_type} {region}", _kept(cache_path)
    answer = kept.get(key)
    if answer and answer.price.usd_per_h > 0 and 0 <= now_s - answer.asked_at_s < _KEPT_S:
        return answer.price
    offline = offline or context.settings.offline
    if not offline and account.may_have_credentials(environment):
        try:
            price = ask(instance_type, region, profile)
        except PlaceUnavailable as error:
            context.reporter.warn(f"{error} The shipped table is used.")
        else:
            kept[key] = _Answer(now_s, price)
            with suppress(OSError):  # an unwritable cache only costs the question next time
                atomic_write_bytes(cache_path, typed.encoded(kept))
            return price
    return prices.shipped(instance_type, region)


def _kept(path: str) -> dict[str, _Answer]:
    """The cache, by type and region; empty if it is damaged."""
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return typed.parse(dict[str, _Answer], file.read())
    return {}
