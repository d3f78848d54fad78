"""The address that the world sees this computer at."""

import ipaddress

from offload.domain.errors import PlaceUnavailable
from offload.drivers.http import web
from offload.drivers.settings import Settings

_CHECK_S = 5.0


def cidr(configured: Settings) -> str:
    """The address that the world sees this computer at, as a CIDR.

    Raises:
        PlaceUnavailable: nobody says.
    """
    try:
        said = web.text(configured.checkip, _CHECK_S).strip()
        return f"{ipaddress.IPv4Address(said)}/32"
    except (web.Unreachable, ValueError) as error:
        raise PlaceUnavailable(
            f"{web.without_secrets(configured.checkip)} does not say which address this computer "
            "is seen at.",
            hint="To say it yourself: --allow-cidr ADDRESS/32",
        ) from error
