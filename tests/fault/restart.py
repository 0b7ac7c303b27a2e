#!/usr/bin/env python3
"""Starting again, gently or after kill -9, makes nothing anew that is still
good; what the signer made while running survives; a leftover of a write that
was cut short does not matter."""
import os
import signal

from harness import Brevet, finish, ok, run, until


def crl_number(b):
    return run("openssl", "crl", "-inform", "DER", "-in", b.dir / "crl/issuing.crl",
               "-noout", "-crlnumber").stdout.strip()


def num_certs(b):
    listed = b.cli_json("cert", "list", "--limit", "1000")
    assert listed["next"] is None  # one page is all
    return len(listed["rows"])


def kill(b, role):
    """kill -9 of a role; True when its successor has come and serves."""
    before = b.roles()[role][0]
    os.kill(before, signal.SIGKILL)
    return until(lambda: b.roles().get(role, [before])[0] != before and b.ready())


def starts_make_nothing(b):
    b.start()
    number, certs = crl_number(b), num_certs(b)
    kept = (b.dir / "ca/ocsp-issuing.pem").read_bytes()
    for _ in range(3):
        b.stop(signal.SIGKILL)
        b.start()
        ok(kill(b, "core"), "core came back")
        ok(kill(b, "signer"), "signer came back")
        b.cli("status")
    ok(crl_number(b) == number != "", "no new CRL", crl_number(b))
    ok(num_certs(b) == certs > 2, "no new certificates", f"{certs} -> {num_certs(b)}")
    ok((b.dir / "ca/ocsp-issuing.pem").read_bytes() == kept, "the same OCSP key")
    b.stop()


def lost_key_is_made_and_kept(b):
    file = b.dir / "ca/ocsp-issuing.pem"
    before = file.read_bytes()
    file.unlink()
    (b.dir / "ca/ocsp-issuing.pem.new").write_text("cut short")
    b.start()
    ok(until(file.exists), "a new OCSP key was kept")
    ok(file.stat().st_mode & 0o777 == 0o600, "only its owner reads it")
    made = file.read_bytes()
    ok(made != before and b"BEGIN ENCRYPTED PRIVATE KEY" in made, "new and sealed")
    b.stop(signal.SIGKILL)
    certs_before = b.log.read_text().count("OCSP responder certificate ready")
    b.start()
    b.cli("status")
    ok(kill(b, "signer"), "signer came back")
    ok(file.read_bytes() == made, "found again")
    ok(b.log.read_text().count("OCSP responder certificate ready") == certs_before,
       "and used again")
    b.stop()


installation = Brevet()
starts_make_nothing(installation)
lost_key_is_made_and_kept(installation)
finish()
