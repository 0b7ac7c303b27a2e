"""The disk fills up, the database turns read-only, a page is damaged: nothing is
half done, the operator is told what to do, and service resumes by itself."""
import atexit
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tempfile

from harness import BIN, BUILD, Brevet, cert_of, finish, new_csr, ok, run, until


def enroll_status(brevet, secret, name):
    _, csr = new_csr(brevet.root, name)
    try:
        return brevet.enroll(csr, secret)[0]
    except OSError:
        return 0


def fill(path):
    """Writes until not one octet more fits."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for size in (1 << 20, 4096, 1):
        try:
            while os.write(fd, b"\0" * size) > 0:
                pass
        except OSError:
            continue
    os.close(fd)


def small_disk(size):
    root = pathlib.Path(tempfile.mkdtemp(prefix="brevet-fault."))
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", root, check=True)
    atexit.register(run, "umount", "-l", root)
    brevet = Brevet(root=root)
    brevet.log = pathlib.Path(tempfile.mkdtemp(prefix="brevet-log.")) / "log"
    atexit.register(shutil.rmtree, brevet.log.parent, True)
    return brevet


def disk_full():
    """A small tmpfs as the state directory, filled to the last octet."""
    brevet = small_disk("24m")
    brevet.start()
    secret = brevet.token("--group", "disk", "--uses", "10000", "--expires", "1d")
    keys = brevet.log.parent
    _, before = new_csr(keys, "before")
    status, _, body = brevet.enroll(before, secret)
    ok(status == 200, "disk full: enrols before")
    first = cert_of(body, keys / "before.crt")[1]
    csrs = [new_csr(keys, f"full-{n}")[1] for n in range(60)]
    number = crl_number(brevet)
    fill(brevet.root / "ballast")
    pids = sorted(brevet.pids())
    statuses = [brevet.enroll(csr, secret)[0] for csr in csrs]
    ok(set(statuses) <= {200, 503} and statuses[-1] == 503,
       "disk full: enrolment is refused with 503", str(statuses[-5:]))
    status, fields, text = brevet.enroll(csrs[-1], secret)
    ok(status == 503 and "Retry-After" in fields, "disk full: the client is told to come back",
       f"{status} {text[:80]}")
    ok(brevet.ready(), "disk full: reading goes on")
    ok(brevet.http_get("/crl/issuing.crl")[0] == 200, "disk full: the CRL is served")
    revoked = brevet.cli("cert", "revoke", first)
    published = brevet.cli("crl", "publish", "issuing")
    told = ocsp_status(brevet, keys / "before.crt")
    ok(told == ("revoked" if revoked.returncode == 0 else "good"),
       "disk full: a revocation is reported as what it is",
       f"revoke {revoked.returncode} {revoked.stderr.strip()[:80]}, OCSP {told}")
    ok(published.returncode != 0 or crl_number(brevet) > number,
       "disk full: a CRL is reported as published only when it is",
       f"publish {published.returncode} {published.stderr.strip()[:80]}")
    ok(crl_is_whole(brevet), "disk full: the published CRL is whole")
    ok(sorted(brevet.pids()) == pids, "disk full: no process died", str(pids))
    os.unlink(brevet.root / "ballast")
    ok(until(lambda: brevet.enroll(csrs[-1], secret)[0] == 200, 15),
       "disk full: enrols again once there is room, without a restart")
    issued = {cert_of(brevet.enroll(csr, secret)[2])[1] for csr in csrs}
    ok(len(issued) == 60, "disk full: repeats give each its own certificate")
    ok(brevet.cli("cert", "revoke", first).returncode == 0, "disk full over: revokes")
    ok(until(lambda: crl_number(brevet) > number and crl_lists(brevet, first), 20),
       "disk full over: the CRL lists it without being asked to")
    ok(brevet.stop() == 0, "disk full over: stops in good order")
    good, text = brevet.verify_audit()
    ok(good, "disk full: the audit log verifies", text)


def full_at_start():
    """Full before the daemon starts: it waits for room or says so."""
    brevet = small_disk("8m")
    brevet.start()
    secret = brevet.token("--group", "disk", "--uses", "100", "--expires", "1d")
    brevet.stop()
    fill(brevet.root / "ballast")
    _, csr = new_csr(brevet.log.parent, "full-start")
    brevet.start(wait=False)
    until(lambda: "DISK_FULL" in text_of(brevet), 15)
    ok("DISK_FULL" in text_of(brevet), "full at start: the log says so",
       next((l for l in text_of(brevet).splitlines() if "DISK_FULL" in l), "")[-160:])
    os.unlink(brevet.root / "ballast")

    def enrolled():
        try:
            return brevet.enroll(csr, secret)[0] == 200
        except OSError:
            return False
    ok(until(enrolled, 20), "full at start: serves once there is room, without help")
    brevet.stop()


def map_growth():
    """The status map needs another megabyte and there is none: a commit that
    could not be shown in it is not made."""
    brevet = small_disk("16m")
    brevet.stop()
    # the numbers up to just below the map's end are used up
    brevet.start()
    secret = brevet.token("--group", "map", "--uses", "1000", "--expires", "1d")
    brevet.stop()
    db = brevet.dir / "db/brevet.db"
    words = ((brevet.dir / "db/status.map").stat().st_size - 4096) // 8
    moved = run("sqlite3", db, f"UPDATE counter SET n = {words - 4} WHERE name = 'next_seq'")
    ok(moved.returncode == 0, "map growth: the numbers are moved ahead", moved.stderr)
    fill(brevet.root / "ballast")
    with open(brevet.root / "ballast", "r+b") as ballast:  # room for the database only
        ballast.truncate(ballast.seek(0, 2) - 700000)
    brevet.start()
    csrs = [new_csr(brevet.log.parent, f"map-{n}")[1] for n in range(8)]
    statuses = [brevet.enroll(csr, secret)[0] for csr in csrs]
    ok(200 in statuses and statuses[-1] == 503, "map growth: refused where the map ends", str(statuses))
    os.unlink(brevet.root / "ballast")
    statuses = [brevet.enroll(csr, secret)[0] for csr in csrs]
    ok(statuses == [200] * 8, "map growth: goes on with room", str(statuses))
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "map growth: the audit log verifies", text)


def crl_text(brevet):
    status, _, body = brevet.http_get("/crl/issuing.crl")
    shown = subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-text",
                            "-CAfile", str(brevet.dir / "ca/issuing.crt")],
                           input=body, capture_output=True, check=False)
    return shown.returncode, shown.stdout.decode() + shown.stderr.decode()


def crl_number(brevet):
    return int(re.search(r"CRL Number: *\n *(\w+)", crl_text(brevet)[1])[1], 0)


def ocsp_status(brevet, cert):
    done = run("openssl", "ocsp", "-issuer", brevet.dir / "ca/issuing.crt", "-cert", cert,
               "-url", f"http://127.0.0.1:{brevet.http}/ocsp", "-CAfile", brevet.dir / "ca/root.crt")
    found = re.search(r"\.crt: (\w+)", done.stdout)
    return found[1] if found else (done.stdout + done.stderr)[-100:]


def crl_is_whole(brevet):
    code, text = crl_text(brevet)
    return code == 0 and "verify OK" in text


def crl_lists(brevet, serial):
    return serial.upper() in crl_text(brevet)[1]


def read_only():
    """A database that cannot be written (as after a remount): the daemon starts
    or refuses with a clear line, but never pretends."""
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "ro", "--uses", "10", "--expires", "1d")
    brevet.stop()
    db = brevet.dir / "db"
    run("mount", "--bind", db, db, check=True)
    run("mount", "-o", "remount,ro,bind", db, check=True)
    try:
        brevet.start(wait=False)
        until(lambda: brevet.daemon.poll() is not None or "read-only" in text_of(brevet)
              or "cannot be written" in text_of(brevet), 15)
        said = text_of(brevet)
        ok("read-only" in said or "cannot be written" in said,
           "read-only database: the log says so and what to do",
           next((l for l in said.splitlines() if "read-only" in l or "cannot be written" in l), "")[-160:])
        ok(enroll_status(brevet, secret, "ro-1") != 200, "read-only database: nothing is issued")
    finally:
        brevet.stop()
        run("umount", db)
    brevet.start()
    ok(enroll_status(brevet, secret, "ro-2") == 200, "writable again: enrols")
    brevet.stop()


def own_ext4():
    """A file system of our own, which can be made to abort; None where loop
    devices cannot be mounted."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="brevet-log."))
    root = pathlib.Path(tempfile.mkdtemp(prefix="brevet-fault."))
    atexit.register(shutil.rmtree, folder, True)
    image = folder / "image"
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    made = run("mkfs.ext4", "-q", image)
    if made.returncode == 0:
        made = run("mount", "-o", "loop", image, root)
    if made.returncode != 0:
        print(f"# read-only under way: not tried, no file system of our own: {made.stderr.strip()[:100]}")
        root.rmdir()
        return None
    atexit.register(run, "rmdir", root)
    atexit.register(run, "umount", "-l", root)
    brevet = Brevet(root=root)
    brevet.log = folder / "log"
    return brevet


def read_only_under_way():
    """The file system turns read-only under a running daemon, as after an error
    of its disk: a remount alone is refused while somebody writes."""
    brevet = own_ext4()
    if brevet is None:
        return
    what = "read-only under way"
    brevet.start()
    secret = brevet.token("--group", "row", "--uses", "100", "--expires", "1d")
    keys = brevet.log.parent
    status, _, body = brevet.enroll(new_csr(keys, "row-0")[1], secret)
    ok(status == 200, f"{what}: enrols before")
    serial = cert_of(body)[1]
    csrs = [new_csr(keys, f"row-{n}")[1] for n in range(1, 6)]
    doors = brevet.roles()["door"]
    run("sync", "-f", brevet.root, check=True)  # the test's own files, the passphrase
    run("mount", "-o", "remount,abort", brevet.root, check=True)
    ok(not writable(brevet.root), f"{what}: it is")
    statuses = [enroll_der(brevet, secret, csr) for csr in csrs]
    # not 503 as for a full disk: the database met an I/O error, which no waiting mends
    ok(set(statuses) <= {500, 503}, f"{what}: enrolment fails", str(statuses))
    ok(brevet.cli("cert", "revoke", serial).returncode != 0, f"{what}: a revocation is not reported as done")
    ok(brevet.ready() and brevet.http_get("/crl/issuing.crl")[0] == 200, f"{what}: reading goes on")
    ok(brevet.roles()["door"] == doors, f"{what}: no door died")
    said = [line for line in text_of(brevet).splitlines() if "error=" in line]
    ok(said, f"{what}: the log says so", said[0][-160:] if said else "")
    brevet.stop()
    run("umount", brevet.root, check=True)
    run("mount", "-o", "loop", keys / "image", brevet.root, check=True)
    brevet.start()
    issued = {cert_of(brevet.enroll(csr, secret)[2])[1] for csr in csrs}
    ok(len(issued) == 5, f"{what}, then mended: enrols", str(len(issued)))
    rows = {row["serial"].lower() for row in brevet.cli_json("cert", "list", "--limit", "1000")["rows"]}
    ok(issued | {serial} <= rows, f"{what}, then mended: nothing is missing")
    ok(brevet.stop() == 0, f"{what}, then mended: stops in good order")
    good, text = brevet.verify_audit()
    ok(good, f"{what}: the audit log verifies", text)


def enroll_der(brevet, secret, csr):
    try:
        return brevet.enroll(csr, secret)[0]
    except OSError:
        return 0


def writable(folder):
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    return True


def text_of(brevet):
    return brevet.log.read_text(errors="replace")


def damaged():
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "dmg", "--uses", "100", "--expires", "1d")
    for n in range(30):
        enroll_status(brevet, secret, f"dmg-{n}")
    brevet.stop()
    db = brevet.dir / "db/brevet.db"
    subprocess.run(["sqlite3", db, "PRAGMA wal_checkpoint(TRUNCATE)"], capture_output=True)
    size = db.stat().st_size
    with open(db, "r+b") as f:
        for page in range(2, size // 4096 - 1, 2):
            f.seek(page * 4096)
            f.write(os.urandom(512))
    brevet.start(wait=False)
    until(lambda: brevet.daemon.poll() is not None or "damaged" in text_of(brevet), 20)
    said = text_of(brevet)
    ok("damaged" in said, "damaged database: refused at start",
       next((l for l in said.splitlines() if "damaged" in l), "")[-200:])
    ok("restore" in said, "damaged database: says what to do")
    ok(enroll_status(brevet, secret, "dmg-x") != 200, "damaged database: nothing is issued")
    brevet.stop()


def sql(db, text):
    with contextlib.closing(sqlite3.connect(db, timeout=10)) as there, there:
        return there.execute(text).fetchall()


def rows(db):
    return [sql(db, f"SELECT count(*) FROM {table}")[0][0] for table in ("cert", "audit", "device", "revoked")]


def refused_insert():
    """The database takes no row of one kind: nothing leaves, nothing stays, and
    when it takes them again all goes on."""
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "ins", "--uses", "100", "--expires", "1d")
    db = brevet.dir / "db/brevet.db"
    _, _, body = brevet.enroll(new_csr(brevet.root, "ins-0")[1], secret)
    first = cert_of(body, brevet.root / "ins-0.crt")[1]
    pids = sorted(brevet.pids())
    for table in ("cert", "audit"):
        before = rows(db)
        csr = new_csr(brevet.root, f"ins-{table}")[1]
        sql(db, f"CREATE TRIGGER fault BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END")
        status, fields, text = brevet.enroll(csr, secret)
        ok(status == 503 and "Retry-After" in fields and b"MII" not in text,
           f"no row in {table}: no certificate leaves, the client is told to come back", f"{status} {text[:80]}")
        if table == "audit":
            revoked = brevet.cli("cert", "revoke", first)
            ok(revoked.returncode == 1 and ocsp_status(brevet, brevet.root / "ins-0.crt") == "good",
               f"no row in {table}: no revocation either", revoked.stderr.strip()[:80])
            pem = brevet.root / "ins-y.pem"
            pem.write_text(ssl.DER_cert_to_PEM_cert(new_csr(brevet.root, "ins-y")[1])
                           .replace("CERTIFICATE", "CERTIFICATE REQUEST"))
            issued = brevet.cli("cert", "issue", "--profile", "device", "--csr", pem)
            ok(issued.returncode == 1 and issued.stdout == "",
               f"no row in {table}: no certificate by hand", issued.stderr.strip()[:80])
            made = brevet.cli("token", "create", "--device", "ins-x")
            ok(made.returncode == 1 and made.stdout == "", f"no row in {table}: no claim code leaves",
               made.stderr.strip()[:80])
        ok(rows(db) == before, f"no row in {table}: nothing half done stays", f"{before} {rows(db)}")
        sql(db, "DROP TRIGGER fault")
        ok(brevet.enroll(csr, secret)[0] == 200, f"no row in {table}, over: the same request succeeds")
    ok(brevet.cli("cert", "issue", "--profile", "device", "--csr", pem).returncode == 0, "no row, over: issues by hand")
    ok(brevet.cli("cert", "revoke", first).returncode == 0, "no row, over: revokes")
    ok(sorted(brevet.pids()) == pids, "no row: no process died")
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "no row: the audit log verifies", text)


PAGE = 4096
TABLE_LEAF, INDEX_LEAF = 0x0D, 0x0A  # the first octet of a page


def pages_of(db, kind, octets=b""):
    data = db.read_bytes()
    return [at for at in range(PAGE, len(data), PAGE) if data[at] == kind and octets in data[at:at + PAGE]]


def destroy(db, pages):
    with open(db, "r+b") as f:
        for at in pages:
            f.seek(at)
            f.write(os.urandom(PAGE))


def ends_with_advice(brevet, what, ready):
    """The server ends by itself, says what to do, and does not come again for ever."""
    before = len(text_of(brevet))
    checked = brevet.cli("check")
    ok(checked.returncode == 1 and "damaged" in checked.stdout + checked.stderr,
       f"{what}: brevet check says so", (checked.stdout + checked.stderr).strip()[-120:])
    brevet.start(wait=False)
    ended = until(lambda: brevet.daemon.poll() is not None, 60)
    said = text_of(brevet)[before:]
    lines = said.splitlines()
    ok(ended and brevet.daemon.returncode == 1, f"{what}: the server ends")
    ok(("now it is checked whole" in said) == ready, f"{what}: found {'while it serves' if ready else 'at the start'}")
    ok("damaged" in lines[-1] and "brevet restore" in lines[-1], f"{what}: the last line says what to do", lines[-1])
    ok(said.count("role ended role=core") <= 2, f"{what}: core was not started over and over",
       str(said.count("role ended role=core")))
    brevet.stop()


def damaged_large():
    """One page of a database that is too large to be checked at each start."""
    brevet = Brevet()
    brevet.start()
    secret = brevet.token("--group", "dmg", "--uses", "100", "--expires", "1d")
    brevet.stop()
    db, copy = brevet.dir / "db/brevet.db", brevet.root / "copy.db"
    origin = (brevet.dir / "ca/log.pub").read_text().split("+")[0]
    run(BUILD / "tests/bench/fill", db, "1", origin, "10000", check=True)
    run("sqlite3", db, "PRAGMA wal_checkpoint(TRUNCATE)", check=True)
    ok(db.stat().st_size > 8 << 20, "large database", f"{db.stat().st_size} octets")
    shutil.copy(db, copy)
    serial = run("sqlite3", db, "SELECT hex(serial) FROM cert WHERE seq > 5000 LIMIT 1", check=True).stdout.strip()
    leaf = pages_of(db, TABLE_LEAF, bytes.fromhex(serial))
    ok(leaf, "large database: a page of certificates")
    destroy(db, leaf[:1])
    ends_with_advice(brevet, "large database, a damaged page", True)
    shutil.copy(copy, db)
    destroy(db, pages_of(db, INDEX_LEAF))
    ends_with_advice(brevet, "large database, damaged indexes", False)
    done = brevet.cli("restore", copy, "--accept-loss")
    ok(done.returncode == 0, "large database: restored", done.stderr)
    brevet.start()
    ok(enroll_status(brevet, secret, "dmg-new") == 200, "large database: serves again")
    ok(brevet.cli("check").returncode == 0, "large database: brevet check is content")
    ok(not list(db.parent.glob("*.doubt")), "large database: nothing is left in doubt")
    brevet.stop()


if __name__ == "__main__":
    if os.geteuid() != 0:  # mounting needs a namespace of one's own
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount",
                              sys.executable, "-B", *sys.argv])
    disk_full()
    full_at_start()
    map_growth()
    read_only()
    read_only_under_way()
    refused_insert()
    damaged()
    damaged_large()
    finish()
