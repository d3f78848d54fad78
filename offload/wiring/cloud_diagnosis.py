"""What works in the cloud: whose account it is, what there would be, what is permitted."""

import os
from datetime import UTC, datetime

from offload.domain.errors import OffloadError
from offload.domain.machines import Offer, Spec
from offload.domain.results import Json
from offload.drivers import ec2permissions, ec2quota
from offload.drivers.ec2 import Cloud
from offload.drivers.settings import Settings
from offload.wiring import prices
from offload.wiring.question import INSTANCE

_NOBODY = ("127.0.0.1/32",)


def facts(
    configured: Settings, region: str | None, profile: str | None
) -> tuple[Json, OffloadError | None]:
    """A line for each thing that renting a machine needs, and what is the matter if something is.

    Nothing is created.
    """
    found: Json = {"credentials": None, "region": region}
    try:
        cloud = Cloud.connected(region, profile)
        found |= {"credentials": cloud.who(), "region": cloud.region}
    except OffloadError as error:
        return found, _wrong(error)
    found["price"] = _price(configured, cloud.region)
    found["quota"] = {
        name: _quota(cloud, spot=spot) for name, spot in (("on demand", False), ("spot", True))
    }
    try:
        offer = cloud.offer(Spec("doctor", cloud.region, INSTANCE, _NOBODY))
        found |= _offered(offer)
    except OffloadError as error:
        found["machine"] = f"{error} {error.hint}"
        return found | {"permissions": _permissions(cloud, None)}, _wrong(error)
    found["permissions"] = _permissions(cloud, offer)
    missing = [name for name, answer in found["permissions"].items() if answer == "missing"]
    try:
        if not missing:
            cloud.allowed(offer)
    except OffloadError as error:
        return found, _wrong(error)
    return found, _missing(missing) if missing else None


def _offered(offer: Offer) -> Json:
    docker = "with Docker" if offer.has_engine else "without Docker"
    return {
        "default_network": offer.vpc,
        "machine": f"{offer.spec.instance_type}: {offer.arch}, {offer.vcpus} vCPUs, "
        f"{offer.memory_gib:g} GiB, disk of {offer.disk_gb} GB",
        "image": f"{offer.ami} {docker}, user {offer.login}",
    }


def _price(configured: Settings, region: str) -> str:
    try:
        price = prices.find(
            INSTANCE,
            region,
            offline=configured.offline,
            environment=os.environ,
            cache_path=os.path.join(configured.cache, "prices.json"),
            now=datetime.now(UTC),
        )
    except OffloadError as error:
        return str(error)
    return f"{INSTANCE}: ${price.usd_per_h:.4f} an hour ({price.source}, {price.as_of})"


def _quota(cloud: Cloud, *, spot: bool) -> str:
    vcpus = ec2quota.quota(cloud.clients, INSTANCE, spot=spot)
    return "not known" if vcpus is None else f"{vcpus:.0f} vCPUs"


def _permissions(cloud: Cloud, offer: Offer | None) -> Json:
    try:
        ours = cloud.resources()
    except OffloadError:  # the permissions say why
        ours = []
    return dict(ec2permissions.asked(cloud.clients("ec2"), offer, ours))


def _wrong(error: OffloadError) -> OffloadError:
    return OffloadError(str(error), hint=error.hint)


def _missing(actions: list[str]) -> OffloadError:
    return OffloadError(
        f"These credentials may not {', '.join(actions)}.",
        hint="To see the policy to ask for: offload doctor aws --policy",
    )
