"""A fleet whose certificates end together renews at one moment, again and again:
everybody is served, each certificate is another one, and memory stays flat."""
import re

from harness import BUILD, SANITIZED, Brevet, cert_of, finish, new_csr, ok, run

DEVICES = 16 if SANITIZED else 64
EACH = 5              # renewals of one device in one storm, each on a new connection
KEPT = 5 if SANITIZED else 80  # … and on one that stays: a leak of a kilobyte would show
MORE_KB = 4096

CONFIG = """
quota {
    live-per-device = 1000
    issues-per-hour = 1000
}
"""


def fleet(brevet, secret):
    """PREFIX0.crt, PREFIX0.key, …, as tests/bench/load takes them."""
    for n in range(DEVICES):
        key, csr = new_csr(brevet.root, f"storm-{n}")
        status, _, body = brevet.enroll(csr, secret)
        assert status == 200, body
        cert_of(body, brevet.root / f"fleet{n}.crt")
        key.rename(brevet.root / f"fleet{n}.key")


def storm(brevet, mode, each):
    """All wait at one gate; how many renewals were answered with a certificate."""
    done = run(BUILD / "tests/bench/load", mode, "--connect", f"127.0.0.1:{brevet.https}",
               "--ca", brevet.dir / "ca/root.crt", "--each", brevet.root / "fleet",
               "--clients", DEVICES, "--count", each)
    told = dict(re.findall(r"(\w+)=(\S+)", done.stdout))
    if done.returncode != 0:
        print(f"# {done.stdout.strip()} {done.stderr.strip()[-300:]}")
    return int(told.get("ops", 0)) - int(told.get("failed", 0)) if done.returncode == 0 else 0


def main():
    brevet = Brevet(config=CONFIG)
    brevet.start()
    secret = brevet.token("--group", "storm", "--uses", "1000", "--expires", "1d")
    fleet(brevet, secret)
    pids = sorted(brevet.pids())
    before = brevet.cli_json("status")["certs"]
    answered, memory = [], []
    plan = [("reenroll-fresh", EACH), ("reenroll-kept", KEPT), ("reenroll-fresh", EACH)]
    for mode, each in plan:
        answered.append(storm(brevet, mode, each))
        memory.append(brevet.rss_kb())
    wanted = [DEVICES * each for _, each in plan]
    ok(answered == wanted, f"{DEVICES} devices renew at one moment, each is served", str(answered))
    ok(brevet.cli_json("status")["certs"] - before == sum(wanted), "a certificate for each renewal")
    # the first one fills caches and pools; what a sanitizer keeps is not ours
    ok(SANITIZED or memory[-1] - memory[0] < MORE_KB,
       f"memory is flat: less than {MORE_KB} KB more than after the first storm", f"{memory} KB")
    ok(sorted(brevet.pids()) == pids, "no process died of it")
    ok(brevet.stop() == 0, "it ends with status 0")
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


if __name__ == "__main__":
    main()
