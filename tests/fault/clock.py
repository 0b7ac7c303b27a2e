"""The clock says 1970, or ten years from now, at the start or while everything
runs: no certificate, CRL or OCSP answer with a wrong date leaves, the daemon
says what is wrong, and once the clock is right it goes on."""
import datetime
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

from harness import Brevet, cert_of, finish, new_csr, ok, run, until

DAY = 86400
TO_1970 = int(DAY - time.time())
TEN_YEARS = 3652 * DAY


class Clock:
    """The wall clock of every process started from here on: a library in
    /etc/ld.so.preload, in a mount namespace of this test's own."""

    def __init__(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="brevet-etc."))
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder, check=True)
        subprocess.run(["cp", "-a", "/etc/.", folder], capture_output=True, check=False)
        self.file = folder / "brevet-clock"
        self.set(0)
        self.file.chmod(0o644)
        library = folder / "brevet-clock-libasan.so"
        source = pathlib.Path(__file__).with_name("clockshift.c")
        run("cc", "-shared", "-fPIC", "-O1", '-DSHIFT_FILE="/etc/brevet-clock"',
            "-o", library, source, check=True)
        (folder / "ld.so.preload").write_text("/etc/brevet-clock-libasan.so\n")
        run("mount", "--bind", folder, "/etc", check=True)
        shown = run("date", "+%s").stdout
        assert abs(int(shown) - time.time()) < 5, shown

    def set(self, seconds):
        fd = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("=qq", seconds, 0), 0)
        os.close(fd)


def dates(pem):
    shown = subprocess.run(["openssl", "x509", "-noout", "-startdate", "-enddate"],
                           input=pem, capture_output=True, check=True).stdout.decode()
    return [parse(d) for d in re.findall(r"=(.*)", shown)]


def parse(text):
    return datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y %Z")


def utc():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Test:
    def __init__(self):
        self.clock = Clock()
        self.brevet = Brevet()
        self.brevet.start()
        self.secret = self.brevet.token("--group", "clock", "--uses", "100", "--expires", "300d")
        self.count = 0

    def enroll(self):
        """(status, body); status 0: no service."""
        self.count += 1
        _, csr = new_csr(self.brevet.root, f"clock-{self.count}")
        try:
            status, _, body = self.brevet.enroll(csr, self.secret, timeout=5)
            return status, body
        except OSError as e:
            return 0, repr(e).encode()

    def is_refused(self, what):
        status, body = self.enroll()
        ok(status in (500, 503), f"{what}: nothing is issued", f"{status} {body[:90]}")
        ok(b"clock" in body, f"{what}: the client is told why", str(body[:90]))
        ok(until(lambda: "clock" in self.log_since(), 5), f"{what}: the log names the clock",
           next((l for l in self.log_since().splitlines() if "clock" in l), "")[-160:])
        ok(self.crl_dates()[0] <= utc() <= self.crl_dates()[1], f"{what}: the CRL keeps its dates",
           str(self.crl_dates()))
        told = self.ocsp_dates()
        ok(told is None or told[0] <= utc() <= told[1], f"{what}: no OCSP answer with wrong dates",
           str(told))

    def is_right(self, what):
        status, body = until(lambda: (lambda a: a if a[0] == 200 else None)(self.enroll()), 10) \
            or self.enroll()
        if not ok(status == 200, f"{what}: enrols", f"{status} {body[:90]}"):
            return
        begin, end = dates(cert_of(body, self.brevet.root / "last.crt")[0])
        ok(begin <= utc() < end, f"{what}: valid now", f"{begin} .. {end}")
        told = until(self.ocsp_dates, 10)
        ok(told and told[0] <= utc() <= told[1], f"{what}: OCSP answers are dated now", str(told))

    def log_since(self):
        return self.brevet.log.read_text(errors="replace")[self.mark:]

    def jump(self, seconds):
        self.mark = self.brevet.log.stat().st_size
        self.clock.set(seconds)

    def crl_dates(self):
        _, _, body = self.brevet.http_get("/crl/issuing.crl")
        shown = subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-lastupdate",
                                "-nextupdate"], input=body, capture_output=True, check=True)
        return [parse(d) for d in re.findall(r"=(.*)", shown.stdout.decode())]

    def ocsp_dates(self):
        """thisUpdate and nextUpdate of an answer signed for this very question;
        None when none was given."""
        last, ca = self.brevet.root / "last.crt", self.brevet.dir / "ca/issuing.crt"
        request = self.brevet.root / "last.req"
        run("openssl", "ocsp", "-issuer", ca, "-cert", last, "-reqout", request)
        post = urllib.request.Request(f"http://127.0.0.1:{self.brevet.http}/ocsp",
                                      request.read_bytes(), {"Content-Type": "application/ocsp-request"})
        try:
            with urllib.request.urlopen(post, timeout=5) as answer:
                body = answer.read()
        except OSError:
            return None
        shown = subprocess.run(["openssl", "ocsp", "-respin", "/dev/stdin", "-noverify", "-resp_text"],
                               input=body, capture_output=True, check=False).stdout.decode()
        found = re.findall(r"(?:This|Next) Update: (.*)", shown)
        return [parse(d) for d in found[:2]] if len(found) >= 2 else None


def main():
    t = Test()
    t.jump(0)
    t.is_right("the right clock")
    for name, shift in (("1970", TO_1970), ("ten years ahead", TEN_YEARS)):
        t.jump(shift)
        t.is_refused(f"jump to {name}")
        t.jump(0)
        t.is_right(f"back from {name}")
    for name, shift in (("1970", TO_1970), ("ten years ahead", TEN_YEARS)):
        t.brevet.stop()
        t.jump(shift)
        t.brevet.start()
        t.is_refused(f"started in {name}")
        t.brevet.stop()
        t.jump(0)
        t.brevet.start()
        t.is_right(f"restarted after {name}")
    trusted(t)
    t.brevet.stop()
    good, text = t.brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


def trusted(t):
    """A machine that was away for long: an operator vouches for its clock."""
    t.jump(401 * DAY)
    status, _ = t.enroll()
    ok(status in (500, 503), "401 days later: nothing is issued")
    ok(t.brevet.cli_json("status")["clock_ok"] is False, "401 days later: brevet status says so")
    vouched = t.brevet.cli("clock", "trust")
    ok(vouched.returncode == 0, "an operator vouches for the clock", vouched.stderr.strip())
    status, body = t.enroll()
    # the token has expired by then, and nothing else is wrong
    ok(status == 401 and b"expired" in body, "… and the clock is believed", f"{status} {body[:80]}")
    t.jump(0)
    status, body = t.enroll()
    ok(status in (500, 503), "the clock set back by 401 days: nothing is issued", f"{status} {body[:80]}")
    t.brevet.cli("clock", "trust")
    t.is_right("vouched for again")


if __name__ == "__main__":
    if os.environ.get("BREVET_CLOCK") != "own":
        os.environ["BREVET_CLOCK"] = "own"
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.execvp("unshare", ["unshare", *user, "--mount", sys.executable, "-B", *sys.argv])
    main()
