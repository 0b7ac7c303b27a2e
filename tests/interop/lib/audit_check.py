"""A second reader of the audit log, written from docs/internals/audit-log.md
and nothing else: audit_check.py EXPORT-FOLDER VKEY-FILE. Exit 0: all holds."""
import base64
import hashlib
import pathlib
import struct
import subprocess
import sys
import tempfile


def sha(octets):
    return hashlib.sha256(octets).digest()


def root_of(leaves):
    """RFC 9162 2.1.1"""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:]))


def tile_name(n, width):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return "/".join(groups) + (f".p/{width}" if width < 256 else "")


def entries(folder, size):
    for n in range((size + 255) // 256):
        data = (folder / "tile/entries" / tile_name(n, min(256, size - 256 * n))).read_bytes()
        while data:
            (length,) = struct.unpack(">H", data[:2])
            yield data[2:2 + length]
            data = data[2 + length:]


def check_entry(entry, index, last_ms):
    version, number, time_ms, flags, action = struct.unpack(">BQQBH", entry[:20])
    assert version == 1 and number == index and time_ms >= last_ms and flags <= 1 and action > 0
    assert all(octet >= 1 for octet in entry[20:24])
    rest = entry[24:]
    for _ in range(7):
        rest = rest[1 + rest[0]:]
    (length,) = struct.unpack(">H", rest[:2])
    assert length <= 1024 and len(rest) == 2 + length
    return time_ms


def check_signature(note, vkey):
    name, key_id, key = vkey.split("+", 2)
    raw = base64.b64decode(key)
    assert raw[0] == 1 and sha(name.encode() + b"\n" + raw)[:4].hex() == key_id
    text, line = note.split("\n\n", 1)
    mark, signer, blob = line.strip().split(" ")
    blob = base64.b64decode(blob)
    assert mark == "—" and signer == name and blob[:4].hex() == key_id and len(blob) == 68
    with tempfile.TemporaryDirectory() as work:
        at = pathlib.Path(work)
        (at / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + raw[1:])
        (at / "text").write_bytes((text + "\n").encode())
        (at / "sig").write_bytes(blob[4:])
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", at / "key",
                        "-rawin", "-in", at / "text", "-sigfile", at / "sig"],
                       check=True, stdout=subprocess.DEVNULL)


def main():
    folder, vkey = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text().strip()
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    _, size, root = note.split("\n")[:3]
    leaves, last_ms = [], 0
    for entry in entries(folder, int(size)):
        last_ms = check_entry(entry, len(leaves), last_ms)
        leaves.append(sha(b"\0" + entry))
    assert len(leaves) == int(size), "entries are missing"
    assert root_of(leaves) == base64.b64decode(root), "the root differs"
    check_signature(note, vkey)
    print(f"{size} entries under a good checkpoint")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, struct.error, subprocess.CalledProcessError) as fault:
        sys.exit(f"the log does not verify: {fault}")
