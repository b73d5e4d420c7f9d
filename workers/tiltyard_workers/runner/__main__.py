"""`python -m tiltyard_workers.runner GRAPH name=value ...`: exit code 0 when every step has ended well, else 1."""

import sys

from tiltyard_workers.runner.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
