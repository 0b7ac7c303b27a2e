-- Version 1. Rows are kept small: at a million devices every octet of a
-- certificate's row is a megabyte. Hashes are indexed by their first 8 octets.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    n    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, n) VALUES
    ('next_seq', 1), ('certs', 0), ('revoked', 0), ('devices', 0),
    ('tokens', 0), ('pending', 0);

CREATE TABLE issuer (
    id       INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 255),
    name     TEXT NOT NULL UNIQUE,
    key_hash BLOB NOT NULL UNIQUE,
    cert     BLOB NOT NULL
);

-- Names that differ in letter case only are one (RFC 5280 7.1).
CREATE TABLE device (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    "group"    TEXT NOT NULL,
    profile    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    blocked    INTEGER NOT NULL
);
CREATE INDEX device_group ON device ("group");

-- reason and revoked_at are NULL while the certificate is good.
CREATE TABLE cert (
    seq        INTEGER PRIMARY KEY,
    issuer     INTEGER NOT NULL,
    device     INTEGER,
    profile    TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    replaces   INTEGER,
    reason     INTEGER,
    revoked_at INTEGER,
    serial     BLOB NOT NULL,
    key_hash   BLOB NOT NULL,
    der        BLOB NOT NULL
);
CREATE INDEX cert_device ON cert (device) WHERE device IS NOT NULL;
CREATE INDEX cert_key ON cert (substr(key_hash, 1, 8));
CREATE INDEX cert_expiry ON cert (not_after);
CREATE INDEX cert_revoked ON cert (seq) WHERE reason IS NOT NULL;

-- Idempotency keys of recent certificates; the oldest make room. They are
-- found through cert_key: an index of their own would cost two pages more for
-- each certificate.
CREATE TABLE request (
    seq  INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
);

CREATE TABLE change (
    change INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL,
    issuer INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    at     INTEGER NOT NULL
);

-- What a CRL lists, in the order it lists it, without touching cert.
CREATE TABLE revoked (
    issuer    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    serial    BLOB NOT NULL,
    reason    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (issuer, seq)
) WITHOUT ROWID;

CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    device     TEXT NOT NULL,
    "group"    TEXT NOT NULL,
    profile    TEXT NOT NULL,
    uses_left  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revoked    INTEGER NOT NULL
);

CREATE TABLE pending (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    state      INTEGER NOT NULL,
    device     TEXT NOT NULL,
    profile    TEXT NOT NULL,
    peer       TEXT NOT NULL,
    csr        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    decided_by TEXT NOT NULL
);
CREATE INDEX pending_age ON pending (created_at);

CREATE TABLE blocked_key (
    key_hash BLOB PRIMARY KEY,
    why      TEXT NOT NULL,
    at       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE crl (
    issuer      INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    sha256      BLOB NOT NULL,
    PRIMARY KEY (issuer, number)
) WITHOUT ROWID;

CREATE TABLE audit (
    idx   INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
);

CREATE TABLE tile (
    key    INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
);

CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL
);
