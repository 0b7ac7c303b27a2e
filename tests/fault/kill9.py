"""kill -9 of each role, many times at random moments under load (enrolments,
renewals, revocations): no certificate a client received is missing, in the
database or to OCSP, no revocation that was acknowledged is lost, no serial
twice, the audit log verifies, and the service is back within a second each
time.

BREVET_KILLS is how often each role is killed."""
import multiprocessing
import os
import pathlib
import random
import signal
import time
import urllib.request

from harness import SANITIZED, Brevet, cert_of, finish, new_csr, ok, run, until

KILLS = int(os.environ.get("BREVET_KILLS", 10 if SANITIZED else 100))
REVOKED = "revoked"
ROLES = ("parent", "core", "signer", "door")
BOUND = 5 if SANITIZED else 1


def persist(name, stop, results, ask, path=None):
    """Repeats a request that failed until it is answered, as a device does.
    The serial of what it was given, or None."""
    while not stop.is_set():
        try:
            status, _, body = ask()
        except OSError:
            continue
        except Exception as e:  # a torn answer is no answer
            results.put((name, f"status {e!r}"))
            continue
        if status == 200:
            serial = cert_of(body, path)[1]
            results.put((name, serial))
            return serial
        if status not in (500, 503):
            results.put((name, f"status {status}: {body[:100]}"))
            return None
    return None


def enroller(brevet, secret, folder, name, stop, results):
    _, csr = new_csr(folder, name)
    persist(name, stop, results, lambda: brevet.enroll(csr, secret, timeout=5))


def renewer(brevet, secret, folder, name, stop, results):
    """Three renewals, each with the certificate before it."""
    key, csr = new_csr(folder, name)
    cert = folder / f"{name}.crt"
    if persist(name, stop, results, lambda: brevet.enroll(csr, secret, timeout=5), cert):
        for _ in range(3):
            persist(name, stop, results, lambda: brevet.enroll(
                csr, cert=cert, key=key, op="simplereenroll", timeout=5), cert)


def revoker(brevet, secret, folder, name, stop, results):
    _, csr = new_csr(folder, name)
    serial = persist(name, stop, results, lambda: brevet.enroll(csr, secret, timeout=5))
    while serial and not stop.is_set():
        done = brevet.cli("cert", "revoke", serial)
        if done.returncode == 0:
            results.put((REVOKED, serial))
        elif done.returncode == 1:  # no daemon, or it died: once more
            continue
        elif "revoked" not in done.stderr:  # the answer before was lost
            results.put((name, f"status {done.returncode}: {done.stderr[-100:]}"))
        return


def worker(act, brevet, secret, folder, stop, results):
    """One new device after another until told to stop."""
    count = 0
    while not stop.is_set():
        act(brevet, secret, folder, f"kill-{os.getpid()}-{count}", stop, results)
        count += 1


WORKERS = (enroller, renewer, revoker)


def attempt(action):
    try:
        return action()
    except OSError:
        return None


def enrolled(brevet, csr, secret):
    answer = attempt(lambda: brevet.enroll(csr, secret, timeout=2))
    return answer[2] if answer and answer[0] == 200 else None


def ocsp_answers(brevet, request):
    """A signed answer about a certificate: the signer, its responder's key and
    the status map are all there."""
    def ask():
        url = f"http://127.0.0.1:{brevet.http}/ocsp"
        post = urllib.request.Request(url, request, {"Content-Type": "application/ocsp-request"})
        with urllib.request.urlopen(post, timeout=2) as answer:
            return answer.read()
    body = attempt(ask)
    return body is not None and body[4:7] == b"\x0a\x01\x00"


def back_after(brevet, began, csr, secret, request):
    """Seconds until cacerts, an enrolment and an OCSP answer have succeeded;
    (None, …) when they did not. The certificate comes with it."""
    body = []

    def all_roles():
        if not body:
            got = enrolled(brevet, csr, secret)
            if got:
                body.append(got)
        return body and ocsp_answers(brevet, request)

    if until(brevet.ready, 15, 0.002) is None or until(all_roles, 15, 0.002) is None:
        return None, None
    return time.monotonic() - began, body[0]


def left_over(pids):
    """Those of a killed daemon's processes that live on."""
    def alive(pid):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return state != "Z"
    until(lambda: not any(alive(p) for p in pids), 1, 0.005)
    return [p for p in pids if alive(p)]


def kill_one(brevet, role):
    """Kills one process of the role; the moment it was, and orphans."""
    roles = until(lambda: (lambda r: r if r.get(role) else None)(brevet.roles()), 5)
    others = [p for r, pids in roles.items() if r != "parent" for p in pids]
    pid = random.choice(roles[role])
    time.sleep(random.uniform(0, 0.05))  # a random moment, not a wait
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    if role != "parent":
        return began, []
    brevet.daemon.wait()  # and what a service manager does
    brevet.start(wait=False)
    return began, left_over(others)


def ocsp_request(brevet, cert):
    path = brevet.root / "one.req"
    made = run("openssl", "ocsp", "-issuer", brevet.dir / "ca/issuing.crt",
               "-cert", cert, "-no_nonce", "-reqout", path)
    assert made.returncode == 0, made.stderr
    return path.read_bytes()


def kill_all(brevet, secret, request, folder):
    times, killed, orphans, got = {}, {}, [], []
    # In rounds: a role that dies again and again is started with back-off,
    # which is roles.py's subject, and a new parent begins without one.
    plan = [role for _ in range(KILLS) for role in random.sample(ROLES, 4)]
    for n, role in enumerate(plan):
        _, csr = new_csr(folder, f"after-{n}")
        began, left = kill_one(brevet, role)
        took, body = back_after(brevet, began, csr, secret, request)
        times.setdefault(role, []).append(took)
        killed[role] = killed.get(role, 0) + 1
        orphans += left
        if body:
            got.append((f"after-{n}", cert_of(body)[1]))
        if took is None:
            break
    return times, killed, orphans, got


def report(times, killed, orphans):
    ok(all(killed.get(r) for r in ROLES), "every role was killed", str(killed))
    for role in ROLES:
        took = times.get(role, [None])
        late = [t for t in took if t is None or t >= BOUND]
        known = sorted(t for t in took if t is not None) or [0]
        ok(not late, f"{role} killed: cacerts, enrolment and OCSP are back within {BOUND} s",
           f"{len(took)} kills, median {known[len(known) // 2] * 1000:.0f} ms, "
           f"worst {known[-1] * 1000:.0f} ms, late {late[:5]}")
    ok(not orphans, "no process outlives its parent", str(orphans[:5]))


def main():
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "kill", "--uses", "1000000", "--expires", "1d")
    folder = brevet.root / "keys"
    folder.mkdir()
    _, csr = new_csr(folder, "one")
    cert_of(brevet.enroll(csr, secret)[2], folder / "one.crt")
    request = ocsp_request(brevet, folder / "one.crt")
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=worker, daemon=True, args=(
        act, brevet, secret, folder, stop, results)) for act in WORKERS]
    for w in workers:
        w.start()
    times, killed, orphans, got = kill_all(brevet, secret, request, folder)
    stop.set()
    until(lambda: drain(results, got) or not any(w.is_alive() for w in workers), 30)
    drain(results, got)
    report(times, killed, orphans)
    revoked = {s for name, s in got if name == REVOKED}
    got = [g for g in got if g[0] != REVOKED]
    statuses(brevet, request, cert_of_file(folder / "one.crt"), got, revoked)
    check(brevet, got)
    finish()


def cert_of_file(path):
    text = run("openssl", "x509", "-in", path, "-noout", "-serial").stdout
    return text.strip().split("=")[1].lower()


def status_of(brevet, request, first, serial):
    """The tag of certStatus (RFC 6960 4.2.1), which follows the serial number:
    the request about the first certificate asks about another one, whose
    serial number is as long."""
    def ask():
        other = request.replace(bytes.fromhex(first), bytes.fromhex(serial))
        post = urllib.request.Request(f"http://127.0.0.1:{brevet.http}/ocsp", other,
                                      {"Content-Type": "application/ocsp-request"})
        with urllib.request.urlopen(post, timeout=10) as answer:
            return answer.read()
    body = attempt(ask) or b""
    _, found, after = body.partition(bytes.fromhex(serial))
    return {0x80: "good", 0xA1: "revoked", 0x82: "unknown"}.get(after[0], "?") if found else "none"


def statuses(brevet, request, first, got, revoked):
    serials = {s for _, s in got if not s.startswith("status")}
    assert all(len(s) == len(first) for s in serials)
    found = {s: status_of(brevet, request, first, s) for s in serials}
    lost = [s for s in revoked if found.get(s) != "revoked"]
    ok(len(revoked) >= KILLS // 2 and not lost, "every revocation that was acknowledged stands",
       f"{len(revoked)} revoked, lost {lost[:3]}")
    odd = [(s, f) for s, f in found.items() if f not in ("good", "revoked")]
    ok(not odd, "OCSP knows every certificate a client received", f"{len(found)} asked, {odd[:3]}")
    renewed = [name for name, _ in got]
    renewed = len(renewed) - len(set(renewed))
    ok(renewed >= KILLS // 2, "certificates were renewed meanwhile", str(renewed))


def check(brevet, got):
    bad = [g for g in got if g[1].startswith("status")]
    ok(not bad and len(got) > 4 * KILLS, "every request was answered in the end",
       f"{len(got)} certificates, {bad[:3]}")
    serials = [s for _, s in got if not s.startswith("status")]
    ok(len(set(serials)) == len(serials), "no serial number twice", f"{len(serials)} serials")
    known = all_serials(brevet)
    missing = [s for s in serials if s not in set(known)]
    ok(not missing, "no certificate a client received is missing", f"{len(known)} on record, missing {missing[:3]}")
    ok(len(known) == len(set(known)), "no serial number twice on record")
    pids = [p for r, ps in brevet.roles().items() if r != "parent" for p in ps]
    ok(brevet.stop() == 0, "SIGTERM ends it with status 0")
    ok(not left_over(pids), "nothing runs on")
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)


def drain(results, got):
    while not results.empty():
        got.append(results.get())
    return False


def all_serials(brevet):
    serials, after = [], 0
    while True:
        page = brevet.cli_json("cert", "list", "--limit", "1000", "--after", after)
        serials += [row["serial"].lower() for row in page["rows"]]
        after = page.get("next")
        if not after:
            return serials


if __name__ == "__main__":
    main()
