import os
import subprocess
import sys
import time

# A grandchild in a session of its own: what a kill of the process group would miss.
subprocess.Popen(["sleep", "987654"], start_new_session=True)
print("asleep", flush=True)
if os.environ["TILTYARD_EPOCH"] == "1":  # who was lost or handed back need not sleep again
    time.sleep(float(sys.argv[1]))
print("awake", flush=True)
