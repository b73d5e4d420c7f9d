import os
import sys

out = sys.stdout.fileno()
os.write(out, b"before\n")
os.write(out, b"\xff\xfe not UTF-8 \x00 and NUL\n")
for _ in range(100):
    sys.stdout.buffer.write(b"x" * 1_000_000)
sys.stdout.buffer.write(b"\nafter, without a newline")
sys.stdout.flush()
