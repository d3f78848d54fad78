"""Write figures of a study's report to files: STUDY makespan=docs/images/places.svg."""

import sys
from pathlib import Path

from offload.render.report import build
from offload.render.report.document import Figure
from offload.usecases.experiment.study import recorded

folder, *wanted = sys.argv[1:]
targets = dict(each.split("=", 1) for each in wanted)
for block in build.document(recorded(folder)).blocks():
    if isinstance(block, Figure) and block.name in targets:
        Path(targets[block.name]).write_text(block.svg + "\n", encoding="utf-8")
