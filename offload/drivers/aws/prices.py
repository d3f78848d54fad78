"""What EC2 costs: by AWS' own list, or by the table beside this module for whoever may not ask."""

import csv
import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.prices import BY_HAND, Price
from offload.drivers.aws import account
from offload.version import __version__

_TABLE = os.path.join(os.path.dirname(__file__), "prices.csv")
_REGION = "us-east-1"
"""The price list is served in few regions; each knows the prices of all."""
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
    instance_type: str,
    region: str,
    profile: str | None = None,
    timeout_s: float = 3.0,
    client: Any = None,
) -> Price:
    """What AWS' price list names, of the disk too; `client` is boto3's of the service `pricing`.

    Raises:
        PlaceUnavailable: no credentials, no permission, no answer within `timeout_s` or no such
            instance type.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    def products(**wanted: str) -> list[Any]:
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
        answer = client.get_products(ServiceCode="AmazonEC2", Filters=filters)
        return [json.loads(product) for product in answer.get("PriceList", ())]

    try:
        client = client or account.client(
            account.session(_REGION, profile), "pricing", timeout_s, attempts=1
        )
        found = products(instanceType=instance_type, regionCode=region, **_USUAL)
    except (BotoCoreError, ClientError, OffloadError, ValueError) as error:
        said = getattr(error, "response", {}).get("Error", {})
        raise _unnamed(said.get("Message") or said.get("Code") or str(error)) from error
    if not found:
        raise _unnamed(f"its list has no {instance_type} in {region}")
    try:
        price = _parsed(found[0], instance_type, region)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unnamed("the form of its list has changed") from error
    # Whoever names the machine's price may be silent about its disk, which costs far less.
    with suppress(BotoCoreError, ClientError, IndexError, KeyError, TypeError, ValueError):
        (disk,) = products(volumeApiName="gp3", regionCode=region, productFamily="Storage")
        return replace(price, disk_usd_per_gb_month=_usd(disk))
    return price


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
