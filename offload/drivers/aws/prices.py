"""What EC2 costs: by AWS' own list, or by the table beside this module for whoever may not ask."""

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.prices import BY_HAND, CallPrice, Price
from offload.drivers.aws import account
from offload.version import __version__

_TABLE = os.path.join(os.path.dirname(__file__), "prices.csv")
_REGION = "us-east-1"
"""The price list is served in few regions; each knows the prices of all."""
_PATIENCE_S = 3.0
_USUAL = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}


def shipped(instance_type: str, region: str) -> Price:
    """The price of the table; UsageError where it names none, which says what it names."""
    found = {(price.instance_type, price.region): price for price in table()}
    if price := found.get((instance_type, region)):
        return price
    if regions := [where for kind, where in found if kind == instance_type]:
        raise UsageError(
            f"No price of {instance_type} in {region} is known, only in {', '.join(regions)}.",
            hint=BY_HAND,
        )
    family = instance_type.partition(".")[0]
    families = dict.fromkeys(kind.partition(".")[0] for kind, _ in found)
    siblings = dict.fromkeys(kind for kind, _ in found if kind.startswith(f"{family}."))
    known = ", ".join(siblings) if siblings else f"those of {', '.join(families)}"
    raise UsageError(
        f"No price of an instance type {instance_type!r} is known, only {known}.", hint=BY_HAND
    )


def table() -> Iterator[Price]:
    """Every price of the table, by instance type and region."""
    with open(_TABLE, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            yield Price(
                row["instance_type"],
                row["region"],
                float(row["usd_per_h"]),
                int(row["vcpus"]),
                float(row["memory_gib"]),
                row["arch"],
                row["as_of"],
                f"table shipped with offload {__version__} (from {row['source']})",
            )


def listed(
    instance_type: str, region: str, profile: str | None = None, client: Any = None
) -> Price:
    """What AWS' price list names, of the disk too; `client` is boto3's of the service `pricing`.

    Raises:
        PlaceUnavailable: no credentials, no permission, no answer soon, or no such instance type.
    """
    client = client or _asker(profile)
    wanted = {"instanceType": instance_type, "regionCode": region, **_USUAL}
    found = _products(client, "AmazonEC2", wanted)
    if not found:
        raise _unnamed(f"its list has no {instance_type} in {region}")
    try:
        price = _parsed(found[0], instance_type, region)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unnamed("the form of its list has changed") from error
    # Whoever names the machine's price may be silent about its disk, which costs far less.
    with suppress(PlaceUnavailable, IndexError, KeyError, TypeError, ValueError):
        wanted = {"volumeApiName": "gp3", "regionCode": region, "productFamily": "Storage"}
        (disk,) = _products(client, "AmazonEC2", wanted)
        return replace(price, disk_usd_per_gb_month=_usd(disk))
    return price


def listed_calls(region: str, arch: str, client: Any = None) -> CallPrice:
    """What AWS' price list names for calls of functions with a gigabyte of memory.

    Raises:
        PlaceUnavailable: as for `listed`.
    """
    suffix, found = "-ARM" if arch == "arm64" else "", []
    client = client or _asker()
    for what in ("Requests", "Duration"):
        wanted = {"group": f"AWS-Lambda-{what}{suffix}", "regionCode": region}
        found += _products(client, "AWSLambda", wanted)[:1]
    try:
        call, second = found
        day = date.fromisoformat(second["publicationDate"][:10]).isoformat()
        return CallPrice(_usd(call), _usd(second), "AWS price list", day)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unnamed(f"its list says nothing of functions in {region}") from error


def _asker(profile: str | None = None) -> Any:
    try:
        session = account.session(_REGION, profile)
        return account.client(session, "pricing", _PATIENCE_S, attempts=1)
    except OffloadError as error:
        raise _unnamed(str(error)) from error


def _products(client: Any, service: str, wanted: Mapping[str, str]) -> list[Any]:
    """What the price list has of a service."""
    from botocore.exceptions import BotoCoreError, ClientError

    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    try:
        answer = client.get_products(ServiceCode=service, Filters=filters)
        return [json.loads(product) for product in answer.get("PriceList", ())]
    except (BotoCoreError, ClientError, ValueError) as error:
        said = getattr(error, "response", {}).get("Error", {})
        raise _unnamed(said.get("Message") or said.get("Code") or str(error)) from error


def _unnamed(why: str) -> PlaceUnavailable:
    return PlaceUnavailable(f"AWS gives no price: {why.rstrip('.')}.", hint=BY_HAND)


def _parsed(product: Any, instance_type: str, region: str) -> Price:
    attributes = product["product"]["attributes"]
    return Price(
        instance_type,
        region,
        _usd(product),
        int(attributes["vcpu"]),
        float(attributes["memory"].removesuffix("GiB").replace(",", "")),
        "arm64" if "Graviton" in attributes["physicalProcessor"] else "x86_64",
        date.fromisoformat(product["publicationDate"][:10]).isoformat(),
        "AWS price list",
    )


def _usd(product: Any) -> float:
    """What a unit of it costs on demand."""
    usd = max(
        float(dimension["pricePerUnit"]["USD"])
        for term in product["terms"]["OnDemand"].values()
        for dimension in term["priceDimensions"].values()
    )
    if not 0 < usd < math.inf:
        raise ValueError(usd)
    return usd
