import argparse
import json
import os
import signal
import sys
from pathlib import Path

import tiltyard

parser = argparse.ArgumentParser()
parser.add_argument("--n", type=int)
parser.add_argument("--fail")
parser.add_argument("--note")
parser.add_argument("--loud")
parser.add_argument("--names", nargs="*")
args = parser.parse_args()
for number in range(args.n):
    print("line", number)
    tiltyard.progress(number + 1, args.n, "counting")
print("to stderr", file=sys.stderr)
tiltyard.metric("accuracy", 0.75, step=1)
tiltyard.metric("loss", float("nan"), step=1)
Path("outputs/deep").mkdir(parents=True)
Path("outputs/arguments.json").write_text(json.dumps(vars(args)))
Path("outputs/environment.json").write_text(json.dumps(dict(os.environ)))
Path("outputs/deep/naïve name.txt").write_text("deep\n")
Path("aside.txt").write_text("by hand\n")
tiltyard.artifact("aside.txt")
if args.fail == "exit":
    sys.exit(7)
if args.fail == "signal":
    os.kill(os.getpid(), signal.SIGSEGV)
