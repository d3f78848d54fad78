"""How an HTTP server comes to exist. A provider is one module and one line here, or an entry point
of another package; either way it is a place of that name.

The module declares `TRAITS` (`domain.places.PlaceTraits`) and `open(config, model)`: a context
manager that yields the `Endpoints` that answer, and takes them down again.
What cannot be meant may be refused beforehand by `check(config)`. No provider imports another.
"""

from offload.drivers.host.plugins import Registry

PROVIDERS = Registry(
    "place",
    "offload.providers",
    {
        "container": "offload.providers.docker",
        "remote": "offload.providers.url",
        "kubernetes": "offload.providers.kubernetes",
    },
)
"""The name `--where` takes -> its provider. A rented machine (`providers.ec2`) is an endpoint of
`remote` that is up before the place is opened.
"""
