"""The clock says 1970, or ten years from now: no certificate with a wrong
validity leaves, and the daemon says what is wrong."""
import datetime
import re
import subprocess

from harness import Brevet, cert_of, finish, new_csr, ok, until


def dates(pem):
    shown = subprocess.run(["openssl", "x509", "-noout", "-startdate", "-enddate"],
                           input=pem, capture_output=True, check=True).stdout.decode()
    return [datetime.datetime.strptime(d, "%b %d %H:%M:%S %Y %Z")
            for d in re.findall(r"=(.*)", shown)]


def at(brevet, when, secret, name):
    """Starts the daemon with its clock at `when`; (status, body) of an enrolment
    by a client with the right clock that skips the date check of the server."""
    brevet.start(before=["faketime", "-f", when], wait=False)
    _, csr = new_csr(brevet.root, name)

    def try_it():
        try:
            return brevet.enroll(csr, secret, timeout=3)
        except OSError:
            return None

    answer = until(try_it, 15)
    text = brevet.log.read_text(errors="replace")
    brevet.stop()
    return answer, text


def main():
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "clock", "--uses", "100", "--expires", "30d")
    _, csr = new_csr(brevet.root, "now")
    status, _, body = brevet.enroll(csr, secret)
    begin, end = dates(cert_of(body)[0])
    now = datetime.datetime.utcnow()
    ok(status == 200 and begin <= now < end, "with the right clock: valid now", f"{begin} .. {end}")
    brevet.stop()

    answer, log = at(brevet, "@1970-01-02 00:00:00", secret, "in-1970")
    ok(answer is None or answer[0] in (500, 503), "clock in 1970: nothing is issued",
       "no service" if answer is None else f"{answer[0]} {answer[2][:80]}")
    ok("clock" in log, "clock in 1970: the log names the clock",
       next((l for l in log.splitlines() if "clock" in l), "")[-160:])

    answer, log = at(brevet, "+10y", secret, "in-ten-years")
    ok(answer is None or answer[0] != 200 or dates(cert_of(answer[2])[0])[1] <= root_end(brevet),
       "clock ten years ahead: nothing outlives its issuer, nothing wrong leaves",
       "no service" if answer is None else str(answer[0]))

    brevet.start()
    _, csr = new_csr(brevet.root, "after")
    status, _, body = brevet.enroll(csr, secret)
    ok(status == 200, "the clock is right again: enrols", f"{status} {body[:100]}")
    if status == 200:
        begin, end = dates(cert_of(body)[0])
        now = datetime.datetime.utcnow()
        ok(begin <= now < end, "… with a validity around now", f"{begin} .. {end}")
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


def root_end(brevet):
    return dates((brevet.dir / "ca/root.crt").read_bytes())[1]


if __name__ == "__main__":
    main()
