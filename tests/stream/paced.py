"""The gateway as a process, with other clocks in its stream than the usual ones: `python -m tests.stream.paced PORT PACE`."""

import json
import sys

from tiltyard_api.parts import Pace
from tiltyard_api.serving.serve import serve
from tiltyard_orchestrator.settings import Settings

if __name__ == "__main__":
    settings = Settings(port=int(sys.argv[1]))  # the rest comes from the environment
    sys.exit(serve(settings, Pace(**json.loads(sys.argv[2]))))
