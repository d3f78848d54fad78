"""How many machines an account may have."""

import re
from collections.abc import Callable
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.machines import Spec
from offload.drivers.aws import calls

Clients = Callable[[str], Any]
"""The name of a service -> boto3's client of it."""

_CODES = (
    (re.compile(r"(?:[acdhimrtz]|im|is)\d"), "L-1216C47A", "L-34B43A08"),
    (re.compile(r"(?:g|gr|vt)\d"), "L-DB2E81BA", "L-3819A6DF"),
)
"""Which instance types share a quota of vCPUs, and its codes: on demand, and spot.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""


def quota(clients: Clients, instance_type: str, *, spot: bool) -> float | None:
    """How many vCPUs of that kind the account may have at a time; None if nobody says."""
    code = _code(instance_type, spot=spot)
    if code is None:
        return None
    wanted = {"ServiceCode": "ec2", "QuotaCode": code}
    try:
        answer = calls.call(clients("service-quotas"), "get_service_quota", **wanted)
        return float(answer["Quota"]["Value"])
    except (KeyError, OffloadError):  # whoever may not ask is told by EC2 itself
        return None


def check(clients: Clients, spec: Spec, vcpus: int) -> None:
    """Whether the account may have a machine of so many vCPUs at all.

    Raises:
        PlaceUnavailable: it may not.
    """
    most = quota(clients, spec.instance_type, spot=spec.spot)
    if most is None or most >= vcpus:
        return
    what = "spot machines" if spec.spot else "machines"
    raise PlaceUnavailable(
        f"The account may have {most:.0f} vCPUs of such {what} in {spec.region}, a "
        f"{spec.instance_type} takes {vcpus}.",
        hint="To ask for more: aws service-quotas request-service-quota-increase --service-code "
        f"ec2 --quota-code {_code(spec.instance_type, spot=spec.spot)} --desired-value {vcpus} "
        f"--region {spec.region}",
    )


def _code(instance_type: str, *, spot: bool) -> str | None:
    for types, on_demand, at_spot in _CODES:
        if types.match(instance_type):
            return at_spot if spot else on_demand
    return None
