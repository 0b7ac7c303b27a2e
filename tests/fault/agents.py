"""Agents killed with kill -9 at random moments while they enrol and renew: each
identity is whole afterwards. While it goes on, programs read it as the manual
says: through one look at `current`, or one file with key and certificate, read
once; what they read belongs together at every moment."""
import os
import pathlib
import random
import signal
import ssl
import subprocess
import threading
import time

from harness import BIN, SANITIZED, Brevet, finish, ok, run, until

AGENTS = 8 if SANITIZED else 25
SECONDS = float(os.environ.get("BREVET_AGENT_SECONDS", 10))


class Agent:
    def __init__(self, brevet, name, pin, claim):
        self.brevet, self.name = brevet, name
        self.dir = brevet.root / "agents" / name
        self.out = brevet.root / "out" / f"{name}.pem"
        self.log = brevet.root / f"{name}.agent.log"
        self.options = ["--url", f"https://localhost:{brevet.https}", "--id", name, "--dir", self.dir,
                        "--claim-code-file", claim, "--ca-fingerprint", pin, "--renew-at", "1",
                        "--install-cert", self.out, "--install-key", self.out]
        self.process = None
        self.serials = set()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN["brevet-agent"], "run", *map(str, self.options)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(20)

    def pair(self):
        """Certificate and key through one look at `current`; None before the first."""
        try:
            chosen = self.dir / os.readlink(self.dir / "current")
        except FileNotFoundError:
            return None
        return chosen / "cert.pem", chosen / "key.pem"

    def serial(self):
        cert = self.pair()[0]
        return run("openssl", "x509", "-in", cert, "-noout", "-serial").stdout.strip().split("=")[1]


def fits(cert, key):
    """Why this certificate and key cannot be used together; None when they can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(str(cert), str(key))
    except (OSError, ssl.SSLError) as e:
        return repr(e)
    return None


def read_once(path):
    """What a file says at one moment, as a file that does not change."""
    copy = os.memfd_create("combined")
    os.write(copy, path.read_bytes())
    return copy


class Reader(threading.Thread):
    """Reads every identity over and over, as a program would that starts now."""

    def __init__(self, agents):
        super().__init__(daemon=True)
        self.agents, self.end = agents, threading.Event()
        self.wrong, self.num = [], {"current": 0, "combined": 0}
        self.seen = {agent.name: set() for agent in agents}

    def look(self, how, agent, cert, key):
        why = fits(cert, key)
        self.num[how] += 1
        if why:
            self.wrong.append(f"{how} {agent.name}: {why}")

    def run(self):
        while not self.end.is_set():
            for agent in self.agents:
                pair = agent.pair()
                if pair:
                    self.seen[agent.name].add(pair[0].parent.name)
                    self.look("current", agent, *pair)
                if agent.out.exists():
                    copy = read_once(agent.out)
                    self.look("combined", agent, f"/proc/self/fd/{copy}", f"/proc/self/fd/{copy}")
                    os.close(copy)


def churn(agents):
    """Kill one at random, start it again, until the time is up; how often."""
    kills, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        agent = random.choice(agents)
        # a moment of its own: some die before their first line, some at work
        time.sleep(random.uniform(0, 0.05))
        agent.kill()
        agent.start()
        kills += 1
        # no pause after the attempt that was cut short; one that has no
        # handler yet dies of it, which is as good
        random.choice(agents).process.send_signal(signal.SIGHUP)
    return kills


def whole(brevet, agents):
    """Each identity can be read, chains to the root and can be renewed."""
    broken, stuck, lost = [], [], []
    for agent in agents:
        pair = agent.pair()
        if pair is None:
            lost.append(agent.name)
            continue
        why = fits(*pair) or fits(agent.out, agent.out)
        chain = run("openssl", "verify", "-CAfile", brevet.dir / "ca/root.crt", "-untrusted", pair[0], pair[0])
        if why or chain.returncode != 0:
            broken.append(f"{agent.name}: {why or chain.stderr.strip()[-80:]}")
        before = agent.serial()
        renewed = run(BIN["brevet-agent"], "renew", "--force", *agent.options)
        if renewed.returncode != 0 or agent.serial() == before or fits(*agent.pair()):
            stuck.append(f"{agent.name}: {renewed.stderr.strip()[-120:]}")
    ok(not lost, "every identity is there", " ".join(lost))
    ok(not broken, "key and certificate fit and chain to the root", "; ".join(broken)[:200])
    ok(not stuck, "each can be renewed", "; ".join(stuck)[:200])


def main():
    # a renewal window that is open from the start and a claim code each: a
    # device that lost its identity could not come back
    brevet = Brevet(config='profile "device" {\n  lifetime = "400s"\n  backdate = "5s"\n}\n')
    brevet.start()
    pin = run("openssl", "x509", "-in", brevet.dir / "ca/root.crt", "-noout", "-fingerprint",
              "-sha256").stdout.strip().split("=")[1]
    (brevet.root / "agents").mkdir()
    (brevet.root / "out").mkdir()
    agents = []
    for n in range(AGENTS):
        claim = brevet.root / f"claim-{n}"
        claim.write_text(brevet.token("--device", f"kill-{n}") + "\n")
        claim.chmod(0o600)
        agents.append(Agent(brevet, f"kill-{n}", pin, claim))
    reader = Reader(agents)
    for agent in agents:
        agent.start()
    reader.start()
    kills = churn(agents)
    for agent in agents:
        agent.kill()
        before = agent.log.stat().st_size
        agent.start()
        until(lambda agent=agent, before=before: b"started" in agent.log.read_bytes()[before:], 10)
        agent.process.send_signal(signal.SIGHUP)
    settled = until(lambda: all(agent.pair() for agent in agents), 30, 0.1)
    reader.end.set()
    reader.join(20)
    ok(settled, "all are enrolled in the end", f"{kills} kills")
    ended = [agent.kill(signal.SIGTERM) for agent in agents]
    ok(not any(ended), "the service ends well", str(sorted(set(ended))))
    renewals = brevet.cli_json("status")["certs"]
    changes = sum(len(seen) - 1 for seen in reader.seen.values() if seen)
    ok(changes > 0, "identities were renewed meanwhile", f"{changes} seen, {renewals} certificates")
    ok(min(reader.num.values()) > AGENTS and not reader.wrong,
       "what was read at one look belonged together", f"{reader.num} {reader.wrong[:2]}")
    whole(brevet, agents)
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    finish()


if __name__ == "__main__":
    main()
