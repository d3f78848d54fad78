"""What AWS Lambda runs: `python -m awslambdaric offload.cli.function.handler`."""

import os
from typing import Any

PLACE = "lambda"


def __getattr__(name: str) -> Any:
    """`handler` is made when it is asked for, which is once: with the model loaded and warm."""
    if name != "handler":
        raise AttributeError(name)
    from offload import bootstrap
    from offload.usecases.function import opened

    memory_mb = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)
    table = os.environ.get("OFFLOAD_TABLE", "")
    return opened(bootstrap.context(offline=True), memory_mb, table, PLACE)
