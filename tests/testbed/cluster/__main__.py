"""A cluster to keep, for a person or for many runs of the tests; the test bed has to be up.

eval "$(sudo -E python -m tests.testbed.cluster up)"       # sets KUBECONFIG
sudo -E python -m tests.testbed.cluster down
"""

import sys

from tests.testbed import cluster

match sys.argv[1:]:
    case ["up"]:
        with cluster.up(keep=True) as one:
            print(f"export KUBECONFIG={one.kubeconfig}")
    case ["down"]:
        cluster.down()
    case _:
        sys.exit(__doc__)
