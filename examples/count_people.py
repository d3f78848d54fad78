"""How many people are in these pictures? The library in ten lines.

python examples/count_people.py FOLDER
"""

import sys

import offload

people = 0
for row in offload.detect(sys.argv[1], model="builtin", classes="person"):
    if row.error:
        print(f"{row.path}: {row.error}", file=sys.stderr)
    people += len(row.detections)
print(f"{people} people")
