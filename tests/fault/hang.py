"""Roles that run but do not get on, and roles that die as soon as they live.
A stopped role is ended and replaced; long work, a machine that slept and one
that hangs as a whole are not mistaken for that; the service manager's watchdog
hears the difference; and starts are put off longer each time."""
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from harness import BIN, Brevet, finish, new_csr, ok, until

LIMITS_H = (pathlib.Path(__file__).parents[2] / "src/base/limits.h").read_text()
PULSE_H = (pathlib.Path(__file__).parents[2] / "src/proc/pulse.h").read_text()


def limit(name):
    return int(re.search(rf"#define LIMIT_{name}\s+(\d+)", LIMITS_H)[1])


SILENT = limit("SILENT_MS") / 1000
FIRST, MOST, LIFE = (limit(f"BACKOFF_{n}_MS") for n in ("FIRST", "MOST", "LIFE"))
WORKS = re.findall(r"PULSE_[A-Z]+", PULSE_H[PULSE_H.index("enum pulse_work"):])
DISK = WORKS.index("PULSE_DISK")
# What a loaded machine may add to any wait; only a failure takes as long.
PATIENCE = 60


class Listener:
    """What systemd would be told."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}

    def heard(self):
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


def text_of(brevet, mark=0):
    return brevet.log.read_text(errors="replace")[mark:]


def one(brevet, role):
    return until(lambda: brevet.roles().get(role), PATIENCE)[0]


def settled(brevet):
    return until(lambda: all(brevet.roles().get(r) for r in ("core", "signer", "door")) and brevet.ready(), PATIENCE)


def enrols(brevet, secret, name):
    _, csr = new_csr(brevet.root, name)
    def attempt():
        try:
            return brevet.enroll(csr, secret, timeout=5)[0] == 200
        except OSError:
            return False
    return until(attempt, PATIENCE)


# --- one role hangs ---

def hung(brevet, secret, role):
    settled(brevet)
    before, mark = brevet.roles(), brevet.log.stat().st_size
    os.kill(before[role][0], signal.SIGSTOP)
    line = until(lambda: next((l for l in text_of(brevet, mark).splitlines() if "does not answer" in l), None),
                 SILENT + PATIENCE)
    ok(line and f"role={role}/0 pid={before[role][0]}" in line, f"{role} stopped: it is found out and ended",
       str(line)[25:])
    ok(until(lambda: brevet.roles().get(role, before[role]) != before[role], PATIENCE), f"{role} stopped: another comes")
    ok(enrols(brevet, secret, f"hung-{role}"), f"{role} stopped: the service is back, nobody helped")
    after = brevet.roles()
    ok([r for r in before if before[r] != after.get(r)] == [role], f"{role} stopped: no other was ended", str(after))


# --- what is no hang ---

def stop_all(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def asleep(brevet, secret):
    """Everything stops for longer than a role may be silent. The parent goes on
    first, and finds nobody having answered."""
    settled(brevet)
    before, mark = brevet.roles(), brevet.log.stat().st_size
    roles = [p for r, pids in before.items() if r != "parent" for p in pids]
    stop_all([brevet.daemon.pid, *roles])
    time.sleep(1.5 * SILENT)  # the time itself is the fault
    os.kill(brevet.daemon.pid, signal.SIGCONT)
    for pid in roles:
        os.kill(pid, signal.SIGCONT)
    ok(enrols(brevet, secret, "asleep"), "all of us stopped, then going on: it serves")
    time.sleep(3)  # longer than a question takes
    ok(brevet.roles() == before, "… with the same processes", str(brevet.roles()))
    ok("does not answer" not in text_of(brevet, mark), "… and nobody was blamed")


def stalled(brevet, secret, listener):
    """All roles stop, the parent does not: it waits, and tells nobody that all
    is well."""
    settled(brevet)
    listener.heard()
    ok(until(lambda: "WATCHDOG=1" in listener.heard(), PATIENCE), "the watchdog hears from a healthy daemon")
    before, mark = brevet.roles(), brevet.log.stat().st_size
    roles = [p for r, pids in before.items() if r != "parent" for p in pids]
    stop_all(roles)
    ok(until(lambda: "no role answers" in text_of(brevet, mark), SILENT + PATIENCE), "all roles stopped: it is noticed")
    listener.heard()
    time.sleep(SILENT)  # when any of them alone would be ended
    ok("WATCHDOG=1" not in listener.heard(), "all roles stopped: the watchdog hears nothing")
    ok(brevet.roles() == before, "all roles stopped: none is ended", str(brevet.roles()))
    for pid in roles:
        os.kill(pid, signal.SIGCONT)
    ok(until(lambda: "WATCHDOG=1" in listener.heard(), PATIENCE), "going on: the watchdog hears again")
    ok(enrols(brevet, secret, "stalled"), "going on: it serves")
    ok(brevet.roles() == before and "does not answer" not in text_of(brevet, mark), "going on: with the same processes")


def pulse_place(pid):
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "brevet-pulse" in line:
            return int(line.split("-")[0], 16)
    return None


def caught_writing(brevet, core, memory, place):
    """Core stopped while it waits for storage; the backup that waits for it."""
    def work():
        return os.pread(memory, 8, place)[0]
    for n in range(200):
        out = brevet.root / f"backup-{n}"
        with open(brevet.root / "backup.log", "ab") as log:
            command = subprocess.Popen([BIN["brevet"], "--dir", str(brevet.dir), "backup", "--out", str(out)],
                                       stdout=log, stderr=log)
        while command.poll() is None:
            if work() != DISK:
                continue
            os.kill(core, signal.SIGSTOP)
            if work() == DISK:
                return command
            os.kill(core, signal.SIGCONT)
        command.wait()
    return None


def long_work(brevet, secret):
    settled(brevet)
    core, mark = one(brevet, "core"), brevet.log.stat().st_size
    place = pulse_place(core)
    ok(place, "core shares its pulse with the parent")
    memory = os.open(f"/proc/{core}/mem", os.O_RDONLY)
    ok(until(lambda: os.pread(memory, 8, place)[0] == 0, PATIENCE), "core at rest notes no work")
    command = caught_writing(brevet, core, memory, place)
    ok(command, "core was caught at the disk during a backup")
    time.sleep(1.5 * SILENT)
    ok("does not answer" not in text_of(brevet, mark), "a disk that takes longer than silence may: core is let be")
    os.kill(core, signal.SIGCONT)
    os.close(memory)
    ok(command and command.wait(PATIENCE) == 0, "… and the backup is made")
    ok(enrols(brevet, secret, "long-work") and one(brevet, "core") == core, "… by the same process, which serves on")


# --- back-off ---

def born(pid):
    """When a process was started, in seconds since boot."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")


def crash_loop(brevet):
    """A door killed as soon as it is seen. Each start is no earlier than what
    was announced, whatever else the machine does."""
    brevet.stop()
    brevet.start()
    mark = brevet.log.stat().st_size
    deaths, killed_at, last = [], None, None
    for _ in range(9):
        pid = until(lambda: next((p for p in brevet.roles().get("door", []) if p != last), None), PATIENCE)
        began = born(pid)
        if killed_at is not None and began is not None:
            deaths[-1]["waited"] = began - killed_at
        killed_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        os.kill(pid, signal.SIGKILL)
        deaths.append({"pid": pid, "lived": killed_at - (began or killed_at)})
        last = pid
    def announced(pid):
        return re.search(rf"role ended role=door/0 pid={pid} .*again_ms=(\d+)", text_of(brevet, mark))
    until(lambda: announced(last), PATIENCE)
    said = [int(announced(d["pid"])[1]) for d in deaths if announced(d["pid"])]
    ok(len(said) == len(deaths), "each end's line says when the next start is", str(said))
    fresh = [i for i, d in enumerate(deaths) if d["lived"] * 1000 >= LIFE - 100]
    want = [min(FIRST * 2**i, MOST) for i in range(len(deaths))]
    # the first may have lived long enough; none of the others, or nothing can be said
    ok(said == want or fresh[1:], "twice as long each time", f"{said}")
    tick = 2 / os.sysconf("SC_CLK_TCK")
    early = [d for d, ms in zip(deaths, said) if "waited" in d and d["waited"] + tick < ms / 1000]
    ok(not early and sum("waited" in d for d in deaths) == len(deaths) - 1, "no start is earlier than that",
       str([round(d["waited"], 2) for d in deaths if "waited" in d]))
    ok(settled(brevet), "the door serves when it lives")
    ok(brevet.cli("status").returncode == 0, "core was not disturbed")


def cannot_start(brevet, secret):
    """What keeps a role from being started is the parent's, not its own."""
    settled(brevet)
    needed = brevet.dir / "ca/log.pub"
    kept = needed.read_bytes()
    core, mark = one(brevet, "core"), brevet.log.stat().st_size
    needed.unlink()
    began = time.monotonic()
    os.kill(core, signal.SIGKILL)
    until(lambda: text_of(brevet, mark).count("could not be started") >= 5, PATIENCE)
    log = text_of(brevet, mark)
    took = (time.monotonic() - began) * 1000
    tries = log.count("could not be started")
    # n tries need FIRST (2^n - 1) ms at the least, each wait twice the last
    ok(5 <= tries <= math.log2(took / FIRST + 1) + 1, "a start that fails is tried with back-off",
       f"{tries} in {took / 1000:.1f} s")
    ok("log.pub is missing" in log, "… and says what is missing")
    needed.write_bytes(kept)
    ok(enrols(brevet, secret, "mended"), "mended: it serves again")


def main():
    brevet = Brevet()
    listener = Listener(brevet.root / "notify")
    brevet.start(env=listener.env)
    secret = brevet.token("--group", "hang", "--uses", "1000", "--expires", "1d")
    for role in ("door", "signer", "core"):
        hung(brevet, secret, role)
    asleep(brevet, secret)
    stalled(brevet, secret, listener)
    if os.geteuid() == 0:
        long_work(brevet, secret)
    crash_loop(brevet)
    cannot_start(brevet, secret)
    ok(brevet.stop() == 0, "SIGTERM ends it with status 0")
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


if __name__ == "__main__":
    main()
