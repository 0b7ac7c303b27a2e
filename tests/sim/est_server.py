#!/usr/bin/env python3
"""A small EST server that is not ours, for the agent's test: TLS by Python,
certificates by openssl(1). Works in the current directory, where agent_test.sh
put the CA; writes its port to "port". The claim code is "secret". What a file
"mood" holds is how it answers enrolments: see Handler.moody."""
import base64
import http.server
import os
import ssl
import subprocess


def basic(user, code):
    return "Basic " + base64.b64encode(f"{user}:{code}".encode()).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/pkcs7-mime")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def certs(self, path):
        der = subprocess.run(
            ["openssl", "crl2pkcs7", "-nocrl", "-certfile", path, "-outform",
             "DER"], capture_output=True, check=True).stdout
        self.answer(200, base64.b64encode(der) + b"\n")

    def raw(self, *lines, body=b""):
        self.close_connection = True
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body)

    def moody(self, mood):
        """Answers as the mood says: a status line and fields, or one of these."""
        body, length = b"", "0"
        try:
            if mood == "drop":
                self.close_connection = True
            elif mood == "huge":
                self.raw("HTTP/1.1 200 OK", "Content-Type: application/pkcs7-mime",
                         "Content-Length: 10485760", body=b"M" * 100000)
            elif mood == "endless":
                self.raw("HTTP/1.1 200 OK", "Content-Type: application/pkcs7-mime")
                while True:
                    self.wfile.write(b"M" * 65536)
            elif mood == "long head":
                self.raw("HTTP/1.1 200 OK", "X: " + "x" * 100000)
            elif mood == "not http":
                self.raw("220 mail.example ESMTP")
            elif mood == "noise":
                self.answer(200, b"@" * 2000)
            elif mood == "wrong key":
                self.certs("server.crt")
            else:
                if mood.startswith("200"):
                    body = b"<html>Welcome to our hotel</html>"
                    length = str(len(body))
                self.raw("HTTP/1.1 " + mood.split("|")[0], *mood.split("|")[1:],
                         f"Content-Length: {length}", body=body)
        except OSError:
            pass

    def sign(self, mood):
        ca = "other" if mood == "wrong chain" else "issuing"
        return subprocess.run(
            ["openssl", "x509", "-req", "-inform", "DER", "-in", "last.csr",
             "-CA", ca + ".crt", "-CAkey", ca + ".key",
             "-days", "0" if mood == "expired" else "1",
             "-extfile", "ca.cnf", "-extensions", "device",
             *(["-subj", "/CN=other"] if mood == "wrong name" else []),
             "-copy_extensions", "copy", "-out", "last.crt"],
            capture_output=True)

    def do_GET(self):
        if self.path == "/.well-known/est/cacerts":
            return self.certs("cas.pem")
        return self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/simplereenroll"):
            allowed = self.connection.getpeercert() is not None
        else:
            allowed = self.headers.get("Authorization") == basic("dev1",
                                                                 "secret")
        if not allowed:
            return self.answer(401)
        with open("last.csr", "wb") as out:
            out.write(base64.b64decode(body))
        mood = ""
        if os.path.exists("mood"):
            with open("mood") as file:
                mood = file.read().strip()
        if mood not in ("", "wrong chain", "wrong name", "expired"):
            return self.moody(mood)
        made = self.sign(mood)
        return self.certs("last.crt") if made.returncode == 0 \
            else self.answer(400)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
context.load_verify_locations("root.crt")
context.verify_mode = ssl.CERT_OPTIONAL
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True,
                                    do_handshake_on_connect=False)
with open("port.new", "w") as port:
    port.write(str(server.server_address[1]))
subprocess.run(["mv", "port.new", "port"], check=True)
server.serve_forever()
