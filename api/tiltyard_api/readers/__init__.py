"""Where uploads are read: in a process of their own, so that what an upload does to its reader it does to nobody else.

The gateway's side is `ReaderPool`; the other, `reader`, is a program that imports what reads and nothing of the gateway's.
"""
