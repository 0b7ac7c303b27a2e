"""Octets as they are over one TLS connection, and the statuses that come back.

    raw.py PORT ROOT NUM < octets

Reads NUM answers with their bodies (those to HEAD have none: the request line
is looked at) or up to the end of the stream; prints the statuses, then "closed"
if the server closed behind the last."""
import re
import socket
import ssl
import sys

port, root, num = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
octets = sys.stdin.buffer.read()
heads = octets.startswith(b"HEAD ")
context = ssl.create_default_context(cafile=root)
words = []
with socket.create_connection(("localhost", port), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(octets)
        stream = tls.makefile("rb")
        while len(words) < num:
            line = stream.readline()
            if not line:
                break
            words.append(line.split()[1].decode())
            length = 0
            while (line := stream.readline()).strip():
                if match := re.match(rb"content-length: *(\d+)", line, re.I):
                    length = int(match[1])
            if not heads and words[-1] not in ("100", "304"):
                assert len(stream.read(length)) == length
        tls.settimeout(0.2)
        try:
            if tls.recv(1) == b"":
                words.append("closed")
        except TimeoutError:
            pass
print(*words)
