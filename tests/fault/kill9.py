"""kill -9 of each role, many times at random moments under load: no certificate
a client received is missing, no serial twice, the audit log verifies, and the
service is back within a second each time."""
import multiprocessing
import os
import random
import signal
import time

from harness import BIN, SANITIZED, Brevet, cert_of, finish, new_csr, ok, until

KILLS = int(os.environ.get("BREVET_KILLS", 40 if SANITIZED else 200))
WORKERS = 4


def worker(brevet, secret, folder, number, stop, results):
    """Enrols one new device after another until told to stop; repeats a request
    that failed until it is answered, as a device does."""
    count = 0
    while not stop.is_set():
        name = f"kill-{number}-{count}"
        count += 1
        _, csr = new_csr(folder, name)
        while not stop.is_set():
            try:
                status, _, body = brevet.enroll(csr, secret, timeout=5)
            except OSError:
                continue
            if status == 200:
                results.put((name, cert_of(body)[1]))
                break
            if status not in (429, 500, 503):
                results.put((name, f"status {status}: {body[:100]}"))
                break


def back_after(brevet):
    """Seconds until an answer arrives that needed every role; None: too late."""
    began = time.monotonic()
    if until(brevet.ready, 10, 0.005) is None:
        return None
    if until(lambda: brevet.cli("status").returncode == 0, 10, 0.005) is None:
        return None
    return time.monotonic() - began


def kill_one(brevet):
    roles = brevet.roles()
    role = random.choice([r for r in ("parent", "core", "signer", "door") if roles.get(r)])
    pid = random.choice(roles[role])
    time.sleep(random.uniform(0, 0.05))  # a random moment, not a wait
    os.kill(pid, signal.SIGKILL)
    if role == "parent":  # what a service manager does
        brevet.daemon.wait()
        brevet.start(wait=False)
    return role


def main():
    brevet = Brevet(config="quota {\n  issues-per-hour = 1000000\n}\n")
    brevet.start()
    secret = brevet.token("--group", "kill", "--uses", "1000000", "--expires", "1d")
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=worker, args=(
        brevet, secret, brevet.root, n, stop, results)) for n in range(WORKERS)]
    for w in workers:
        w.start()
    times, killed = [], {}
    for _ in range(KILLS):
        role = kill_one(brevet)
        killed[role] = killed.get(role, 0) + 1
        times.append(back_after(brevet))
    stop.set()
    got = []
    until(lambda: drain(results, got) or not any(w.is_alive() for w in workers), 30)
    drain(results, got)
    for w in workers:
        w.join(10)
    late = [t for t in times if t is None or t >= (5 if SANITIZED else 1)]
    ok(len(killed) == 4, "every role was killed", str(killed))
    worst = max((t for t in times if t is not None), default=0)
    ok(not late, "the service was back within a second every time",
       f"{len(times)} kills, worst {worst * 1000:.0f} ms")
    bad = [g for g in got if g[1].startswith("status")]
    ok(not bad and got, "every request was answered in the end", f"{len(got)} certificates, {bad[:3]}")
    serials = [s for _, s in got if not s.startswith("status")]
    ok(len(set(serials)) == len(serials), "no serial number twice", f"{len(serials)} serials")
    known = all_serials(brevet)
    missing = [s for s in serials if s not in known]
    ok(not missing, "no certificate a client received is missing", f"{len(known)} on record, missing {missing[:3]}")
    ok(len(known) == len(set(known)), "no serial number twice on record")
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


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
