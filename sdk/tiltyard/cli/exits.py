"""What the command line exits with.

A command that waits for a job (`wait`, `submit --wait`, `submit --follow`) tells how the job ended;
since 1 then means a failed job, a refusal there is 2. A socket that closed is never an end, so never a 0.
"""

OK = 0
REFUSED = 1
"""The gateway said no, or what was asked for is not there."""
FAILED = 1
USAGE = 2
CANCELLED = 3
TIMED_OUT = 4
LOST = 5
UNREACHABLE = 6
INTERRUPTED = 130
BROKEN_PIPE = 141
