"""The disk fills up, the database turns read-only, a page is damaged: nothing is
half done, the operator is told what to do, and service resumes by itself."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from harness import BIN, Brevet, cert_of, finish, new_csr, ok, run, until


def enroll_status(brevet, secret, name):
    _, csr = new_csr(brevet.root, name)
    try:
        return brevet.enroll(csr, secret)[0]
    except OSError:
        return 0


def disk_full():
    """A small tmpfs as the state directory, filled to the last octet."""
    if os.geteuid() != 0:
        ok(False, "disk full: needs root for a tmpfs")
        return
    root = pathlib.Path(tempfile.mkdtemp(prefix="brevet-fault."))
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", root, check=True)
    try:
        brevet = Brevet(root=root)
        brevet.log = pathlib.Path(tempfile.mktemp(prefix="brevet-log."))
        brevet.start()
        secret = brevet.token("--group", "disk", "--uses", "10000", "--expires", "1d")
        ok(enroll_status(brevet, secret, "before") == 200, "disk full: enrols before")
        keys = pathlib.Path(tempfile.mkdtemp(prefix="brevet-keys."))
        csrs = [new_csr(keys, f"full-{n}")[1] for n in range(60)]
        with open(root / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 4096)
                    ballast.flush()
            except OSError:
                pass
        statuses = [brevet.enroll(csr, secret)[0] for csr in csrs]
        ok(set(statuses) <= {200, 500, 503} and statuses[-1] in (500, 503),
           "disk full: refused with a server error, the daemon lives", str(statuses[-5:]))
        retry = brevet.enroll(csrs[-1], secret)
        ok(retry[0] == 503 and "Retry-After" in retry[1], "disk full: the client is told to come back",
           f"{retry[0]} {retry[2][:80]}")
        ok(brevet.ready(), "disk full: reading goes on")
        (root / "ballast").unlink()
        ok(until(lambda: brevet.enroll(csrs[-1], secret)[0] == 200, 15),
           "disk full: enrols again once there is room, without a restart")
        issued = {cert_of(brevet.enroll(csr, secret)[2])[1] for csr in csrs[-3:]}
        ok(len(issued) == 3, "disk full: repeats give each its own certificate")
        brevet.stop()
        good, text = brevet.verify_audit()
        ok(good, "disk full: the audit log verifies", text)
        brevet.log.unlink()
        shutil.rmtree(keys)
    finally:
        run("umount", "-l", root)


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


if __name__ == "__main__":
    disk_full()
    read_only()
    damaged()
    finish()
