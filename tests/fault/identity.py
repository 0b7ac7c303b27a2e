"""Who asks: wrong, expired, revoked and foreign client certificates, another
device's name through every credential, and claim codes that are spent, expired
or guessed. Each is refused with its own status, and nothing is issued."""
import http.client
import os
import pathlib
import ssl
import subprocess
import time

from harness import Brevet, cert_of, finish, new_csr, ok, run, until


def openssl(*args, **more):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Maker:
    """A manufacturer: a CA and the certificates its devices leave the factory with."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.key, self.cert = self.folder / f"{name}-ca.key", self.folder / f"{name}-ca.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj", f"/CN={name} CA",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def device(self, serial, begin="20200101000000Z", end="99991231235959Z"):
        """(certificate, key) of a device with this subject serialNumber."""
        stem = self.folder / f"{self.name}-{serial}-{end[:4]}"
        key, csr, cert, ext = (stem.with_suffix(s) for s in (".key", ".csr", ".crt", ".ext"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", csr, "-subj", f"/O={self.name}/serialNumber={serial}")
        ext.write_text("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n")
        work = self.folder / f"{stem.name}.d"
        work.mkdir()
        (work / "index").write_text("")
        (work / "conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index\nnew_certs_dir={work}\nserial={work}/n\n"
            f"rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\nO=optional\nserialNumber=supplied\n")
        openssl("ca", "-batch", "-config", work / "conf", "-in", csr, "-out", cert, "-notext",
                "-cert", self.cert, "-keyfile", self.key, "-startdate", begin, "-enddate", end,
                "-extfile", ext)
        return cert, key


def ask(brevet, csr, **how):
    """(status, fields, body); status 0 when the server ends the handshake with
    an alert, None when the connection just fails: that refuses nobody."""
    try:
        return brevet.enroll(csr, **how)
    except ssl.SSLError as e:
        return 0 if "ALERT" in (e.reason or "") else None, {}, repr(e).encode()
    except (OSError, http.client.HTTPException) as e:
        return None, {}, repr(e).encode()


def refused(brevet, text, statuses, csr, **how):
    before, pids = brevet.cli_json("status")["certs"], sorted(brevet.pids())
    status, fields, body = ask(brevet, csr, **how)
    issued = brevet.cli_json("status")["certs"] - before
    lives = sorted(brevet.pids()) == pids
    ok(status in statuses and issued == 0 and lives, text, f"{status} {body[:70]}{'' if lives else ', a role died'}")
    return fields


def device(brevet, name, *token):
    secret = brevet.token("--device", name, *token)
    key, csr = new_csr(brevet.root, name)
    status, _, body = brevet.enroll(csr, secret)
    assert status == 200, body
    cert = brevet.root / f"{name}.crt"
    return cert, key, cert_of(body, cert)[1]


def certificates(brevet):
    """Re-enrolment and enrolment with a certificate that must not count."""
    cert, key, serial = device(brevet, "pump-1")
    _, again = new_csr(brevet.root, "pump-1", key)
    status, _, body = brevet.enroll(again, cert=cert, key=key, op="simplereenroll")
    ok(status == 200, "its own certificate renews", f"{status} {body[:70]}")
    _, other = new_csr(brevet.root, "pump-2")
    for op in ("simpleenroll", "simplereenroll"):
        refused(brevet, f"{op}: another's name by one's own certificate", (400, 403), other,
                cert=cert, key=key, op=op)
    brevet.cli("cert", "hold", serial)
    refused(brevet, "a certificate on hold", (0, 401, 403), again, cert=cert, key=key, op="simplereenroll")
    brevet.cli("cert", "release", serial)
    ok(until(lambda: ask(brevet, again, cert=cert, key=key, op="simplereenroll")[0] == 200, 5),
       "released: it renews again")
    brevet.cli("cert", "revoke", serial)
    refused(brevet, "a revoked certificate", (0, 401, 403), again, cert=cert, key=key, op="simplereenroll")
    short(brevet)
    stranger = Maker(brevet.root, "stranger")
    for name, made in (("a foreign certificate", stranger.device("pump-3")),):
        _, csr = new_csr(brevet.root, "pump-3")
        for op in ("simpleenroll", "simplereenroll"):
            refused(brevet, f"{op}: {name}", (0, 401, 403), csr, cert=made[0], key=made[1], op=op)
    forged(brevet, cert)
    refused(brevet, "no credential at all", (401,), other)


def short(brevet):
    """A certificate that expires while the test looks on."""
    secret = brevet.token("--device", "brief", "--profile", "brief")
    key, csr = new_csr(brevet.root, "brief")
    _, _, body = brevet.enroll(csr, secret)
    cert = brevet.root / "brief.crt"
    pem, _ = cert_of(body, cert)
    end = openssl("x509", "-noout", "-enddate", input=pem).decode().strip().split("=")[1]
    end = ssl.cert_time_to_seconds(end)
    until(lambda: time.time() > end + 1, 30, 0.1)
    refused(brevet, "an expired certificate", (0, 401, 403), csr, cert=cert, key=key, op="simplereenroll")


def forged(brevet, cert):
    """A CA that calls itself what ours is called, and copies a certificate."""
    subject = openssl("x509", "-in", brevet.dir / "ca/issuing.crt", "-noout", "-subject", "-nameopt",
                      "compat").decode().strip().removeprefix("subject=").strip()
    serial = openssl("x509", "-in", cert, "-noout", "-serial").decode().strip().split("=")[1]
    ca_key, ca, key, csr, fake = (brevet.root / f"forged.{s}" for s in ("cak", "ca", "key", "csr", "crt"))
    subject = subject if subject.startswith("/") else "/" + subject.replace(", ", "/")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            ca_key, "-out", ca, "-days", "30", "-subj", subject)
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            key, "-out", csr, "-subj", "/CN=pump-1")
    openssl("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-set_serial", f"0x{serial}",
            "-days", "10", "-out", fake)
    _, want = new_csr(brevet.root, "pump-1", key)
    refused(brevet, "a forgery with our CA's name and a real serial", (0, 401, 403), want,
            cert=fake, key=key, op="simplereenroll")


def tokens(brevet):
    secret = brevet.token("--device", "valve-1")
    _, other = new_csr(brevet.root, "valve-2")
    refused(brevet, "another's name by a claim code", (400, 403), other, secret=secret)
    _, csr = new_csr(brevet.root, "valve-1")
    status, _, first = brevet.enroll(csr, secret)
    ok(status == 200, "the claim code enrols its device", str(status))
    status, _, second = brevet.enroll(csr, secret)
    ok(status == 200 and cert_of(first)[1] == cert_of(second)[1], "a repeat gets the same certificate")
    _, csr = new_csr(brevet.root, "valve-1")
    refused(brevet, "a claim code used up", (401, 403), csr, secret=secret)
    secret = brevet.token("--device", "valve-3", "--expires", "1s")
    _, csr = new_csr(brevet.root, "valve-3")
    began = time.time()
    until(lambda: time.time() > began + 2, 5, 0.05)
    refused(brevet, "an expired claim code", (401, 403), csr, secret=secret)
    made = brevet.cli_json("token", "create", "--device", "valve-4")
    brevet.cli("token", "revoke", made["id"])
    _, csr = new_csr(brevet.root, "valve-4")
    refused(brevet, "a withdrawn claim code", (401, 403), csr, secret=made["secret"])
    group = brevet.token("--group", "valves", "--uses", "10")
    _, csr = new_csr(brevet.root, "valve-1")
    refused(brevet, "a name that is taken, by a group's code", (400, 403, 409), csr, secret=group)


def manufacturers(brevet, maker):
    cert, key = maker.device("meter-1")
    _, csr = new_csr(brevet.root, "meter-1")
    status, _, body = ask(brevet, csr, cert=cert, key=key)
    ok(status == 200, "a trusted manufacturer's device enrols", f"{status} {body[:70]}")
    _, other = new_csr(brevet.root, "meter-2")
    refused(brevet, "another's name by a manufacturer certificate", (400, 403), other, cert=cert, key=key)
    gone, gone_key = maker.device("meter-3", end="20210101000000Z")
    _, csr = new_csr(brevet.root, "meter-3")
    refused(brevet, "an expired manufacturer certificate", (0, 401, 403), csr, cert=gone, key=gone_key)
    foreign, foreign_key = Maker(brevet.root, "elsewhere").device("meter-4")
    _, csr = new_csr(brevet.root, "meter-4")
    refused(brevet, "a foreign manufacturer", (0, 401, 403), csr, cert=foreign, key=foreign_key)
    refused(brevet, "a manufacturer certificate is none of ours", (0, 400, 401, 403), csr,
            cert=cert, key=key, op="simplereenroll")


def guessing(brevet):
    """Last, for it closes this address out for a while."""
    good = brevet.token("--device", "guess-good")
    _, csr = new_csr(brevet.root, "guess-good")
    tried = []
    for n in range(30):
        status, fields, _ = ask(brevet, csr, secret=f"AAAA-AAAA-AAAA-{n:04}")
        tried.append(status)
        if status == 429:
            break
    ok(tried[-1] == 429 and set(tried[:-1]) == {401} and len(tried) <= 22,
       "guessing claim codes is stopped with 429", f"after {len(tried)} attempts")
    ok(int(fields.get("Retry-After", 0)) > 0, "… and told when to come back", str(fields.get("Retry-After")))
    status, _, _ = ask(brevet, csr, secret=good)
    ok(status == 429, "… a right guess does not get through either", str(status))


def main():
    folder = pathlib.Path(os.environ.get("TMPDIR", "/tmp"))
    maker = Maker(run("mktemp", "-d", folder / "brevet-maker.XXXXXX").stdout.strip(), "maker")
    brevet = Brevet(config=f'''profile "brief" {{
  lifetime = "10s"
  backdate = "5s"
}}
manufacturer "maker" {{
  certificates = "{maker.cert}"
}}
''')
    brevet.start()
    certificates(brevet)
    tokens(brevet)
    manufacturers(brevet, maker)
    guessing(brevet)
    brevet.stop()
    good, text = brevet.verify_audit()
    ok(good, "the audit log verifies", text)
    run("rm", "-r", maker.folder)
    finish()


if __name__ == "__main__":
    main()
