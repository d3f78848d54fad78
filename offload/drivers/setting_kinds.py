"""What the value of a setting may be, as text too, and which settings are defaults of options."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import UsageError
from offload.domain.typed import read

Amount = int | float | str
"""Typed with a unit, as the option is, or a number of its unit."""
_MOST = 1024
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SWITCH = dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)
NAMES: Mapping[Any, str] = {
    str: "text",
    str | None: "text",
    bool: "true or false",
    int: "a whole number",
    int | None: f"a whole number from 1 to {_MOST}",
    float: "a number",
    Amount: "a number, or text with a unit",
    list[str]: "a list of texts",
}
"""What a type is called."""


def checked(value: Any, kind: Any, name: str) -> Any:
    """`value`, which the setting `name` has.

    Raises:
        UsageError: it is of another kind.
    """
    with suppress(ValueError):
        read(kind, value)
        in_range = kind != int | None or 1 <= value <= _MOST
        if in_range and "" not in (value if isinstance(value, list) else [value]):
            return value
    raise UsageError(f"{name} must be {NAMES[kind]}, not {value!r}.")


def parsed(text: str, kind: Any) -> Any:
    """`text` as a file would have it; what cannot be of its kind stays text."""
    if kind == list[str]:
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind is bool:
        return _SWITCH.get(text.lower(), text)
    if kind is float:
        with suppress(ValueError):
            return float(text)
    return int(text) if kind in {int, int | None} and text.isdecimal() else text


def as_text(value: Any) -> str:
    """As `parsed` takes it."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class OptionSetting:
    """`kind` is its type; the option that is called like it says the range. The file of a folder
    may set it, `of_folder`, if it leads to no code and no address, costs nothing and lets nobody
    in.
    """

    kind: Any
    commands: tuple[str, ...]
    of_folder: bool = True


_DETECT, _PROFILE, _STUDY, _SERVE = "detect", "profile run", "experiment", "serve"
_RENT, _ADVISE, _DOCTOR = "provision ec2", "advise", "doctor"

_BY_COMMANDS: Mapping[tuple[str, ...], Mapping[str, Any]] = {
    (_DETECT,): {
        "where": str, "with": list[str], "min_score": float, "class": list[str],
        "max_detections": int, "iou": float, "max_failures": str, "format": str,
        "max_retries": int, "fallback": str, "replicas": int,
    },
    (_DETECT, _PROFILE): {
        "concurrency": int, "timeout": float, "upload_max_side": int, "upload_quality": int,
        "strip_metadata": bool, "cpus": float,
    },
    (_DETECT, _PROFILE, _STUDY): {"memory": str},
    (_DETECT, _PROFILE, _SERVE): {"max_pixels": int},
    (_SERVE,): {
        "queue": int, "max_bytes": int, "max_requests_per_connection": int, "access_log": bool,
        "log_format": str,
    },
    (_RENT, _ADVISE, _DOCTOR): {"region": str},
    (_RENT, _DOCTOR): {"subnet": str},
    (_RENT,): {"zone": str, "tag": list[str]},
    (_ADVISE,): {"optimize": str, "risk": str, "value_of_time": Amount},
}  # fmt: skip
_YOURS: Mapping[tuple[str, ...], Mapping[str, Any]] = {
    (_SERVE,): {"host": str},
    (_DETECT, _PROFILE): {"container_image": str},
    (_RENT,): {
        "instance_type": str,
        "max_hourly": Amount,
        "idle": Amount,
        "max_lifetime": Amount,
        "spot": bool,
        "disk_gb": int,
        "ami": str,
        "login": str,
        "allow_cidr": list[str],
    },
}

OPTIONS: Mapping[str, OptionSetting] = {
    key: OptionSetting(kind, commands, of_folder)
    for groups, of_folder in ((_BY_COMMANDS, True), (_YOURS, False))
    for commands, kinds in groups.items()
    for key, kind in kinds.items()
}
