"""The settings that are defaults of options: what they may be, of which commands, and whose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offload.drivers.setting_kinds import Amount


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
