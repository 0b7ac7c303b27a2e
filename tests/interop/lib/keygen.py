"""Takes the answer of serverkeygen apart, with Python's own MIME reader.

    keygen.py CONTENT-TYPE BODY FOLDER    writes FOLDER/key.TYPE and cert.p7,
                                          both DER; prints the two types
    keygen.py inside SIGNED PACKAGE       gives SignedData its ContentInfo
    keygen.py first PACKAGE KEY           the first of an AsymmetricKeyPackage
"""
import email
import pathlib
import sys


def header(der, at=0):
    """Length of tag and length, length of content."""
    first = der[at + 1]
    if first < 0x80:
        return 2, first
    count = first & 0x7F
    return 2 + count, int.from_bytes(der[at + 2:at + 2 + count], "big")


def wrap(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def split(content_type, body, folder):
    raw = pathlib.Path(body).read_bytes()
    assert b"\n" not in raw.replace(b"\r\n", b""), "a line without CR"
    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    key, cert = message.get_payload()
    assert not message.defects and not key.defects and not cert.defects
    for part, name in ((key, "key.der"), (cert, "cert.p7")):
        assert part["Content-Transfer-Encoding"] == "base64"
        pathlib.Path(folder, name).write_bytes(part.get_payload(decode=True))
    print(key["Content-Type"], "|", cert["Content-Type"])


if sys.argv[1] == "inside":
    signed = pathlib.Path(sys.argv[2]).read_bytes()
    oid = bytes.fromhex("06092a864886f70d010702")
    pathlib.Path(sys.argv[3]).write_bytes(
        wrap(0x30, oid + wrap(0xA0, signed)))
elif sys.argv[1] == "first":
    package = pathlib.Path(sys.argv[2]).read_bytes()
    assert package[0] == 0x30
    skip, _ = header(package)
    size = sum(header(package, skip))
    assert skip + size == len(package), "more than one key"
    pathlib.Path(sys.argv[3]).write_bytes(package[skip:])
else:
    split(*sys.argv[1:])
