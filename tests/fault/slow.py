"""Slow, silent, half-open, oversized and nested: what an unauthenticated peer
can throw at the listeners, while a healthy client keeps enrolling."""
import base64
import os
import resource
import select
import socket
import ssl
import threading
import time

from harness import SANITIZED, Brevet, finish, new_csr, ok, until

CROWD = 1000 if SANITIZED else 5000


def plain(brevet, port):
    link = socket.create_connection(("127.0.0.1", port), timeout=60)
    return link


def tls(brevet):
    context = brevet.context()
    return context.wrap_socket(plain(brevet, brevet.https), server_hostname="localhost")


def closed_within(link, seconds, drip=None):
    """Seconds until the server closed, dripping one octet each half second."""
    began = time.monotonic()
    link.settimeout(0.5)
    while time.monotonic() - began < seconds:
        try:
            if drip:
                link.send(drip)
            if link.recv(4096) == b"":
                return time.monotonic() - began
        except (TimeoutError, ssl.SSLWantReadError):
            continue
        except OSError:
            return time.monotonic() - began
    return None


def drip_tests(brevet, make, name):
    silent = make()
    header = make()
    body = make()
    header.send(b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\nX-Drip: ")
    body.send(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\n"
              b"Content-Type: application/pkcs10\r\nContent-Length: 4000\r\n\r\n")
    seen = {}

    def watch(what, link, drip):
        seen[what] = closed_within(link, 15, drip)

    threads = [threading.Thread(target=watch, args=args) for args in (
        ("silent", silent, None), ("dripped header", header, b"a"),
        ("dripped body", body, b"A"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for what in ("silent", "dripped header", "dripped body"):
        took = seen.get(what)
        ok(took is not None and took < 10, f"{name}: {what} is closed by a total deadline",
           f"{took:.1f} s" if took else "still open")


def crowd(brevet):
    """Half-open TCP, half-open TLS and dripping headers, all at once."""
    links = []
    for n in range(CROWD):
        try:
            link = plain(brevet, brevet.https if n % 3 else brevet.http)
        except OSError:
            break
        if n % 3 == 1:
            link.send(b"\x16\x03\x01")  # the start of a ClientHello
        elif n % 3 == 0:
            link.send(b"GET / HTT")
        links.append(link)
    return links


def standing(links):
    """How many the server has neither closed nor answered."""
    events = select.poll()
    for link in links:
        events.register(link, select.POLLIN | select.POLLRDHUP)
    return len(links) - len(events.poll(0))


def patient(brevet):
    """Starts again with deadlines that no healthy client needs: the crowd is to
    stand until the end."""
    conf = brevet.dir / "brevet.conf"
    conf.write_text(conf.read_text().replace('"3s"', '"5m"'))
    ok(brevet.stop() == 0, "it ends with status 0")
    brevet.start(before=["prlimit", "--nofile=1024:16384"])


def healthy(brevet, secret):
    done = 0
    for n in range(20):
        _, csr = new_csr(brevet.root, f"healthy-{n}")
        try:
            status, _, _ = brevet.enroll(csr, secret, timeout=20)
        except OSError as e:
            return done, repr(e)
        done += status == 200
    return done, ""


def enroll_head(secret, *fields):
    """The head of an enrolment with a good credential, so that nothing but its
    body can be wrong with it."""
    pair = base64.b64encode(f":{secret}".encode()).decode()
    return "\r\n".join(["POST /.well-known/est/simpleenroll HTTP/1.1", "Host: localhost",
                        "Content-Type: application/pkcs10",
                        f"Authorization: Basic {pair}", *fields, "", ""]).encode()


def big_bodies(brevet, secret):
    """Half of them say how long they are, half come in chunks."""
    before = brevet.rss_kb()
    peak, answers = before, []

    def post(chunked):
        piece = b"A" * 65536
        field = "Transfer-Encoding: chunked" if chunked else "Content-Length: 10485760"
        link = tls(brevet)
        link.settimeout(15)
        try:
            link.sendall(enroll_head(secret, field))
            for _ in range(160):
                link.sendall(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
        except OSError:
            pass  # refused early; the answer is there nevertheless
        answers.append(first_line(link))

    threads = [threading.Thread(target=post, args=(n % 2,)) for n in range(16)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        peak = max(peak, brevet.rss_kb())
        time.sleep(0.005)  # a sampling interval
    ok(peak - before < 20480, "sixteen 10 MB bodies at once grow memory by less than 20 MB",
       f"{peak - before} KB")
    ok(len(answers) == 16 and all(" 413 " in a for a in answers), "… and each is refused with 413",
       f"{len(answers)} answers, {sorted(set(answers))}")


def first_line(link):
    try:
        return link.recv(4096).split(b"\r\n")[0].decode(errors="replace")
    except OSError as e:
        return f"closed ({type(e).__name__})"


def answer_of(brevet, raw):
    link = tls(brevet)
    link.settimeout(15)
    try:
        link.sendall(raw)
    except OSError:
        pass  # refused early; the answer is there nevertheless
    return first_line(link)


def post_raw(brevet, secret, body):
    return answer_of(brevet, enroll_head(secret, f"Content-Length: {len(body)}") + body)


def malformed(brevet, secret):
    line = answer_of(brevet, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 65536 + b"\r\n\r\n")
    ok("431" in line, "64 kB of header are refused", line)
    line = post_raw(brevet, secret, base64.b64encode(b"\x30\x80" * 524288))
    ok("413" in line, "1 MB of nested indefinite BER is refused", line)
    nested = base64.b64encode(b"\x30\x80" * 8000)
    pair = {"bad base64": b"!!!!", "no DER": base64.b64encode(b"hello"),
            "nested BER": nested, "empty": b""}
    for what, body in pair.items():
        status, _, text = brevet.https_request(
            "POST", "/.well-known/est/simpleenroll", body,
            {"Content-Type": "application/pkcs10", "Authorization": "Basic " +
             base64.b64encode(f":{secret}".encode()).decode()})
        ok(status == 400, f"{what} instead of a CSR: 400", f"{status} {text[:60]}")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    brevet = Brevet(config="limits {\n  request = \"3s\"\n  handshake = \"3s\"\n  idle = \"3s\"\n}\n")
    # the usual soft limit: the daemon must raise it by itself
    brevet.start(before=["prlimit", "--nofile=1024:16384"])
    secret = brevet.token("--group", "slow", "--uses", "1000", "--expires", "1d")
    drip_tests(brevet, lambda: tls(brevet), "TLS")
    drip_tests(brevet, lambda: plain(brevet, brevet.http), "plain")
    malformed(brevet, secret)
    big_bodies(brevet, secret)
    patient(brevet)
    pids = sorted(brevet.pids())
    links = crowd(brevet)
    ok(len(links) == CROWD, f"{CROWD} half-open and slow connections are made", str(len(links)))
    done, why = healthy(brevet, secret)
    left = standing(links)
    ok(done == 20, "a healthy client keeps enrolling meanwhile", f"{done} of 20 {why}")
    ok(left == CROWD, "… with all of them still there", str(left))
    for link in links:
        link.close()
    ok(sorted(brevet.pids()) == pids, "no process died of it", f"{pids}")
    ok(until(brevet.ready, 10), "the service answers as before")
    ok(brevet.stop() == 0, "it ends with status 0")
    finish()


if __name__ == "__main__":
    main()
