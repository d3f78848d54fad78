"""The table of EC2 prices beside this module, for whoever cannot or may not ask AWS."""

import csv
import os
from collections.abc import Iterator

from offload.domain.errors import UsageError
from offload.domain.prices import BY_HAND, Price
from offload.version import __version__

_TABLE = os.path.join(os.path.dirname(__file__), "prices.csv")


def shipped(instance_type: str, region: str) -> Price:
    """The price of the table.

    Raises:
        UsageError: it names none; the message says what it names.
    """
    found = list(table())
    for price in found:
        if (price.instance_type, price.region) == (instance_type, region):
            return price
    regions = [price.region for price in found if price.instance_type == instance_type]
    if regions:
        raise UsageError(
            f"No price of {instance_type} in {region} is known, only in {', '.join(regions)}.",
            hint=BY_HAND,
        )
    families = dict.fromkeys(price.instance_type.partition(".")[0] for price in found)
    family = instance_type.partition(".")[0]
    siblings = dict.fromkeys(
        price.instance_type for price in found if price.instance_type.startswith(f"{family}.")
    )
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
