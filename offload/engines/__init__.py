"""WHO hands out the shards of a batch. An engine is one module and one line here, or an entry point
of another package.

The module declares `TRAITS` (`engines.ports.EngineTraits`) and `make(config)`, which gives an
`engines.ports.Engine`. No engine imports another.
"""

from typing import TYPE_CHECKING, Any

from offload.domain.errors import UsageError, meant
from offload.drivers.host.plugins import Registry

if TYPE_CHECKING:
    from offload.engines.ports import Engine, EngineConfig, EngineTraits

OWN = {
    "local": "offload.engines.local",
    "dask": "offload.engines.dask",
    "ray": "offload.engines.ray",
    "aws-batch": "offload.engines.aws_batch",
}
"""The name `--engine` takes -> its module."""

ENGINES = Registry("engine", "offload.engines", OWN)


def names() -> list[str]:
    """What `--engine` takes."""
    return ENGINES.names()


def traits(name: str) -> "EngineTraits":
    """What the engine of that name is.

    Raises:
        UsageError: there is none.
    """
    found: EngineTraits = _module(name).TRAITS
    return found


def make(name: str, config: "EngineConfig") -> "Engine":
    """The engine that `--engine` calls `name`.

    Raises:
        UsageError: there is no such engine, or the configuration cannot be meant.
    """
    made: Engine = _module(name).make(config)
    return made


def _module(name: str) -> Any:
    if name not in ENGINES:
        wrong = f"There is no engine {name!r}.{meant(name, names())}"
        raise UsageError(wrong, hint=f"Available: {', '.join(names())}.")
    return ENGINES.module(name)
