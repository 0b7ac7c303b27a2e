"""Backup and restore: a copy taken under load is whole, kill -9 during one
leaves nothing that could be taken for one, and what was put back uses no serial
number twice, forgets no revocation and calls the lost ones unknown."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import threading


from harness import BIN, BUILD, Brevet, cert_of, finish, new_csr, ok, run, until


class Load(threading.Thread):
    """Enrols new devices until told to stop."""

    def __init__(self, brevet, secret, name):
        super().__init__()
        self.brevet, self.secret, self.prefix = brevet, secret, name
        self.over = threading.Event()
        self.serials = []

    def run(self):
        while not self.over.is_set():
            _, csr = new_csr(self.brevet.root, f"{self.prefix}-{len(self.serials)}")
            try:
                status, _, body = self.brevet.enroll(csr, self.secret, timeout=5)
            except OSError:
                continue
            if status == 200:
                self.serials.append(cert_of(body)[1])


def issue(brevet, secret, names):
    """{name: serial}; the certificates are kept as NAME.crt."""
    made = {}
    for name in names:
        _, csr = new_csr(brevet.root, name)
        status, _, body = brevet.enroll(csr, secret)
        assert status == 200, (status, body)
        made[name] = cert_of(body, brevet.root / f"{name}.crt")[1]
    return made


def ocsp_status(brevet, name):
    ca = brevet.dir / "ca/issuing.crt"
    done = run("openssl", "ocsp", "-issuer", ca, "-cert", brevet.root / f"{name}.crt",
               "-url", f"http://127.0.0.1:{brevet.http}/ocsp", "-CAfile", brevet.dir / "ca/root.crt")
    found = re.search(r"\.crt: (\w+)", done.stdout)
    return found[1] if found else (done.stdout + done.stderr)[-100:]


def crl_number(brevet):
    body = brevet.http_get("/crl/issuing.crl")[2]
    shown = subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-crlnumber"],
                           input=body, capture_output=True, check=True).stdout.decode()
    return int(shown.strip().split("=")[1], 16)


def sequence(brevet):
    return [row["seq"] for row in brevet.cli_json("cert", "list", "--limit", "1000")["rows"]]


def killed_backup():
    """kill -9, of core while it copies and of the command while it copies away:
    what is left is no backup, or a whole one."""
    brevet = Brevet()
    brevet.start()
    brevet.stop()
    db = brevet.dir / "db"
    origin = (brevet.dir / "ca/log.pub").read_text().split("+")[0]
    run(BUILD / "tests/bench/fill", db / "brevet.db", "1", origin, "20000", check=True)
    brevet.start()
    load = Load(brevet, brevet.token("--group", "bk", "--uses", "100000", "--expires", "1d"), "bk")
    load.start()
    rounds = [cut_short(brevet, n) for n in range(8)]
    load.over.set()
    load.join()
    ok(all(who in rounds for who in ("core", "brevet")), "backups were cut short", str(rounds))
    again = brevet.cli("backup", db / "after-kill.db")
    ok(again.returncode == 0, "kill -9 during a backup: the next one succeeds", again.stderr)
    ok(not list(db.glob("brevet.db.backup*")), "… and leaves no snapshot behind")
    brevet.stop()
    leftovers(brevet)


def cut_short(brevet, n):
    """Who was killed in the middle of it; None when it was too late."""
    db = brevet.dir / "db"
    target, core = db / f"torn-{n}.db", brevet.roles()["core"][0]
    asked = subprocess.Popen([BIN["brevet"], "--dir", str(brevet.dir), "backup", str(target)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if n % 2:
        begun = lambda: [f for f in db.glob(f"torn-{n}.db.*") if f.stat().st_size > 0]
    else:
        begun = lambda: list(db.glob("brevet.db.backup.new"))
    until(lambda: begun() or asked.poll() is not None, 20, 0)
    os.kill(asked.pid if n % 2 else core, signal.SIGKILL)
    made = asked.wait(20) == 0
    if not n % 2:
        until(lambda: brevet.roles().get("core", [core])[0] != core and brevet.cli("status").returncode == 0, 10)
    if made:
        good = brevet.cli("audit", "verify", "--db", target)
        ok(good.returncode == 0, "a backup reported as made is whole", (good.stdout + good.stderr)[:90])
        return None
    ok(not target.exists(), "a backup that was cut short has not got its name", target.name)
    return "brevet" if n % 2 else "core"


def leftovers(brevet):
    """The server is stopped: whatever lies about restores when it is whole, and only then."""
    db = brevet.dir / "db"
    there = brevet.root / "there.db"
    shutil.copy(db / "brevet.db", there)
    for left in [*db.glob("torn-*.db.*"), db / "after-kill.db"]:
        with contextlib.closing(sqlite3.connect(f"file:{left}?mode=ro&immutable=1", uri=True)) as it:
            try:
                whole = it.execute("PRAGMA quick_check").fetchone() == ("ok",)
            except sqlite3.DatabaseError:
                whole = False
        done = brevet.cli("restore", left, "--accept-loss")
        ok((done.returncode == 0) == whole, f"what a killed backup leaves: {'whole' if whole else 'refused'}",
           f"{left.name} {done.stderr.strip()[-100:]}")
        shutil.copy(there, db / "brevet.db")


KEY = "5a" * 32


def main():
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "restore", "--uses", "100000", "--expires", "1d")
    before = issue(brevet, secret, ["early-good", "early-revoked", "late-revoked"])
    brevet.cli("cert", "revoke", before["early-revoked"], "--reason", "keyCompromise")
    codes = [brevet.cli_json("token", "create", "--device", name) for name in ("once", "never")]
    load = Load(brevet, secret, "load")
    load.start()
    copy = brevet.dir / "db/copy.db"
    made = brevet.cli("backup", copy)
    ok(made.returncode == 0, "a backup under load", made.stderr)
    ok(brevet.cli("backup", copy).returncode != 0, "an existing file is not overwritten")
    good = brevet.cli("audit", "verify", "--db", copy)
    ok(good.returncode == 0, "the copy verifies", good.stdout.strip()[:90])
    until(lambda: len(load.serials) > 15, 30)
    load.over.set()
    load.join()
    after = issue(brevet, secret, ["lost-good", "lost-revoked"])
    for serial in (before["late-revoked"], after["lost-revoked"]):
        brevet.cli("cert", "revoke", serial)
    issue(brevet, codes[0]["secret"], ["once"])
    brevet.cli("token", "revoke", codes[1]["id"])
    brevet.cli("device", "block", "early-good")
    brevet.cli("key", "block", KEY)
    brevet.cli("crl", "publish", "issuing")
    until(lambda: before["late-revoked"].upper() in crl_text(brevet), 15)
    numbers, number = sequence(brevet), crl_number(brevet)
    refused = brevet.cli("restore", copy)
    ok(refused.returncode != 0 and "stop it" in refused.stderr, "refused while a daemon runs",
       refused.stderr.strip()[-120:])
    brevet.stop()
    restore(brevet, copy)
    brevet.start()
    check(brevet, secret, before, after, numbers, number)
    without_map(brevet, secret, copy, before, after)
    damaged(brevet)
    for version in older():
        of_older_release(brevet, version)
    of_newer_release(brevet)
    moved_aside(brevet)
    killed_backup()
    finish()


def crl_text(brevet):
    body = brevet.http_get("/crl/issuing.crl")[2]
    return subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-text"],
                          input=body, capture_output=True, check=True).stdout.decode()


def restore(brevet, copy):
    refused = brevet.cli("restore", copy)
    ok(refused.returncode == 3 and "--accept-loss" in refused.stderr,
       "a backup older than the database here is refused", refused.stderr.strip()[:160])
    torn = brevet.root / "torn.db"
    shutil.copy(copy, torn)
    with open(torn, "r+b") as f:
        f.seek(8192)
        f.write(os.urandom(8192))
    refused = brevet.cli("restore", torn, "--accept-loss")
    ok(refused.returncode == 1, "a damaged backup is refused", refused.stderr.strip()[-120:])
    old_database_tells(brevet, copy)
    done = brevet.cli("restore", copy, "--accept-loss")
    ok(done.returncode == 0 and "work again" in done.stdout, "restored with --accept-loss",
       (done.stdout.splitlines() or [done.stderr])[0])
    ok(list((brevet.dir / "db").glob("brevet.db.old-*")), "the old database is moved aside")


def old_database_tells(brevet, copy):
    """Without the map; then the database is made unreadable: the map must do."""
    db = brevet.dir / "db"
    shutil.copy(db / "status.map", brevet.root / "kept.map")
    (db / "status.map").unlink()
    done = brevet.cli("restore", copy, "--accept-loss")
    ok(done.returncode == 0 and "1 devices and 1 keys blocked, 3 claim codes" in " ".join(done.stdout.split()),
       "restored from the old database", (done.stdout or done.stderr)[:200])
    with contextlib.closing(sqlite3.connect(f"file:{db}/brevet.db?mode=ro", uri=True)) as there:
        one = lambda text: there.execute(text).fetchall()
        ok(len(one("SELECT 1 FROM cert WHERE reason IS NOT NULL")) == 3, "it kept the revocations")
        ok(one("SELECT d.name FROM cert c JOIN device d ON c.device = d.id JOIN revoked r ON r.seq = c.seq"
               " WHERE c.reason = 0 ORDER BY c.seq") == [("late-revoked",), ("lost-revoked",)],
           "it kept the certificate that was revoked and is not in the backup")
        ok(one("SELECT 1 FROM device WHERE name = 'lost-good'") == [], "it kept no other one")
        ok(one("SELECT name FROM device WHERE blocked") == [("early-good",)], "it kept the block")
        ok((KEY.upper(),) in one("SELECT hex(key_hash) FROM blocked_key"), "it kept the blocked key")
        ok(one("SELECT uses_left, revoked FROM token WHERE device != '' ORDER BY id")
           == [(0, 0), (1, 1)], "it kept what happened to the claim codes")
    good, text = brevet.verify_audit()
    ok(good, "its audit log verifies", text[:90])
    shutil.copy(brevet.root / "kept.map", db / "status.map")
    for path in db.glob("brevet.db-*"):
        path.unlink()
    (db / "brevet.db").write_bytes(b"no database" * 1000)


def check(brevet, secret, before, after, numbers, number):
    good, text = brevet.verify_audit()
    ok(good, "restored: the audit log verifies", text[:90])
    ok("restore" in brevet.cli("audit", "list", "--last", "20", "--json").stdout,
       "restored: the log says so")
    fresh = issue(brevet, secret, ["fresh-1", "fresh-2"])
    newest = [row["seq"] for row in brevet.cli_json("cert", "list", "--device", "fresh-1")["rows"]]
    ok(newest and min(newest) > max(numbers), "restored: no number is used again",
       f"{min(newest)} > {max(numbers)}")
    ok(len({*fresh.values(), *before.values(), *after.values()}) == 7, "restored: no serial twice")
    until(lambda: crl_number(brevet) > number, 15)
    ok(crl_number(brevet) > number, "restored: the CRL's number is higher",
       f"{crl_number(brevet)} > {number}")
    ok(before["late-revoked"].upper() in crl_text(brevet), "restored: the CRL keeps the later revocation")
    ok(after["lost-revoked"].upper() in crl_text(brevet), "restored: the CRL keeps what was issued and revoked later")
    ok(after["lost-good"].upper() not in crl_text(brevet), "restored: the CRL lists no other")
    for name, expected in (("early-good", "good"), ("early-revoked", "revoked"),
                           ("late-revoked", "revoked"), ("fresh-1", "good"),
                           ("lost-good", "unknown"), ("lost-revoked", "unknown")):
        told = until(lambda: (lambda s: s if s == expected else None)(ocsp_status(brevet, name)), 5) \
            or ocsp_status(brevet, name)
        ok(told == expected, f"restored: {name} is {expected}", told)


def without_map(brevet, secret, copy, before, after):
    """Only the keys, the CRLs and the backup are left."""
    newest = max(row["seq"] for row in brevet.cli_json("cert", "list", "--device", "fresh-2")["rows"])
    number = crl_number(brevet)
    brevet.stop()
    for path in (brevet.dir / "db").glob("brevet.db*"):
        path.unlink()
    (brevet.dir / "db/status.map").unlink()
    refused = brevet.cli("restore", copy)
    ok(refused.returncode == 3, "a checkpoint newer than the backup is enough to refuse",
       refused.stderr.strip()[:100])
    (brevet.dir / "db/checkpoint").unlink()
    done = brevet.cli("restore", copy)
    ok(done.returncode == 0, "only the backup is left: restored", done.stderr)
    brevet.start()
    ok(until(lambda: crl_number(brevet) > number, 15), "only the backup is left: a new CRL")
    listed = crl_text(brevet)
    ok(all(serial.upper() in listed for serial in (before["late-revoked"], after["lost-revoked"])),
       "only the backup is left: the CRL still lists what was revoked after it")
    ok(listed.count("Serial Number:") == 3, "only the backup is left: … and no other")
    ok(ocsp_status(brevet, "late-revoked") == "revoked", "only the backup is left: so says OCSP")
    issue(brevet, secret, ["alone"])
    seqs = [row["seq"] for row in brevet.cli_json("cert", "list", "--device", "alone")["rows"]]
    ok(min(seqs) > newest, "only the backup is left: numbers go far ahead", f"{min(seqs)} > {newest}")
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "only the backup is left: the audit log verifies", text[:90])


def damaged(brevet):
    """The database itself is what is damaged: the case restore is there for."""
    copy = brevet.root / "newest.db"
    shutil.copy(brevet.dir / "db/brevet.db", copy)
    with open(brevet.dir / "db/brevet.db", "r+b") as f:
        f.seek(4096)
        f.write(os.urandom(20000))
    done = brevet.cli("restore", copy)
    ok(done.returncode == 0, "a damaged database is replaced", done.stderr)
    brevet.start()
    ok(brevet.ready() and brevet.cli("status").returncode == 0, "… and it serves")
    brevet.stop()


SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src/store/schema"


def older():
    return range(1, len(list(SCHEMA.glob("0*.sql"))))


def make_older(source, target, version):
    """What is in source, in a database as the release with this schema made it."""
    with contextlib.closing(sqlite3.connect(target)) as to:
        for step in sorted(SCHEMA.glob("0*.sql"))[:version]:
            to.executescript(step.read_text())
        to.execute("DELETE FROM counter")
        to.execute("ATTACH ? AS new", (str(source),))
        names = [row[0] for row in to.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in names:
            columns = ", ".join(f'"{row[1]}"' for row in to.execute(f"PRAGMA table_info({name})"))
            to.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM new.{name}")
        to.commit()
        to.execute("PRAGMA application_id = 0x42525654")
        to.execute(f"PRAGMA user_version = {version}")
    return target.read_bytes()


def schema_of(path):
    with contextlib.closing(sqlite3.connect(path)) as there:
        version = there.execute("PRAGMA user_version").fetchone()[0]
        return version, sorted(there.execute("SELECT name, sql FROM sqlite_schema"))


def of_older_release(brevet, version):
    """The daemon is stopped. Its log is verified and it is restored; it stays as it is."""
    copy = brevet.root / f"schema-{version}.db"
    octets = make_older(brevet.dir / "db/brevet.db", copy, version)
    was = schema_of(brevet.dir / "db/brevet.db")
    good = brevet.cli("audit", "verify", "--db", copy)
    ok(good.returncode == 0 and good.stdout.startswith("good: "),
       f"schema {version}: the log verifies", (good.stdout + good.stderr)[:90])
    (brevet.root / f"log-{version}").mkdir()
    done = brevet.cli("audit", "export", brevet.root / f"log-{version}", "--db", copy)
    ok(done.returncode == 0, f"schema {version}: the log is exported", done.stderr)
    with contextlib.closing(sqlite3.connect(copy)) as there:
        there.execute("UPDATE audit SET entry = (SELECT entry FROM audit WHERE idx = 2) WHERE idx = 1")
        there.commit()
    forged = brevet.cli("audit", "verify", "--db", copy)
    ok(forged.returncode == 1 and "NOT GOOD" in forged.stdout, f"schema {version}: a forged log does not",
       forged.stdout[:60])
    copy.write_bytes(octets)
    done = brevet.cli("restore", copy)
    ok(done.returncode == 0, f"schema {version}: restored", done.stderr)
    ok(copy.read_bytes() == octets, f"schema {version}: the backup stays as it was")
    now = schema_of(brevet.dir / "db/brevet.db")
    ok(now == was, f"schema {version}: brought up to what a new database has", str(now[0]))
    good, text = brevet.verify_audit()
    ok(good, f"schema {version}: restored, the audit log verifies", text[:90])
    brevet.start()
    issue(brevet, brevet.token("--device", f"after-{version}"), [f"after-{version}"])
    brevet.stop()


def of_newer_release(brevet):
    copy = brevet.root / "newer.db"
    shutil.copy(brevet.dir / "db/brevet.db", copy)
    with contextlib.closing(sqlite3.connect(copy)) as there:
        there.execute(f"PRAGMA user_version = {len(older()) + 2}")
    before = (brevet.dir / "db/brevet.db").read_bytes()
    for words in (("restore", copy), ("audit", "verify", "--db", copy)):
        refused = brevet.cli(*words)
        ok(refused.returncode != 0 and "newer Brevet" in refused.stderr,
           f"{words[0]}: a newer release's database is refused", refused.stderr.strip()[-120:])
    ok((brevet.dir / "db/brevet.db").read_bytes() == before, "… and nothing was changed")


def moved_aside(brevet):
    """A database with its write-ahead log beside it: what is in the log counts."""
    brevet.start()
    issue(brevet, brevet.token("--device", "in-the-log"), ["in-the-log"])
    for name in ("core", "signer", "door"):
        for pid in brevet.roles().get(name, []):
            os.kill(pid, signal.SIGSTOP)
    old = brevet.root / "aside.db"
    for tail in ("", "-wal"):
        shutil.copy(f"{brevet.dir}/db/brevet.db{tail}", f"{old}{tail}")
    for name in ("core", "signer", "door"):
        for pid in brevet.roles().get(name, []):
            os.kill(pid, signal.SIGCONT)
    brevet.stop()
    done = brevet.cli("restore", old, "--accept-loss")
    ok(done.returncode == 0, "a database with its log beside it: restored", done.stderr)
    brevet.start()
    ok(brevet.cli_json("cert", "list", "--device", "in-the-log")["rows"], "… with what is in the log")
    brevet.stop()


if __name__ == "__main__":
    main()
