"""The walls between the roles, as root and with a system user for each: what a
process is (its /proc), what each user can open, and that everything works over
those walls: enrolment, status, revocation, reload, kill -9, restore."""
import atexit
import fcntl
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import urllib.request

from harness import BIN, SANITIZED, Brevet, cert_of, finish, new_csr, ok, run, until

SOURCE = pathlib.Path(__file__).parents[2]
VERSION = int(re.search(r"#define PROC_MSG_VERSION (\d+)",
                        (SOURCE / "src/proc/channel.h").read_text())[1])
USERS = {role: f"brevet-{role}" for role in ("core", "signer", "door")}


def ids(user):
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid


# --- the users ---

def only_one_of_us():
    """Users are the whole machine's: a second run waits for the first."""
    lock = open("/run/brevet-users.lock", "w")  # wherever TMPDIR points
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def a_folder():
    """That the roles' users can get to, unlike the other tests'."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="brevet-users."))
    folder.chmod(0o755)
    return folder


def remove_users(users=tuple(USERS.values())):
    for user in users:  # another program may hold the lock of /etc/passwd
        until(lambda: run("userdel", user).returncode == 0 or not ids(user), 20, 0.1)


def without_users(folder):
    """Refused until they are made, with the very command that is then run."""
    made = run(BIN["brevet"], "init", "--dir", folder / "none", "--name", "None")
    said = made.stdout + made.stderr
    ok(made.returncode == 1 and all(u in said for u in USERS.values()) and "--user root" in said,
       "init by root without the users is refused, and says how to make them", said[:90])
    ok(not list(folder.iterdir()), "… and leaves nothing behind")
    secret = folder / "pass"
    secret.write_text("a passphrase\n")
    secret.chmod(0o600)
    init = [BIN["brevet"], "init", "--dir", folder / "one", "--name", "One", "--passphrase-file", secret]
    made = run(*init, "--user", "root")
    ok(made.returncode == 0, "init --user root goes without", made.stderr[:90])
    conf = folder / "one/brevet.conf"
    ok(run(BIN["brevetd"], "--dir", folder / "one", "--check").returncode == 0, "… and so does a start")
    conf.write_text(conf.read_text().replace('user = "root"\n', ""))
    for more in ([], ["--check"]):
        begun = run(BIN["brevetd"], "--dir", folder / "one", *more)
        log = begun.stdout + begun.stderr
        ok(begun.returncode == 1 and "useradd" in log and "brevet.conf" in log,
           f"a start{' --check' if more else ''} without the setting is refused", log[:90])
    command = re.search(r"do: (for .*; done)", said)
    atexit.register(remove_users)
    made = run("sh", "-c", command[1] if command else "false")
    ok(made.returncode == 0 and all(ids(u) for u in USERS.values()), "the command it names makes them",
       made.stderr[:90])
    begun = run(BIN["brevetd"], "--dir", folder / "one")
    log = begun.stdout + begun.stderr
    ok(begun.returncode == 1 and "chown -R brevet-core:" in log, "a database that is root's is refused", log[-120:])


def make_users():
    missing = [u for u in USERS.values() if not ids(u)]
    for user in missing:
        atexit.register(remove_users, [user])
        subprocess.run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", user], check=True)


# --- what each process is ---

def fields(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def processes(brevet):
    for role, user in USERS.items():
        pids = brevet.roles().get(role, [])
        ok(pids, f"{role} runs")
        for pid in pids:
            uid, gid = ids(user)
            f = fields(pid)
            ok(f["Uid"].split() == [str(uid)] * 4 and f["Gid"].split() == [str(gid)] * 4,
               f"{role} runs as {user}, in every way", f'{f["Uid"]} / {f["Gid"]}')
            ok(f["Groups"].strip() == "", f"{role} is in no other group", f["Groups"])
            caps = {c: f[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
            ok(all(int(v, 16) == 0 for v in caps.values()), f"{role} has no capability and cannot get one", str(caps))
            owner = pathlib.Path(f"/proc/{pid}/maps").stat().st_uid
            if SANITIZED:
                continue
            ok(f["NoNewPrivs"] == "1" and f["Seccomp"] == "2", f"{role}: no new privileges, seccomp",
               f'{f["NoNewPrivs"]} {f["Seccomp"]}')
            # the kernel gives the files of a process that is not dumpable to root
            ok(owner == 0 and f.get("CoreDumping", "0") == "0", f"{role} cannot be dumped or traced", str(owner))
            core = re.search(r"Max core file size\s+(\d+)\s+(\d+)", pathlib.Path(f"/proc/{pid}/limits").read_text())
            ok(core[1] == core[2] == "0", f"{role} writes no core file")


def open_files(pid):
    """{path: may write} of what it holds open in the file system."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        to = os.readlink(entry)
        if not to.startswith("/") or to.startswith(("/dev/", "/memfd:")):
            continue
        flags = int(re.search(r"flags:\t(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text())[1], 8)
        found[to] = flags & os.O_ACCMODE != os.O_RDONLY
    return found


def descriptors(brevet):
    readable = {"signer": {"db/status.map"}, "door": {"db/status.map", "crl/issuing.crl", "crl/root.crl"}}
    for role, allowed in readable.items():
        for pid in brevet.roles()[role]:
            held = open_files(pid)
            held.pop(str(brevet.log), None)
            ok({str(brevet.dir / p) for p in allowed} == set(held) and not any(held.values()),
               f"{role} holds {', '.join(sorted(allowed))} for reading, and nothing else", str(held))
    held = open_files(brevet.roles()["core"][0])
    outside = [p for p in held if p != str(brevet.log)
               and not p.startswith(tuple(str(brevet.dir / d) for d in ("db/", "crl/", "tls/")))]
    ok(not outside, "core holds nothing outside of db, crl and tls", str(outside))


# --- what each user can open ---

def as_user(user, action):
    """What action() returns, a list of texts, in a process of this user."""
    uid, gid = ids(user)
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.write(theirs, "\n".join(action()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return set(text.split("\n")) - {""}


def openable(paths, flags):
    def attempt():
        found = []
        for path in paths:
            try:
                os.close(os.open(path, flags | os.O_NONBLOCK))
                found.append(str(path))
            except OSError:
                pass
        return found
    return attempt


def makeable(folders):
    def attempt():
        found = []
        for folder in folders:
            try:
                path = os.path.join(folder, "probe")
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                os.unlink(path)
                found.append(str(folder))
            except OSError:
                pass
        return found
    return attempt


def files(brevet):
    everything = sorted(p for p in brevet.dir.rglob("*"))
    plain = [p for p in everything if stat.S_ISREG(p.lstat().st_mode)]
    folders = [brevet.dir, *[p for p in everything if p.is_dir()]]
    name = {str(p): str(p.relative_to(brevet.dir)) for p in [*plain, *folders]}
    public = {str(p) for p in plain
              if re.fullmatch(r"brevet\.conf|ca/[a-z]+\.crt|ca/log\.pub|crl/[a-z]+\.crl", name[str(p)])}
    cores = {str(p) for p in plain if re.match(r"(db|tls|crl)/", name[str(p)])}
    secrets = {str(p) for p in plain if re.search(r"\.key$|^ca/ocsp-", name[str(p)])} | {str(brevet.root / "pass")}
    ok({"ca/issuing.key", "ca/root.key", "ca/log.key", "ca/ocsp-issuing.pem", "db/brevet.db", "tls/server.pem"}
       <= set(name.values()), "all that is to be guarded is there")
    want = {"core": (public | cores, cores), "signer": (public, set()), "door": (public, set())}
    for role, user in USERS.items():
        reads = as_user(user, openable([*plain, brevet.root / "pass"], os.O_RDONLY))
        writes = as_user(user, openable([*plain, brevet.root / "pass"], os.O_WRONLY))
        makes = as_user(user, makeable(folders))
        ok(reads == want[role][0], f"{user} reads what is public{' and its own' if role == 'core' else ''}, no more",
           f"{len(reads)} of {len(plain)}; {sorted(reads ^ want[role][0])}")
        ok(writes == want[role][1], f"{user} writes {'its own' if role == 'core' else 'nothing'}",
           f"{sorted(writes ^ want[role][1])}")
        ok({name[m] for m in makes} == ({"db", "crl", "tls"} if role == "core" else set()),
           f"{user} makes files in {'db, crl and tls' if role == 'core' else 'no folder'}", str(sorted(makes)))
        ok(not reads & secrets, f"{user} reads no key and no passphrase")
        others = [f"/proc/{pid}/{what}" for r, pids in brevet.roles().items() for pid in pids
                  for what in ("mem", "environ", "maps", "fd/3")]
        ok(not as_user(user, openable(others, os.O_RDONLY)), f"{user} sees into no process of the daemon")


def modes(brevet):
    core = ids("brevet-core")[0]
    want = {"ca": (0, 0o755), "tls": (core, 0o700), "db": (core, 0o700), "crl": (core, 0o755), "run": (0, 0o755)}
    for name, (owner, mode) in want.items():
        st = (brevet.dir / name).stat()
        ok((st.st_uid, st.st_mode & 0o777) == (owner, mode), f"{name}/ has owner and mode", f"{st.st_uid} {st.st_mode:o}")
    for name in ("db", "tls"):
        bad = [p.name for p in (brevet.dir / name).iterdir()
               if p.stat().st_uid != core or p.stat().st_mode & 0o077]
        ok(not bad, f"every file in {name}/ is core's alone", str(bad))
    bad = [p.name for p in (brevet.dir / "ca").iterdir()
           if p.stat().st_uid != 0 or (p.suffix in (".key", ".pem") and p.stat().st_mode & 0o077)]
    ok(not bad, "every file in ca/ is root's, keys for it alone", str(bad))


def a_trap(brevet):
    """Core's user turns the file that root reads for the door into a link to
    a secret, and into a pipe: no reload may hand it over or wait."""
    path, kept = brevet.dir / "tls/server.pem", brevet.dir / "tls/kept"
    os.rename(path, kept)
    target = brevet.root / "pass"
    uid, gid = ids("brevet-core")
    for what, make in (("a symbolic link", lambda: os.symlink(target, path)), ("a hard link", lambda: os.link(target, path)),
                       ("a pipe", lambda: os.mkfifo(path))):
        make()
        os.chown(path, uid, gid, follow_symlinks=False) if what != "a hard link" else None
        mark = brevet.log.stat().st_size
        brevet.daemon.send_signal(signal.SIGHUP)
        said = until(lambda: next((l for l in brevet.log.read_text()[mark:].splitlines() if "reloaded" in l), None), 10)
        ok(said and "not reloaded" in said and "tls/server.pem" in said, f"{what} in core's folder is not followed by root",
           str(said)[-110:])
        os.unlink(path)
    os.rename(kept, path)
    ok(reloaded(brevet), "the file put back, it reloads")


# --- that it works ---

def reloaded(brevet):
    mark = brevet.log.stat().st_size
    brevet.daemon.send_signal(signal.SIGHUP)
    return until(lambda: "parent info reloaded" in brevet.log.read_text()[mark:], 10)


def ocsp(brevet, cert, status):
    done = run("openssl", "ocsp", "-issuer", brevet.dir / "ca/issuing.crt", "-cert", cert, "-CAfile",
               brevet.dir / "ca/root.crt", "-url", f"http://127.0.0.1:{brevet.http}/ocsp")
    return f": {status}" in done.stdout + done.stderr


def crl_text(brevet):
    with urllib.request.urlopen(f"http://127.0.0.1:{brevet.http}/crl/issuing.crl", timeout=10) as answer:
        path = brevet.root / "seen.crl"
        path.write_bytes(answer.read())
    return run("openssl", "crl", "-inform", "DER", "-in", path, "-noout", "-text").stdout


def enrols(brevet, secret, name):
    _, csr = new_csr(brevet.root, name)
    try:
        status, _, body = brevet.enroll(csr, secret)
    except OSError:
        return None
    if status != 200:
        return None
    cert_of(body, brevet.root / f"{name}.crt")
    return brevet.root / f"{name}.crt"


def serves(brevet, secret, name):
    cert = until(lambda: enrols(brevet, secret, name), 10)
    ok(cert, f"{name}: enrols")
    ok(cert and until(lambda: ocsp(brevet, cert, "good"), 10), f"{name}: OCSP says good")
    ok(brevet.cli("cert", "revoke", "--device", name, "--reason", "keyCompromise").returncode == 0, f"{name}: revoked")
    ok(until(lambda: ocsp(brevet, cert, "revoked"), 10), f"{name}: OCSP says revoked")
    brevet.cli("crl", "publish", "issuing")
    serial = run("openssl", "x509", "-in", cert, "-noout", "-serial").stdout.strip().split("=")[1]
    ok(until(lambda: serial in crl_text(brevet), 10), f"{name}: the CRL lists it")


def heals(brevet, secret, when):
    for role, user in USERS.items():
        before = brevet.roles()[role][0]
        os.kill(before, signal.SIGKILL)
        back = until(lambda: brevet.roles().get(role, [before])[0] != before
                     and enrols(brevet, secret, f"{when}-{role}"), 10)
        pid = brevet.roles()[role][0]
        ok(back and fields(pid)["Uid"].split()[0] == str(ids(user)[0]), f"{when}: {role} killed, it is back as {user}")


def outsiders(brevet):
    """On the control socket everybody may knock; who is let in is core's to say."""
    for user in USERS.values():
        done = run(BIN["brevet"], "--dir", brevet.dir, "status", user=ids(user)[0], group=ids(user)[1], extra_groups=[])
        ok(done.returncode != 0 and "may not use" in done.stderr + done.stdout, f"{user} may not use brevet(1)",
           (done.stderr + done.stdout)[:80])
    mark = brevet.log.stat().st_size
    told = ask_at_length(brevet.dir / "run/control.sock")
    lines = brevet.log.read_text()[mark:].count("control request refused")
    ok(told in (b"0", b"1") and lines == 1, "who asks a thousand times is refused once, in one line of the log",
       f"{told} {lines}")
    crowd, told = a_crowd(brevet.dir / "run/control.sock")
    ok(told == b"100", "a hundred knock and stay")
    done = brevet.cli("status")
    ok(done.returncode == 0, "who may is let in all the same", done.stderr[:80])
    os.kill(crowd, signal.SIGKILL)
    os.waitpid(crowd, 0)


def ask_at_length(path):
    """As nobody, a thousand questions in one write: how many are answered."""
    question = b'{"verb":"status","args":{}}'
    uid, gid = ids("nobody")[:2]
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        got = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(path))
            try:
                s.sendall(b"".join(struct.pack(">IHHQ", len(question), 50, VERSION, i) + question
                                   for i in range(1000)))
                while more := s.recv(65536):
                    got += more
            except OSError:
                pass
        os.write(say, b"%d" % got.count(b'"ok":false'))
        os._exit(0)
    os.close(say)
    told = os.read(hear, 10)
    os.close(hear)
    os.waitpid(pid, 0)
    return told


def a_crowd(path):
    """A process of nobody's that holds a hundred connections."""
    uid, gid = ids("nobody")[:2]
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        held = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for one in held:
            one.connect(str(path))
        os.write(say, b"%d" % len(held))
        signal.pause()
    os.close(say)
    told = os.read(hear, 10)
    os.close(hear)
    return pid, told


def restores(brevet):
    copy = brevet.root / "backup"
    ok(brevet.cli("backup", "--out", copy).returncode == 0, "a backup")
    brevet.stop()
    # what a core that ran somebody else's code could have left behind
    victim = brevet.root / "roots-own"
    victim.write_text("as it was\n")
    trap = brevet.dir / "db/restore.db.lock"
    trap.unlink(missing_ok=True)
    trap.symlink_to(victim)
    done = brevet.cli("restore", copy, "--accept-loss")
    ok(done.returncode == 1 and victim.read_text() == "as it was\n",
       "root is not led out of db by a link", (done.stdout + done.stderr)[-120:])
    trap.unlink()
    done = brevet.cli("restore", copy, "--accept-loss")
    ok(done.returncode == 0, "a restore by root", (done.stdout + done.stderr)[-120:])
    ok((brevet.dir / "db/brevet.db").stat().st_uid == (brevet.dir / "db").stat().st_uid,
       "the restored database is core's")


def unit_capabilities():
    unit = (SOURCE / "dist/systemd/brevetd.service").read_text()
    names = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].split()
    return ",".join(["-all"] + ["+" + n.removeprefix("CAP_").lower() for n in names])


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root, who alone can give each role a user of its own")
        return
    lock = only_one_of_us()
    folder = a_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # an end from outside, too, takes along the users that were made
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if any(ids(u) for u in USERS.values()):
        print("# the users are there already: what happens without them is not tried")
    else:
        without_users(folder)
    make_users()
    root = a_folder()
    root.chmod(0o700)
    closed = run(BIN["brevet"], "init", "--dir", root / "ca", "--name", "Closed")
    ok(closed.returncode == 1 and "brevet-core" in closed.stderr and not list(root.iterdir()),
       "init where core could not get in is refused", closed.stderr[:90])
    root.chmod(0o755)
    brevet = Brevet(root=root, own_users=True)
    brevet.start()
    ok("missing walls: one user" not in brevet.log.read_text(), "no user is said to be missing")
    secret = brevet.token("--group", "users", "--uses", "1000", "--expires", "1d")
    processes(brevet)
    serves(brevet, secret, "first")
    descriptors(brevet)
    files(brevet)
    modes(brevet)
    outsiders(brevet)
    a_trap(brevet)
    heals(brevet, secret, "before")
    ok(reloaded(brevet), "it reloads")
    restores(brevet)
    # and with no more than the unit leaves it, making anew what was lost
    (brevet.dir / "ca/ocsp-issuing.pem").unlink()
    brevet.start(before=["setpriv", "--bounding-set", unit_capabilities(), "--inh-caps", "-all", "--no-new-privs"])
    serves(brevet, secret, "second")
    heals(brevet, secret, "after")
    ok(until((brevet.dir / "ca/ocsp-issuing.pem").exists, 10), "the signer's new key is kept")
    modes(brevet)
    ok(brevet.stop() == 0, "it ends with status 0")
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    lock.close()
    finish()


if __name__ == "__main__":
    main()
