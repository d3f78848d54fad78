"""What works in the cloud: whose account it is, what there would be, what is permitted."""

from contextlib import suppress
from typing import get_args

from offload.domain.errors import OffloadError
from offload.domain.machines import Offer, Resource, Spec
from offload.domain.results import Json
from offload.drivers.aws import iam, lookup
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.host import machine
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import planning

_NOBODY = ("127.0.0.1/32",)


def facts(
    context: Context, region: str | None, profile: str | None, subnet: str | None = None
) -> tuple[Json, OffloadError | None]:
    """A line for each thing that renting a machine needs, and what is the matter if something is.

    Nothing is created.
    """
    try:
        cloud = context.clouds(region, profile)
        who = cloud.who()
    except OffloadError as error:
        return {"credentials": None, "region": region}, _wrong(error)
    found: Json = {
        "credentials": who,
        "region": cloud.region,
        "price": _price(context, cloud.region, profile),
        "quota": {"on demand": _quota(cloud, spot=False), "spot": _quota(cloud, spot=True)},
    }
    offer = wrong = None
    try:
        offer = cloud.offer(Spec("doctor", cloud.region, INSTANCE, _NOBODY, subnet=subnet))
        docker = "with Docker" if offer.has_engine else "without Docker"
        has = "has" if offer.in_free_plan else "does not have"
        found |= {
            "network" if subnet else "default_network": offer.vpc,
            "machine": f"{INSTANCE}: {offer.arch}, {offer.vcpus} vCPUs, {offer.memory_gib:g} GiB, "
            f"disk of {offer.disk_gb} GB; AWS' Free plan {has} it",
            "image": f"{offer.ami} {docker}, user {offer.login}",
        }
        planning.check_allowed(offer, cloud, context, profile)
    except OffloadError as error:
        found["refused"] = str(error)
        wrong = _wrong(error)
    found["permissions"] = _permissions(cloud, offer)
    if missing := found["permissions"]["missing"]:
        wrong = OffloadError(
            f"These credentials may not {', '.join(missing)}.",
            hint="To see the policy to ask for: offload doctor aws --policy",
        )
    return found, wrong


def _price(context: Context, region: str, profile: str | None) -> str:
    try:
        price = prices.find(INSTANCE, region, context, profile)
    except OffloadError as error:
        return str(error)
    return f"{INSTANCE}: ${price.usd_per_h:.4f} an hour ({price.source}, {price.as_of})"


def _quota(cloud: Cloud, *, spot: bool) -> str:
    vcpus = lookup.quota(cloud.clients, INSTANCE, spot=spot)
    return "not known" if vcpus is None else f"{vcpus:.0f} vCPUs"


def _permissions(cloud: Cloud, offer: Offer | None) -> Json:
    ours: list[Resource] = []
    with suppress(OffloadError):  # the permissions say why
        ours = [each for each in cloud.resources() if each.owner == machine.owner()]
    found = iam.asked(cloud.clients("ec2"), offer, ours)
    answers = get_args(iam.Answer)
    return {each: [action for action in found if found[action] == each] for each in answers}


def _wrong(error: OffloadError) -> OffloadError:
    return OffloadError(str(error), hint=error.hint)
