"""What an instance costs: as AWS says, as it said today, or as our table has it."""

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from offload.domain import typed
from offload.domain.errors import PlaceUnavailable
from offload.domain.measurements import Measurement
from offload.domain.prices import (
    CALL_USD,
    CALL_USD_PER_GB_S,
    CALLS_AS_OF,
    CORE_MB,
    HOME,
    CallPrice,
    Price,
)
from offload.drivers.aws import account, prices
from offload.drivers.folders.files import atomic_write_bytes
from offload.places import known
from offload.usecases.context import Context
from offload.version import __version__

T = TypeVar("T")
_KEPT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What AWS said, and when: seconds since 1970."""

    asked_at_s: float
    price: Any


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
    key, asks = f"{instance_type} {region}", partial(ask, instance_type, region, profile)
    now = now or datetime.datetime.now(datetime.UTC)
    price = _listed(Price, key, asks, context, environment, now, offline=offline)
    return price or prices.shipped(instance_type, region)


def of_calls(
    host: Mapping[str, Any],
    context: Context,
    *,
    offline: bool = False,
    environment: Mapping[str, str] = os.environ,
    now: datetime.datetime | None = None,
    ask: Callable[[str, str], CallPrice] = prices.listed_calls,
) -> CallPrice | None:
    """What calls of a function cost, by the memory, processor and region that a measurement's
    `host` names; None where it names none. AWS is asked, and its answer kept, as by `find`.
    """
    memory_mb, arch, region = (host.get(name) for name in ("memory_mb", "cpu", "region"))
    if not isinstance(memory_mb, int) or not isinstance(region, str):
        return None
    arch = arch if arch in CALL_USD_PER_GB_S else "x86_64"
    now = now or datetime.datetime.now(datetime.UTC)
    key, asks = f"lambda {arch} {region}", partial(ask, region, arch)
    price = _listed(CallPrice, key, asks, context, environment, now, offline=offline)
    if price is None:
        elsewhere = "" if region == HOME else f", not of {region}"
        how = f"prices of {HOME}{elsewhere}, shipped with offload {__version__}"
        price = CallPrice(CALL_USD, CALL_USD_PER_GB_S[arch], how, CALLS_AS_OF)
    return replace(
        price,
        usd_per_s=price.usd_per_s * memory_mb / 1024,
        how=f"{memory_mb} MB of {arch} in {region}, {price.how}",
    )


def of_known_calls(
    measurements: Sequence[Measurement], context: Context, region: str = HOME, *, offline: bool
) -> CallPrice | None:
    """What a call costs of the function that was measured last; if none was, of one with a core in
    that region, which AWS is not asked for.
    """
    jobs = [m for m in measurements if known()[m.condition.place].by_call]
    newest = max(jobs, key=lambda m: m.taken_at, default=None)
    if newest is not None:
        return of_calls(newest.condition.host, context, offline=offline)
    return of_calls({"memory_mb": CORE_MB, "region": region}, context, offline=True)


def _listed(
    kind: type[T],
    key: str,
    ask: Callable[[], T],
    context: Context,
    environment: Mapping[str, str],
    now: datetime.datetime,
    *,
    offline: bool,
) -> T | None:
    """What AWS named within a day, or names now; None where nobody asks, or it does not answer."""
    now_s = now.timestamp()
    cache_path = os.path.join(context.settings.cache, "prices.json")
    kept = _kept(cache_path)
    answer = kept.get(key)
    if answer and 0 <= now_s - answer.asked_at_s < _KEPT_S:
        with suppress(ValueError):
            return typed.read(kind, answer.price)
    if offline or context.settings.offline or not account.may_have_credentials(environment):
        return None
    try:
        price = ask()
    except PlaceUnavailable as error:
        context.reporter.warn(f"{error} The shipped table is used.")
        return None
    kept[key] = _Answer(now_s, typed.builtins(price))
    with suppress(OSError):  # an unwritable cache only costs the question next time
        atomic_write_bytes(cache_path, typed.encoded(kept))
    return price


def _kept(path: str) -> dict[str, _Answer]:
    """The cache, by type and region; empty if it is damaged."""
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return typed.parse(dict[str, _Answer], file.read())
    return {}
