"""What the fault tests share: an installation in a temporary folder, its
daemon, clients that record what they were given, and TAP lines.

Nothing here sleeps to wait for something: every wait polls a condition up to a
bound, and passing the bound is a failure of the test that waits."""
import atexit
import base64
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BREVET_BUILD", "build")).resolve()
BIN = {name: str(BUILD / "prog" / name / name)
       for name in ("brevet", "brevetd", "brevet-agent")}
SANITIZED = "asan" in BUILD.name
failures = 0


def ok(condition, text, evidence=""):
    """One test: a TAP line; remembers failures for the exit status."""
    global failures
    if not condition:
        failures += 1
    note = f" ({evidence})" if evidence else ""
    print(f"{'ok' if condition else 'not ok'} - {text}{note}", flush=True)
    return bool(condition)


def finish():
    if SANITIZED:
        no_complaints()
    sys.exit(1 if failures else 0)


def no_complaints():
    """A role that a sanitizer ended was started again, and the test went on."""
    pattern = re.compile("AddressSanitizer|LeakSanitizer|runtime error:")
    said = [line for log in {b.log for b in Brevet.all} if log.exists()
            for line in log.read_text(errors="replace").splitlines() if pattern.search(line)]
    ok(not said, "nothing leaked or stepped outside its memory", said[0][:160] if said else "")


def until(condition, seconds=10.0, pause=0.01):
    """Poll until condition() is true; its value, or None after the bound."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            return None
        time.sleep(pause)


def free_port(other=None):
    """Below the range clients take their own ports from, and not the other."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != other:
            return port


def run(*command, **more):
    more.setdefault("capture_output", True)
    more.setdefault("text", True)
    more.setdefault("timeout", 120)
    return subprocess.run(list(map(str, command)), **more)


def new_csr(folder, name, key=None):
    """A P-256 key file (made unless given) and the DER CSR for CN=name."""
    make = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout"] if key is None else ["-key"]
    key = pathlib.Path(key or pathlib.Path(folder) / f"{name}.key")
    made = subprocess.run(
        ["openssl", "req", "-new", *make, str(key), "-subj", f"/CN={name}",
         "-outform", "DER"], capture_output=True, check=True)
    return key, made.stdout


class Brevet:
    """One installation and, after start(), its daemon."""
    all = []  # of this test

    def __init__(self, config="", root=None, serial_prefix="", own_users=False):
        self.root = pathlib.Path(root or tempfile.mkdtemp(prefix="brevet-fault."))
        self.dir = self.root / "ca"
        self.https = free_port()
        self.http = free_port(self.https)
        self.daemon = None
        self.plain_context = None
        self.log = self.root / "brevetd.log"
        secret = self.root / "pass"
        secret.write_text("a passphrase for tests\n")
        secret.chmod(0o600)
        made = run(BIN["brevet"], "init", "--dir", self.dir, "--name", "Fault",
                   "--host", "localhost", "--host", "127.0.0.1",
                   "--https", f"127.0.0.1:{self.https}",
                   "--http", f"127.0.0.1:{self.http}",
                   "--passphrase-file", secret,
                   # users.py is about the roles' own
                   *(["--user", "root"] if os.geteuid() == 0 and not own_users else []))
        if made.returncode != 0:
            print(made.stdout, made.stderr)
            raise SystemExit("brevet init failed")
        with open(self.dir / "brevet.conf", "a") as conf:
            conf.write(config)
        atexit.register(self.cleanup)
        Brevet.all.append(self)

    def cleanup(self):
        self.stop(signal.SIGKILL)
        if failures == 0:
            shutil.rmtree(self.root, ignore_errors=True)
        else:
            print(f"# logs kept in {self.root}")

    # --- the daemon ---

    def start(self, before=(), env=None, wait=True, binary=BIN["brevetd"]):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [*map(str, before), str(binary), "--dir", str(self.dir)],
                stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **(env or {})})
        if wait and not self.wait_ready():
            print(self.log.read_text(errors="replace")[-3000:])
            raise SystemExit("not ok - the daemon did not become ready")

    def wait_ready(self, seconds=20):
        return until(lambda: self.daemon.poll() is not None or self.ready(),
                     seconds) and self.daemon.poll() is None

    def ready(self):
        try:
            return self.https_request("GET", "/.well-known/est/cacerts")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, how=signal.SIGTERM):
        if self.daemon is None:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(how)
        try:
            status = self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.daemon.pid, signal.SIGKILL)
            status = self.daemon.wait()
        self.daemon = None
        return status

    def roles(self):
        """{role: [pid]} of the running processes."""
        found = {"parent": [self.daemon.pid]}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                argv = (entry / "cmdline").read_bytes().decode().split("\0")
            except (OSError, IndexError):
                continue
            if int(stat[1]) != self.daemon.pid or stat[0] == "Z":
                continue
            match = re.search(r"role[= :]+(\w+)", " ".join(argv))
            if match:
                found.setdefault(match[1], []).append(int(entry.name))
        return found

    def pids(self):
        return [pid for pids in self.roles().values() for pid in pids]

    def rss_kb(self):
        total = 0
        for pid in self.pids():
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", text)[1])
        return total

    # --- brevet(1) ---

    def cli(self, *args):
        return run(BIN["brevet"], "--dir", self.dir, *args)

    def cli_json(self, *args):
        done = self.cli(*args, "--json")
        if done.returncode != 0:
            raise RuntimeError(f"brevet {' '.join(map(str, args))}: {done.stderr}")
        return json.loads(done.stdout)

    def token(self, *args):
        made = self.cli_json("token", "create", *args)
        return made["secret"]

    def verify_audit(self):
        done = self.cli("audit", "verify")
        return done.returncode == 0, (done.stdout + done.stderr).strip()[-200:]

    # --- a client ---

    def context(self, cert=None, key=None):
        if not cert and self.plain_context:
            return self.plain_context
        context = ssl.create_default_context(cafile=str(self.dir / "ca/root.crt"))
        if cert:
            context.load_cert_chain(str(cert), str(key))
        else:
            self.plain_context = context
        return context

    def https_request(self, method, path, body=None, headers=None, cert=None,
                      key=None, timeout=10):
        link = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=timeout,
                                           context=self.context(cert, key))
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            link.close()

    def http_get(self, path, timeout=10):
        """From the listener without TLS."""
        link = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            link.close()

    def enroll(self, csr, secret=None, cert=None, key=None, op="simpleenroll",
               timeout=10):
        headers = {"Content-Type": "application/pkcs10"}
        if secret:
            pair = base64.b64encode(f":{secret}".encode()).decode()
            headers["Authorization"] = "Basic " + pair
        return self.https_request("POST", f"/.well-known/est/{op}",
                                  base64.b64encode(csr), headers, cert, key, timeout)


def der_step(data, at):
    """(tag, where the contents begin, where they end) of the TLV at `at`."""
    length, begin = data[at + 1], at + 2
    if length >= 0x80:
        octets = length & 0x7F
        length = int.from_bytes(data[begin:begin + octets], "big")
        begin += octets
    return data[at], begin, begin + length


def der_find(data, at, end, tag):
    """Where the first TLV with this tag begins, of those from `at` to `end`."""
    while at < end:
        found, _, after = der_step(data, at)
        if found == tag:
            return at
        at = after
    raise ValueError(f"no tag {tag:#x}")


def cert_of(body, path=None):
    """The certificate in a certs-only answer (RFC 5272 2.2): (PEM, serial in
    hex). Read here and not by a program, for thousands are looked at."""
    data = base64.b64decode(body)
    _, begin, end = der_step(data, 0)                 # ContentInfo
    wrapped = der_find(data, begin, end, 0xA0)
    _, begin, end = der_step(data, der_step(data, wrapped)[1])  # SignedData
    certs = der_find(data, begin, end, 0xA0)
    cert = der_step(data, certs)[1]
    _, tbs, after = der_step(data, cert)
    _, begin, end = der_step(data, tbs)               # TBSCertificate
    _, first, last = der_step(data, der_find(data, begin, end, 0x02))
    pem = ssl.DER_cert_to_PEM_cert(data[cert:after]).encode()
    if path:
        pathlib.Path(path).write_bytes(pem)
    return pem, data[first:last].lstrip(b"\0").hex()


def digest(data):
    return hashlib.sha256(data).hexdigest()
