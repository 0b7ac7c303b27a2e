/* Every limit on what a peer can make us hold, each with its reason. Rooms
 * include this; nobody writes a bare number for a bound. Octets unless said.
 */
#ifndef BV_BASE_LIMITS_H
#define BV_BASE_LIMITS_H

/* A CSR with an RSA-4096 key and a hundred SANs is below 8 KiB. */
#define LIMIT_CSR 16384
/* A certificate of ours is below 1 KiB; foreign IDevIDs reach 4 KiB. */
#define LIMIT_CERT 16384
/* Certificates in a chain a peer presents (leaf, 4 intermediates, root). */
#define LIMIT_CHAIN 6
/* All of them together. Each is decoded before any is believed, which costs
 * more than a signature: a list of hundreds must not get that far. */
#define LIMIT_CHAIN_OCTETS 32768
/* Certificates in one certs-only message: two CAs with three rollover
 * certificates each, and room. */
#define LIMIT_CMS_CERTS 16
/* Certificates that go with a CA's chain while a root changes: the new root,
 * OldWithNew and NewWithOld, and one more. A device takes 8 in all. */
#define LIMIT_CROSS 4
/* Elements within elements of a message in BER; SCEP's nest 14 deep. */
#define LIMIT_BER_DEPTH 24
/* Extensions in one certificate or CSR; real ones hold at most 20. */
#define LIMIT_EXTENSIONS 64
/* GeneralNames in one SAN; a gateway with many addresses has a dozen. */
#define LIMIT_SAN 100
/* One subject or issuer Name, encoded. */
#define LIMIT_NAME 1024
/* RDNs in one Name. */
#define LIMIT_RDN 32
/* A device name: fits CN (ub-common-name 64), plus NUL. */
#define LIMIT_DEVICE_NAME 64
/* Names of profiles, CAs, groups, labels. */
#define LIMIT_SHORT_NAME 64
/* SubjectPublicKeyInfo: RSA-8192 is 1,060. */
#define LIMIT_SPKI 1200
/* A signature: RSA-8192 is 1,024. */
#define LIMIT_SIGNATURE 1100
/* Serial numbers: RFC 5280 4.1.2.2 caps them at 20 octets. */
#define LIMIT_SERIAL 20

/* HTTP request line; a SCEP GET carries a whole message: 5 KiB with RSA-2048, 9
 * with RSA-4096, all octets of base64 escaped perhaps. */
#define LIMIT_HTTP_LINE 16384
/* All header fields of one request together. */
#define LIMIT_HTTP_HEADER 16384
/* Header fields in one request; browsers send about 20. */
#define LIMIT_HTTP_FIELDS 64
/* A request body: base64 of LIMIT_CSR with line breaks, and room. */
#define LIMIT_HTTP_BODY 65536
/* Octets of chunk framing beyond data (sizes and trailers). */
#define LIMIT_HTTP_CHUNK_LINE 1024
/* Total time to receive one request, first octet to last (ms). */
#define LIMIT_REQUEST_MS 15000
/* TLS handshake, from accept (ms). */
#define LIMIT_HANDSHAKE_MS 10000
/* A kept-alive connection without a request (ms). */
#define LIMIT_IDLE_MS 60000
/* A door's answer to a request: longer than a batch ever waits (ms). */
#define LIMIT_REPLY_MS 30000
/* Writing an answer: this (ms), and its octets at this rate (octets/s). */
#define LIMIT_WRITE_MS   15000
#define LIMIT_WRITE_RATE 16384
/* Reading on after the last answer, so that it is not lost to a reset. */
#define LIMIT_LINGER_MS 2000
/* Connections one address may hold: a fleet may live behind one NAT. Half of
 * all, so that no address takes the door for itself. */
#define LIMIT_PER_ADDRESS 6000
/* Connections one door holds. */
#define LIMIT_CONNECTIONS 12000

/* OCSP: CertIDs in one request; the request itself. */
#define LIMIT_OCSP_CERTS   16
#define LIMIT_OCSP_REQUEST 8192
/* Answers a door keeps. */
#define LIMIT_OCSP_CACHE 65536

/* A PKIMessage: an RA's batch of a hundred requests with a certificate each. */
#define LIMIT_CMP_MESSAGE 262144
/* PKIMessages in a nested one; batches are tried with a hundred. */
#define LIMIT_CMP_NESTED 128
/* InfoTypeAndValues in one header; real ones hold three. */
#define LIMIT_CMP_INFO 16
/* A transactionID, nonce or key identifier; those are 16 and 20 octets, but a
 * reference for a password is what an operator typed. */
#define LIMIT_CMP_OCTETS 128
/* What stretches a password: less is a careless client, more lets anybody keep
 * a core busy with one message (RFC 4211 4.4). */
#define LIMIT_CMP_ROUNDS_MIN 100
#define LIMIT_CMP_ROUNDS_MAX 100000
/* Its salt; RFC 9045 and RFC 8018 ask for 8 octets at least. */
#define LIMIT_CMP_SALT_MIN 8
#define LIMIT_CMP_SALT_MAX 64
/* The key that PBKDF2 makes: 128 bits to the longest hash. */
#define LIMIT_CMP_KEY_MIN 16
#define LIMIT_CMP_KEY_MAX 64

/* One message between processes, without its header. */
#define LIMIT_MESSAGE 262144
/* What one channel may have queued before its writer is refused. */
#define LIMIT_CHANNEL_QUEUE 8388608
/* Questions of one connection to the control socket that core has not answered:
 * each answer may be a whole message. brevet(1) asks one at a time. */
#define LIMIT_CONTROL_ASKED 16
/* Requests from doors that core works on at once. */
#define LIMIT_INFLIGHT 4096

/* How often the parent asks a role whether it is there (ms). */
#define LIMIT_PING_MS 2000
/* How long a role may be silent: five questions (ms). */
#define LIMIT_SILENT_MS 10000
/* The same while it waits for storage; the kernel calls that a hang after as
 * long. */
#define LIMIT_DISK_MS 120000
/* While it makes a key: RSA-4096 on a slow gateway takes up to a minute. */
#define LIMIT_KEY_MS 180000
/* Before it is ready: the database is read whole, a few MB/s at the least. */
#define LIMIT_START_MS 900000
/* While no role at all answers: then it is the machine. */
#define LIMIT_SILENT_ALL_MS 60000
/* Before a role that died is started again: this, doubling to the other, and
 * from the beginning after a life of the third (ms). */
#define LIMIT_BACKOFF_FIRST_MS 20
#define LIMIT_BACKOFF_MOST_MS  30000
#define LIMIT_BACKOFF_LIFE_MS  10000

/* One audit entry; tlog-tiles bundles cap an entry at 65,535. */
#define LIMIT_AUDIT_ENTRY 4096
/* The text of a peer's address, with its end: 46 for IPv6, and room. */
#define LIMIT_PEER 64
/* Requests waiting for approval, over all devices. */
#define LIMIT_PENDING 10000
/* Rows in one page of an admin listing. */
#define LIMIT_PAGE 1000

#endif
