"""`python -m tiltyard_workers.runner GRAPH name=value ...`: exit code 0 when every step has ended well, else 1."""

import sys

from tiltyard_workers.runner.main import main
from tiltyard_workers.runner.threads import leave

if __name__ == "__main__":
    leave(main(sys.argv[1:]))
