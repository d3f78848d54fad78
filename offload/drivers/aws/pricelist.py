"""AWS' own list of prices."""

import json
import math
from datetime import date
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.prices import BY_HAND, Price
from offload.drivers.aws import account

_REGION = "us-east-1"
"""The price list is served in few regions; each knows the prices of all."""
_USUAL = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}


def price(instance_type: str, region: str, timeout_s: float = 3.0, client: Any = None) -> Price:
    """What AWS' price list names; `client` is boto3's of the service `pricing`.

    Raises:
        PlaceUnavailable: no credentials, no permission, no answer within `timeout_s` or no such
            instance type.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    wanted = {"instanceType": instance_type, "regionCode": region} | _USUAL
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    try:
        client = client or account.client(
            account.session(_REGION), "pricing", timeout_s, attempts=1
        )
        answer = client.get_products(ServiceCode="AmazonEC2", Filters=filters)
    except ClientError as error:
        said = error.response.get("Error", {})
        raise _unnamed(said.get("Message") or said.get("Code") or str(error)) from error
    except (BotoCoreError, OffloadError, ValueError) as error:
        raise _unnamed(str(error)) from error
    listed = answer.get("PriceList")
    if not listed:
        raise _unnamed(f"its list has no {instance_type} in {region}")
    try:
        return _parsed(json.loads(listed[0]), instance_type, region)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unnamed("its list has changed its form") from error


def _unnamed(why: str) -> PlaceUnavailable:
    return PlaceUnavailable(f"AWS names no price: {why.rstrip('.')}.", hint=BY_HAND)


def _parsed(product: Any, instance_type: str, region: str) -> Price:
    attributes = product["product"]["attributes"]
    usd_per_h = max(
        float(dimension["pricePerUnit"]["USD"])
        for term in product["terms"]["OnDemand"].values()
        for dimension in term["priceDimensions"].values()
    )
    if not 0 < usd_per_h < math.inf:
        raise ValueError(usd_per_h)
    return Price(
        instance_type,
        region,
        usd_per_h,
        int(attributes["vcpu"]),
        float(attributes["memory"].removesuffix("GiB").replace(",", "")),
        "arm64" if "Graviton" in attributes["physicalProcessor"] else "x86_64",
        date.fromisoformat(product["publicationDate"][:10]).isoformat(),
        "AWS price list",
    )
