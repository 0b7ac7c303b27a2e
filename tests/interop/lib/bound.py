"""One EST enrolment whose CSR carries the channel binding of its connection.

    bound.py PORT ROOT FOLDER VERSION NAME CODE REPLAYED

VERSION is 1.2 (tls-unique). REPLAYED yes: the binding of an earlier connection
is used. Prints the HTTP status."""
import base64
import http.client
import pathlib
import ssl
import subprocess
import sys

port, root, folder, version, name, code, replayed = sys.argv[1:]
assert version == "1.2"


def connect():
    context = ssl.create_default_context(cafile=root)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection("localhost", int(port),
                                             context=context, timeout=20)
    connection.connect()
    return connection, connection.sock.get_channel_binding("tls-unique")


def csr(binding):
    config = pathlib.Path(folder) / f"{name}.cnf"
    config.write_text(
        "[req]\nprompt=no\ndistinguished_name=dn\nattributes=at\n"
        f"[dn]\nCN={name}\n"
        f"[at]\nchallengePassword={base64.b64encode(binding).decode()}\n")
    return subprocess.run(
        ["openssl", "req", "-new", "-config", str(config), "-outform", "DER",
         "-key", str(pathlib.Path(folder) / f"{name}.key")],
        check=True, capture_output=True).stdout


other, stale = connect()
connection, binding = connect()
body = base64.b64encode(csr(stale if replayed == "yes" else binding))
basic = base64.b64encode(f"{name}:{code}".encode()).decode()
connection.request("POST", "/.well-known/est/tight/simpleenroll", body,
                   {"Content-Type": "application/pkcs10",
                    "Authorization": f"Basic {basic}"})
print(connection.getresponse().status)
