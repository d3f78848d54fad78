"""AWS: whose credentials are here, and what it charges."""

import json
import math
import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.prices import BY_HAND, Price

_SIGNS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}
_PRICING_REGION = "us-east-1"
"""The price list is served in few regions; each knows the prices of all."""
_USUAL = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}


def credentials_source() -> str | None:
    """Where boto3 finds credentials (`env`, `shared-credentials-file`, …); None if nowhere.

    Looks at this machine only: nothing is sent.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError:
        return None
    return str(found.method) if found else None


def may_have_credentials(environment: Mapping[str, str]) -> bool:
    """Whether asking AWS is worth loading boto3: a variable or a file of credentials is here.

    The role of an EC2 instance shows in neither.
    """
    return any(environment.get(name) for name in _SIGNS) or any(
        os.path.exists(os.path.expanduser(environment.get(name) or usual))
        for name, usual in _FILES.items()
    )


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
        client = client or _pricing(timeout_s)
        answer = client.get_products(ServiceCode="AmazonEC2", Filters=filters)
    except ClientError as error:
        said = error.response.get("Error", {})
        raise _unnamed(said.get("Message") or said.get("Code") or str(error)) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint set to what is no URL
        raise _unnamed(str(error)) from error
    listed = answer.get("PriceList")
    if not listed:
        raise _unnamed(f"its list has no {instance_type} in {region}")
    try:
        return _parsed(json.loads(listed[0]), instance_type, region)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unnamed("its list has changed its form") from error


def _pricing(timeout_s: float) -> Any:
    import boto3
    from botocore.config import Config

    once = Config(
        connect_timeout=timeout_s, read_timeout=timeout_s, retries={"total_max_attempts": 1}
    )
    return boto3.Session().client("pricing", region_name=_PRICING_REGION, config=once)


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
