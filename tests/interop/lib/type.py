#!/usr/bin/env python3
"""Type at a program's terminal: each answer when its question has been asked.

    type.py QUESTION ANSWER [QUESTION ANSWER ...] -- PROGRAM ARGUMENTS...
"""
import os
import pty
import sys

where = sys.argv.index("--")
talk = list(zip(sys.argv[1:where:2], sys.argv[2:where:2]))
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[where + 1], sys.argv[where + 1:])
seen = b""
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:  # nobody has it open any more
        break
    if not read:
        break
    sys.stdout.buffer.write(read)
    seen += read
    if talk and talk[0][0].encode() in seen:
        os.write(terminal, talk.pop(0)[1].encode() + b"\n")
        seen = b""
sys.stdout.flush()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
