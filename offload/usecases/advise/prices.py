"""What an instance costs: as AWS says, as it said today, or as our table has it."""

import contextlib
import datetime
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.prices import Price
from offload.drivers.aws import account, prices
from offload.drivers.folders.files import atomic_write
from offload.usecases.context import Context

_KEPT = datetime.timedelta(hours=24)


def find(
    instance_type: str,
    region: str,
    context: Context,
    *,
    offline: bool = False,
    environment: Mapping[str, str] = os.environ,
    now: datetime.datetime | None = None,
    ask: Callable[[str, str], Price] = prices.listed,
) -> Price:
    """The price of an instance; its `source` says who named it.

    What AWS names is kept in the cache for a day. Where AWS should have answered and did not, that
    is said, and the shipped table answers. `now` knows its time zone.

    Raises:
        UsageError: the table has to answer and has no such price.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    cache_path = os.path.join(context.settings.cache, "prices.json")
    kept = _kept(cache_path)
    if price := _fresh(kept.get(f"{instance_type} {region}"), now):
        return price
    offline = offline or context.settings.offline
    if not offline and account.may_have_credentials(environment):
        try:
            price = ask(instance_type, region)
        except PlaceUnavailable as error:
            context.reporter.warn(f"{error} The shipped table is used.")
        else:
            _keep(cache_path, kept, price, now)
            return price
    return prices.shipped(instance_type, region)


def _kept(path: str) -> dict[str, Any]:
    """The cache: `TYPE REGION` -> `asked_at` (ISO 8601) and `price`; empty if it is damaged."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        document = json.load(file)
        return document if isinstance(document, dict) else {}
    return {}


def _fresh(entry: Any, now: datetime.datetime) -> Price | None:
    try:
        age = now - datetime.datetime.fromisoformat(entry["asked_at"])
        price = Price(**entry["price"])
        return price if datetime.timedelta() <= age < _KEPT and price.usd_per_h > 0 else None
    except (KeyError, TypeError, ValueError):
        return None


def _keep(path: str, kept: dict[str, Any], price: Price, now: datetime.datetime) -> None:
    entry = {"asked_at": now.isoformat(), "price": asdict(price)}
    with contextlib.suppress(OSError):  # an unwritable cache only costs the question next time
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_write(path) as file:
            json.dump(kept | {f"{price.instance_type} {price.region}": entry}, file, indent=1)
