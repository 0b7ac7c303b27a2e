"""What happens to the processes: reload under load, drain, a role that stops
answering, one that talks nonsense, and all that must keep a start from
happening. hang.py is about a role that never goes on."""
import base64
import ctypes
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request

from harness import BIN, SANITIZED, Brevet, cert_of, finish, new_csr, ok, run, until

SLOW = 5 if SANITIZED else 1
# a role that dies again and again is started after 30 s at the latest
BACKOFF = 45
LIMITS = 'limits {\n  reply = "3s"\n}\n'


def text_of(brevet, mark=0):
    return brevet.log.read_text(errors="replace")[mark:]


def lifetime_days(body):
    pem, _ = cert_of(body)
    shown = subprocess.run(["openssl", "x509", "-noout", "-startdate", "-enddate", "-dateopt", "iso_8601"],
                           input=pem, capture_output=True, check=True).stdout.decode()
    begin, end = [time.mktime(time.strptime(line.split("=")[1], "%Y-%m-%d %H:%M:%SZ"))
                  for line in shown.splitlines()]
    return round((end - begin) / 86400)


# --- reload ---

class Kept(threading.Thread):
    """A client that enrols again and again over one connection."""

    def __init__(self, brevet, secret, csrs):
        super().__init__()
        self.brevet, self.secret, self.csrs = brevet, secret, csrs
        self.over = threading.Event()
        self.done, self.bad, self.bodies = 0, [], []
        self.opened = 0

    def run(self):
        link = http.client.HTTPSConnection("127.0.0.1", self.brevet.https, timeout=20,
                                           context=self.brevet.context())
        pair = base64.b64encode(f":{self.secret}".encode()).decode()
        fields = {"Content-Type": "application/pkcs10", "Authorization": "Basic " + pair}
        link.connect()
        sock = link.sock
        while not self.over.is_set():
            csr = self.csrs[self.done % len(self.csrs)]
            try:
                link.request("POST", "/.well-known/est/simpleenroll", base64.b64encode(csr), fields)
                answer = link.getresponse()
                self.bodies.append(answer.read())
            except OSError as e:
                self.bad.append(repr(e))
                return
            except http.client.HTTPException as e:
                self.bad.append(repr(e))
                return
            self.done += 1
            if answer.status != 200:
                self.bad.append(f"{answer.status} {self.bodies[-1][:60]}")
            if link.sock is not sock:
                self.bad.append("the connection was closed")
                return
        link.close()


def reload(brevet, config, expected="parent info reloaded"):
    mark = brevet.log.stat().st_size
    (brevet.dir / "brevet.conf").write_text(config)
    brevet.daemon.send_signal(signal.SIGHUP)
    return until(lambda: expected in text_of(brevet, mark), 10), text_of(brevet, mark)


def reload_under_load(brevet, secret):
    base = (brevet.dir / "brevet.conf").read_text()
    clients = []
    for n in range(4):
        csrs = [new_csr(brevet.root, f"kept-{n}-{i}")[1] for i in range(10)]
        clients.append(Kept(brevet, secret, csrs))
    pids = brevet.roles()
    for c in clients:
        c.start()
    done = 0
    for n in range(20):
        config = base + f'profile "device" {{\n  lifetime = "{30 + n}d"\n  backdate = "0s"\n}}\n'
        done += bool(reload(brevet, config)[0])
    ok(done == 20, "twenty reloads under load", str(done))
    _, csr = new_csr(brevet.root, "new-lifetime")
    until(lambda: "core" in brevet.roles(), 1)
    status, _, body = brevet.enroll(csr, secret)
    ok(status == 200 and lifetime_days(body) == 49, "the changed profile is in force",
       f"{status} {lifetime_days(body) if status == 200 else body[:80]}")
    went, log = reload(brevet, base + 'profile "device" {\n  lifetime = "many"\n}\n', "not reloaded")
    line = base.count("\n") + 2
    ok(went and f"brevet.conf:{line}" in log, "an invalid configuration is refused, with its line",
       next((l for l in log.splitlines() if "not reloaded" in l), "")[-200:])
    _, csr = new_csr(brevet.root, "still-lifetime")
    status, _, body = brevet.enroll(csr, secret)
    ok(status == 200 and lifetime_days(body) == 49, "… and nothing has changed", str(status))
    for c in clients:
        c.over.set()
    for c in clients:
        c.join(30)
    bad = [b for c in clients for b in c.bad]
    ok(not bad, "no connection and no request was lost",
       f"{sum(c.done for c in clients)} requests on {len(clients)} connections, {bad[:3]}")
    ok(brevet.roles() == pids, "no process was started anew")
    reload(brevet, base)


# --- a role that does not answer ---

def ocsp(brevet, request):
    post = urllib.request.Request(f"http://127.0.0.1:{brevet.http}/ocsp", request,
                                  {"Content-Type": "application/ocsp-request"})
    try:
        with urllib.request.urlopen(post, timeout=10) as answer:
            return answer.read()[4:7] == b"\x0a\x01\x00"
    except OSError:
        return False


def stopped(brevet, secret, role):
    _, csr = new_csr(brevet.root, f"stopped-{role}")
    cert_of(brevet.enroll(csr, secret)[2], brevet.root / "s.crt")
    path = brevet.root / "s.req"
    run("openssl", "ocsp", "-issuer", brevet.dir / "ca/issuing.crt", "-cert", brevet.root / "s.crt",
        "-no_nonce", "-reqout", path)
    request = path.read_bytes()
    ok(until(lambda: ocsp(brevet, request), 5), f"before {role} stops: OCSP answers")
    pid = brevet.roles()[role][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        _, csr = new_csr(brevet.root, f"while-{role}")
        began = time.monotonic()
        status, fields, body = brevet.enroll(csr, secret, timeout=20)
        took = time.monotonic() - began
        ok(status == 503 and "Retry-After" in fields and took < 6,
           f"{role} stopped: an enrolment gets 503 within the deadline", f"{status} after {took:.1f} s")
        ok(ocsp(brevet, request), f"{role} stopped: OCSP answers that are kept go on")
        ok(brevet.ready(), f"{role} stopped: cacerts goes on")
    finally:
        os.kill(pid, signal.SIGCONT)
    ok(until(lambda: brevet.enroll(csr, secret)[0] == 200, 5), f"{role} goes on: so does enrolment")


# --- nonsense on channels ---

def steal_fd(pid, fd):
    """A duplicate of another process's descriptor (pidfd_getfd(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    got = libc.syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    return got


def unix_sockets(pid):
    inodes = {line.split()[6] for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]}
    found = []
    for entry in sorted(pathlib.Path(f"/proc/{pid}/fd").iterdir(), key=lambda e: int(e.name)):
        try:
            to = os.readlink(entry)
        except FileNotFoundError:
            continue
        if to.startswith("socket:[") and to[8:-1] in inodes:
            found.append(int(entry.name))
    return found


# what a frame says it is: src/proc/channel.h
VERSION = int(re.search(
    r"#define PROC_MSG_VERSION (\d+)",
    (pathlib.Path(__file__).parents[2] / "src/proc/channel.h").read_text())[1])
OVERSIZE = struct.pack(">IHHQ", 0xFFFFFFF0, 20, VERSION, 0)
MALFORMED = struct.pack(">IHHQ", 3, 20, VERSION, 0) + b"???"  # MSG_REQUEST, or not
UNEXPECTED = struct.pack(">IHHQ", 0, 30, VERSION, 0)  # MSG_SIGN, which a door may not send


def nonsense(brevet):
    """A door's own channels, used to send what a broken-in door would."""
    for what, octets in (("an oversize", OVERSIZE), ("an unexpected", UNEXPECTED),
                         ("a malformed", MALFORMED)):
        for which in range(2):  # the channels to core and to the signer
            until(lambda: all(brevet.roles().get(r) for r in ("core", "signer", "door"))
                  and brevet.ready(), BACKOFF)
            mark, before = brevet.log.stat().st_size, brevet.roles()
            door = before["door"][0]
            todo = [fd for fd in unix_sockets(door) if fd > 3]
            mine = steal_fd(door, todo[which % len(todo)])
            if mine < 0:
                ok(False, "a door's channel was taken over (needs CAP_SYS_PTRACE)")
                return
            os.write(mine, octets)
            os.close(mine)
            until(lambda: brevet.roles().get("door") not in (None, before["door"]), BACKOFF)
            after = brevet.roles()
            changed = {r for r in before if before[r] != after.get(r)}
            ok(changed == {"door"} and "a door broke the protocol" in text_of(brevet, mark),
               f"{what} message of a door ends that door only", f"{changed}")
    before = brevet.roles()
    mine = steal_fd(before["door"][0], 3)
    os.write(mine, OVERSIZE)
    os.close(mine)
    until(lambda: brevet.roles().get("door") not in (None, before["door"]), BACKOFF)
    after = brevet.roles()
    ok({r for r in before if before[r] != after.get(r)} == {"door"},
       "nonsense to the parent ends who sent it, and nobody else", str(after))
    until(brevet.ready, BACKOFF)


def control_garbage(brevet):
    path = str(brevet.dir / "run/control.sock")
    good = socket.socket(socket.AF_UNIX)
    good.connect(path)
    for what, octets in (("random", os.urandom(4096)), ("oversize", OVERSIZE),
                         ("no JSON", struct.pack(">IHHQ", 5, 50, VERSION, 1) + b"hello"),
                         ("an answer", struct.pack(">IHHQ", 2, 51, VERSION, 1) + b"{}")):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(path)
            s.sendall(octets)
            try:
                got = s.recv(4096)
                while what != "no JSON" and got:
                    got = s.recv(4096)
                ok(what != "no JSON" or b'"ok":false' in got, f"control socket, {what}: refused",
                   str(got[16:90]))
            except ConnectionError:
                ok(True, f"control socket, {what}: closed")
            except TimeoutError:
                ok(False, f"control socket, {what}: neither refused nor closed")
    request = b'{"verb":"status","args":{}}'
    good.settimeout(5)
    good.sendall(struct.pack(">IHHQ", len(request), 50, VERSION, 7) + request)
    ok(b'"ok":true' in good.recv(65536), "… and another connection is not touched")
    good.close()


def control_flood(brevet):
    """A reader who asks for thousands of long answers in one breath."""
    before = brevet.roles()
    question = b'{"verb":"audit.list","args":{"limit":1000}}'
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(brevet.dir / "run/control.sock"))
        try:
            s.sendall(b"".join(struct.pack(">IHHQ", len(question), 50, VERSION, i) + question
                               for i in range(4000)))
            while s.recv(65536):
                pass
            ended = True
        except ConnectionError:
            ended = True
        except TimeoutError:
            ended = False
    ok(ended, "thousands of questions in one breath: the connection is ended")
    ok(brevet.cli_json("status")["clock_ok"] is True, "… and others are answered")
    ok(brevet.roles() == before, "… and core lives on", f"{before} {brevet.roles()}")


# --- draining ---

def turned_away(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def drain(brevet, secret):
    _, csr = new_csr(brevet.root, "drained")
    body = base64.b64encode(csr)
    pair = base64.b64encode(f":{secret}".encode()).decode()
    link = brevet.context().wrap_socket(socket.create_connection(("127.0.0.1", brevet.https), 10),
                                        server_hostname="localhost")
    idle = brevet.context().wrap_socket(socket.create_connection(("127.0.0.1", brevet.https), 10),
                                        server_hostname="localhost")
    link.sendall(f"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\n"
                 f"Content-Type: application/pkcs10\r\nAuthorization: Basic {pair}\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:100])
    time.sleep(0.2)  # until the half of a request has certainly been read
    parent, pids = brevet.daemon, brevet.pids()
    began = time.monotonic()
    parent.send_signal(signal.SIGTERM)
    idle.settimeout(5)
    try:
        closed = idle.recv(10) == b""
    except OSError:
        closed = True
    ok(closed and parent.poll() is None, "SIGTERM: an idle connection is closed, an open request waited for")
    ok(until(lambda: turned_away(brevet.https) and turned_away(brevet.http), 10 * SLOW) and parent.poll() is None,
       "SIGTERM: who comes now is refused at once")
    ok(brevet.cli("status").returncode == 0, "SIGTERM: core can still be asked")
    link.sendall(body[100:])
    answer = b""
    try:
        while piece := link.recv(65536):
            answer += piece
    except OSError:
        pass
    ok(b" 200 " in answer.split(b"\r\n")[0], "SIGTERM: the request in flight is answered",
       str(answer.split(b"\r\n")[0]))
    status = brevet.stop()
    took = time.monotonic() - began
    ok(status == 0 and took < 5 * SLOW, "SIGTERM: ends with status 0", f"{status} after {took:.2f} s")
    ok(not any(pathlib.Path(f"/proc/{p}").exists() for p in pids), "SIGTERM: nothing runs on")
    ok(not (brevet.dir / "run/control.sock").exists(), "SIGTERM: the control socket's file is gone")


# --- what keeps a start from happening ---

def refused(brevet, expected, text):
    begun = subprocess.run([BIN["brevetd"], "--dir", str(brevet.dir)], capture_output=True,
                           text=True, timeout=30, check=False)
    said = begun.stdout + begun.stderr
    hit = next((l for l in said.splitlines() if expected in l), said[-200:])
    ok(begun.returncode != 0 and expected in said, text, hit[-170:])


class Notified:
    """What systemd would be told."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.path, self.said = path, ""
        self.env = {"NOTIFY_SOCKET": str(path)}

    def heard(self):
        while True:
            try:
                self.said += self.socket.recv(4096).decode() + "\n"
            except BlockingIOError:
                return self.said.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.path.unlink()


def brought_up(brevet, env):
    """The status and the words of a start that ends by itself."""
    begun = subprocess.run([BIN["brevetd"], "--dir", str(brevet.dir)], capture_output=True,
                           text=True, timeout=60, check=False, env={**os.environ, **env})
    return begun.returncode, begun.stdout + begun.stderr


def ready_means_ready(brevet):
    """The first start, too: core makes the certificate the doors listen with."""
    conf = brevet.dir / "brevet.conf"
    before = conf.read_text()
    conf.write_text(before + 'log-level = "debug"\n')
    shutil.rmtree(brevet.dir / "tls")
    (brevet.dir / "tls").mkdir(mode=0o700)
    with Notified(brevet.root / "notify") as systemd:
        mark = len(text_of(brevet))
        brevet.start(env=systemd.env, wait=False)
        told = until(lambda: "READY=1" in systemd.heard(), 30 * SLOW)
        ok(told and brevet.ready(), "READY=1: the first question is answered")
        lines = text_of(brevet, mark).splitlines()
        at = [i for i, line in enumerate(lines) if " parent info ready version=" in line]
        keys = [i for i, line in enumerate(lines) if re.search("key open name=(root|issuing|log)$", line)]
        doors = [i for i, line in enumerate(lines) if "debug listening address=" in line]
        ok(len(at) == 1 and len(keys) == 3 and max(keys) < at[0], "… and the signer has opened its keys", f"{keys} {at}")
        ok(len(doors) >= 2 and max(doors) < at[0], "… and the doors listen on every address", f"{doors} {at}")
    brevet.stop()
    conf.write_text(before)


def without_programs(brevet):
    """brevetd is only the parent: alone it says what it misses."""
    alone = brevet.root / "alone"
    alone.mkdir()
    shutil.copy(BIN["brevetd"], alone / "brevetd")
    begun = subprocess.run([alone / "brevetd", "--dir", str(brevet.dir)], capture_output=True,
                           text=True, timeout=30, check=False)
    said = begun.stdout + begun.stderr
    ok(begun.returncode != 0 and "brevetd-core is not there" in said,
       "without the roles' programs it does not start", said[-170:])
    for program in pathlib.Path(BIN["brevetd"]).parent.glob("brevetd-*"):
        if program.is_file():
            shutil.copy(program, alone / program.name)
    brevet.start(binary=alone / "brevetd")
    ok(brevet.ready(), "with them beside it, it does")
    shutil.rmtree(alone)
    core = brevet.roles()["core"]
    os.kill(core[0], signal.SIGKILL)
    ok(until(lambda: brevet.roles().get("core", core) != core and brevet.cli("status").returncode == 0, 20 * SLOW),
       "a role that dies is started again from the program that was there")
    brevet.stop()


def starts(brevet):
    key = brevet.dir / "ca/issuing.key"
    key.chmod(0o644)
    refused(brevet, "chmod 600", "a key others can read is refused")
    key.chmod(0o600)
    secret = brevet.root / "pass"
    secret.write_text("another passphrase\n")
    with Notified(brevet.root / "notify") as systemd:
        begun, said = brought_up(brevet, systemd.env)
        ok(begun != 0 and re.search(r"cannot start: a key does not open: the passphrase is not", said.splitlines()[-1]),
           "a wrong passphrase is refused, the last line says so", said.splitlines()[-1])
        ok("READY=1" not in systemd.heard() and " ready " not in said, "… and nobody was told that it is ready")
    secret.write_text("a passphrase for tests\n")
    ready_means_ready(brevet)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", brevet.https))
        taken.listen()
        refused(brevet, "in use", "a port in use is refused")
    brevet.start()
    refused(brevet, f"pid {brevet.daemon.pid}", "a second daemon is refused and names the first")
    ok(brevet.ready() and brevet.cli("status").returncode == 0, "… which it does not disturb")


def main():
    brevet = Brevet(config=LIMITS)
    without_programs(brevet)
    starts(brevet)
    secret = brevet.token("--group", "roles", "--uses", "100000", "--expires", "1d")
    reload_under_load(brevet, secret)
    stopped(brevet, secret, "signer")
    stopped(brevet, secret, "core")
    control_garbage(brevet)
    control_flood(brevet)
    if os.geteuid() == 0:
        nonsense(brevet)
    until(brevet.ready, BACKOFF)
    drain(brevet, secret)
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


if __name__ == "__main__":
    main()
