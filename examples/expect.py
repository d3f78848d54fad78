"""What the embedded detector finds in the example pictures, as JSON for `images/expected.json`.

    python examples/expect.py > examples/images/expected.json

Look at the annotated pictures before you accept a change:
`offload detect examples/images --model builtin --annotate --out results`.
"""

import json
from pathlib import Path

import offload

found = {
    row.path: row.to_dict()["detections"]
    for row in offload.detect(str(Path(__file__).parent / "images"), model="builtin")
}
print(json.dumps(dict(sorted(found.items())), indent=1))
