"""Prints the model that it was given."""

import sys
from pathlib import Path

print("given", Path(sys.argv[1]).read_text())
