"""What could leave this machine, listed and not sent."""

import json
from collections.abc import Sequence

from offload.domain.events import Reporter
from offload.domain.units import show_bytes
from offload.drivers.images.image_files import ImageList, printable
from offload.render import tables
from offload.render.detections import write
from offload.render.words import count


def show(
    found: ImageList, leaving: Sequence[str], total_bytes: int, reporter: Reporter, *, as_json: bool
) -> None:
    """Their paths on standard output, a line each; how many that are of all, as a note."""
    paths = map(printable, leaving)
    if as_json:
        write("".join(json.dumps({"path": path}) + "\n" for path in paths))
    else:
        tables.print_lines(paths)
    stay = len(found.paths) - len(leaving)
    reporter.note(
        f"{count(len(leaving), 'image')} ({show_bytes(total_bytes)}) could leave this machine, "
        f"{stay} would not; nothing was sent"
    )
