"""`tiltyard run`: an entry point on this machine, as a job would run it, without a testbed: for development.

The same reading, the same checks and the same events as a job's; the entry point runs where it lies, behind no fence and with
the rights of whoever calls, so that a debugger and a stack trace lead to the files that are being written.
"""
