"""brevet passphrase change is all or nothing: it is killed at every call that
changes a file, and the disk is full from every such call on. Whatever happened,
one passphrase opens every key, the configuration's own, and the log verifies."""
import os
import pathlib
import re
import shutil

import subprocess
import tempfile

from harness import BIN, SANITIZED, finish, ok, run

if SANITIZED:
    print("1..0 # SKIP nothing may be loaded before a sanitizer")
    raise SystemExit(0)

work = pathlib.Path(tempfile.mkdtemp(prefix="brevet-passphrase."))
whole = work / "whole"
OLD, NEW = "the old passphrase", "the new passphrase"
(work / "new").write_text(NEW + "\n")
(work / "new").chmod(0o600)
stopat = work / "stopat.so"
run("cc", "-shared", "-fPIC", "-O1", "-o", stopat,
    pathlib.Path(__file__).with_name("stopat.c"), "-ldl", check=True)
user = "--user root" if os.geteuid() == 0 else ""
secret = work / "old"
secret.write_text(OLD + "\n")
secret.chmod(0o600)
with open(secret, "rb") as old:
    # a pipe is kept in DIR/passphrase
    made = run("sh", "-c", f"cat {secret} | {BIN['brevet']} init --dir {whole} --name P --host localhost "
               f"--https 127.0.0.1:0 --http 127.0.0.1:0 --passphrase-file /dev/stdin {user}", stdin=old)
ok(made.returncode == 0 and (whole / "passphrase").read_text().strip() == OLD,
   "an installation with its passphrase in a file", made.stderr[-160:])


def opens(path, passphrase):
    return run("openssl", "pkey", "-in", path, "-passin", f"pass:{passphrase}", "-noout").returncode == 0


def sealed(folder):
    return sorted(p for p in (folder / "ca").iterdir() if p.suffix in (".key",) or p.name.startswith("ocsp-")
                  and p.suffix == ".pem")


def change(folder, **env):
    return run(BIN["brevet"], "--dir", folder, "passphrase", "change", "--new-passphrase-file", work / "new",
               env={**os.environ, **env, "LD_PRELOAD": str(stopat)}, stdin=subprocess.DEVNULL)


def judge(folder):
    """What the keys are under once a server has looked: OLD, NEW or a fault."""
    check = run(BIN["brevetd"], "--dir", folder, "--check")
    if check.returncode != 0:
        return "not startable: " + (check.stderr + check.stdout)[-200:]
    told = (folder / "passphrase").read_text().strip()
    # --check has opened the keys; the responders' are the rest
    wrong = [p.name for p in sealed(folder) if p.suffix == ".pem" and not opens(p, told)]
    return told if not wrong else f"{told} does not open {wrong}"


def trial(text, **env):
    folder = work / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder, symlinks=True)
    done = change(folder, **env)
    return done, judge(folder), folder


def walk(what, variable, step):
    """The calls in turn, until none is left to be hit."""
    seen, faults, tried = set(), [], 0
    for n in range(1, 400, step):
        done, verdict, folder = trial(what, **{variable: str(n)})
        hit = done.returncode != 0
        if not hit:
            break
        tried += 1
        seen.add(verdict)
        if verdict not in (OLD, NEW):
            faults.append(f"{n}: {verdict}")
        if variable == "FULL_AT" and verdict == OLD and list(folder.rglob("*.rekey")):
            faults.append(f"{n}: left files behind")
        if verdict == OLD and n % 7 == 1:
            again = change(folder)
            if again.returncode != 0 or judge(folder) != NEW:
                faults.append(f"{n}: the next attempt failed: {again.stderr[-120:]}")
    return tried, seen, faults


def audit_verifies(folder):
    return run(BIN["brevet"], "--dir", folder, "audit", "verify").returncode == 0


(work / "new").write_text(OLD + "\n")
ok(change(whole).returncode == 3, "the same one again is refused")
(work / "new").write_text(NEW + "\n")
(work / "wrong").write_text("wrong\n")
refused = run(BIN["brevet"], "--dir", whole, "passphrase", "change", "--old-passphrase-file", work / "wrong",
              "--new-passphrase-file", work / "new")
ok(refused.returncode != 0 and "passphrase" in refused.stderr, "so is a wrong old one", refused.stderr[-160:])
ok(judge(whole) == OLD and not list(whole.rglob("*.rekey")), "and nothing was changed")

done, verdict, folder = trial("undisturbed")
ok(done.returncode == 0 and verdict == NEW, "undisturbed it changes all", verdict)
ok(audit_verifies(folder), "the log verifies")
ok(not list(folder.rglob("*.rekey")) and not (folder / "ca/passphrase.change").exists(), "nothing is left beside")
ok(sealed(folder) and all((p.stat().st_mode & 0o777) == 0o600 for p in sealed(folder)), "only their owner reads the keys")
wanted = len(sealed(folder))
said = re.search(r"Sealed anew: (\d+) files", done.stdout)
ok(said and int(said[1]) == wanted + 1, "every key and the passphrase's file", done.stdout)

tried, seen, faults = walk("killed", "STOP_AT", 1)
ok(tried > 20, f"killed at each of {tried} calls")
ok(not faults, "all or nothing, and the next attempt works", "; ".join(faults[:3]))
ok({OLD, NEW} <= seen, "it was hit before and after the decision", str(seen))

tried, seen, faults = walk("full", "FULL_AT", 3)
ok(tried > 10, f"a full disk at each of {tried} calls")
ok(not faults, "nothing changed, nothing left behind", "; ".join(faults[:3]))
shutil.rmtree(work)
finish()
