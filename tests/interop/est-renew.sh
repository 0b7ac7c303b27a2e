#!/bin/bash
# EST renewals with curl and openssl: names, keys, states of the certificate,
# after its end, by a server's certificate, through an RA (RFC 7030 3.3.2, 3.7,
# 4.2.2).
. "$(dirname "$0")/lib.sh"
need curl openssl jq base64

install_brevet '
profile "brief" {
    lifetime = 10s
    backdate = 0s
}
profile "forgiving" {
    lifetime = 10s
    backdate = 0s
    renew-after-expiry = 1h
}
profile "named" {
    id = dns
    san-id-dns = "true"
    san = { dns }
    san-patterns = { "*.example" }
}
profile "exact" {
    id = dns
    san-id-dns = "true"
    renew-needs-san = "true"
}
profile "fresh" {
    reuse-key-on-renew = "false"
}
profile "site" {
    extended-key-usage = { clientAuth, cmcRA }
}
profile "device" {
    credentials = { token, own, ra }
}
label "brief" { profile = brief }
label "forgiving" { profile = forgiving }
label "named" { profile = named }
label "exact" { profile = exact }
label "fresh" { profile = fresh }
label "site" { profile = site }
label "server" { profile = server }
label "client" { profile = client }'
start_daemon

# enroll_at LABEL NAME [token arguments]: NAME.key, NAME.csr, NAME.crt
enroll_at() {
    local label=$1 name=$2
    shift 2
    [ $# -gt 0 ] || set -- --device "$name"
    new_csr "$name"
    post "${label:+$label/}simpleenroll" "$work/$name.b64" --user "$name:$(token "$@")"
    [ "$status" = 200 ] && answer_certs "$work/$name.crt"
}
# renew_by NAME BODY [curl arguments]: BODY.b64 with NAME's certificate
renew_by() {
    local name=$1 body=$2
    shift 2
    post "${at:-}simplereenroll" "$work/$body.b64" --cert "$work/$name.crt" --key "$work/$name.key" "$@"
}
# wish NAME SUBJECT [SAN]: another CSR for NAME's key, as wish.b64
wish() {
    openssl req -new -key "$work/$1.key" -subj "$2" ${3:+-addext "subjectAltName=$3"} -outform DER |
        base64 -w0 >"$work/wish.b64"
}
has_ended() { # its last second is still its own
    [ "$(date +%s)" -gt "$(date -d "$(openssl x509 -in "$1" -noout -enddate | cut -d= -f2)" +%s)" ]
}
reason() { head -n 1 "$work/answer"; }

# --- names and keys ---
check "a device with a SAN" enroll_at named lamp.example
same=DNS:lamp.example
wish lamp.example /CN=lamp.example
renew_by lamp.example wish
equal "a CSR without SAN keeps the old one" 200 "$status"
answer_certs "$work/kept.crt"
check "it is in the new certificate" grep -q "$same" <(openssl x509 -in "$work/kept.crt" -noout -ext subjectAltName)
wish lamp.example /CN=lamp.example "$same"
renew_by lamp.example wish
equal "the same SAN" 200 "$status"
wish lamp.example /CN=lamp.example DNS:other.example
renew_by lamp.example wish
equal "another SAN is 403" 403 "$status"
wish lamp.example /CN=lamp.example "$same,DNS:two.example"
renew_by lamp.example wish
equal "one more name is 403" 403 "$status"
check "the reason says so" grep -q SAN <(reason)
wish lamp.example /CN=other.example "$same"
renew_by lamp.example wish
equal "another subject is 403" 403 "$status"
wish lamp.example /O=x/CN=lamp.example "$same"
renew_by lamp.example wish
equal "a longer subject is 403" 403 "$status"
new_csr twice.example -addext "subjectAltName=DNS:a.example,DNS:twice.example"
post named/simpleenroll "$work/twice.example.b64" --user "twice.example:$(token --device twice.example)"
answer_certs "$work/twice.example.crt"
wish twice.example /CN=twice.example "DNS:twice.example,DNS:a.example"
renew_by twice.example wish
equal "the names in another order" 200 "$status"
wish twice.example /CN=twice.example DNS:a.example
renew_by twice.example wish
equal "a name less is 403" 403 "$status"
openssl req -new -utf8 -key "$work/lamp.example.key" -config <(printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=dn' \
    'string_mask=MASK:0x0002' '[dn]' 'CN=lamp.example') -outform DER | base64 -w0 >"$work/wish.b64"
renew_by lamp.example wish
equal "the subject as another kind of string" 200 "$status"

check "a device whose profile wants the SAN repeated" enroll_at exact a.example
wish a.example /CN=a.example
renew_by a.example wish
equal "a CSR without SAN is 403 there" 403 "$status"
wish a.example /CN=a.example DNS:a.example
renew_by a.example wish
equal "one with it is 200" 200 "$status"

check "a device whose profile wants new keys" enroll_at fresh f1
renew_by f1 f1
equal "the same key is 400 there" 400 "$status"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/f1.next" 2>/dev/null
openssl req -new -key "$work/f1.next" -subj /CN=f1 -outform DER | base64 -w0 >"$work/wish.b64"
renew_by f1 wish
equal "a new key is 200" 200 "$status"

# --- states ---
check "a device" enroll_at "" d1
serial=$(openssl x509 -in "$work/d1.crt" -noout -serial | cut -d= -f2)
brevet cert hold "$serial" >/dev/null
renew_by d1 d1
equal "on hold: 403" 403 "$status"
check "the reason says so" grep -q hold <(reason)
brevet cert release "$serial" >/dev/null
renew_by d1 d1
equal "released: 200" 200 "$status"
answer_certs "$work/d1b.crt"
brevet cert revoke "$serial" --reason superseded >/dev/null
renew_by d1 d1
equal "revoked: 403" 403 "$status"
check "the reason says so" grep -q revoked <(reason)
cp "$work/d1b.crt" "$work/d1.crt"
renew_by d1 d1
equal "another certificate of the same names renews" 200 "$status"
brevet device block d1 >/dev/null
renew_by d1 d1
equal "a blocked device: 403" 403 "$status"

# --- after the end ---
check "a certificate of ten seconds" enroll_at brief b1
check "another, whose profile forgives" enroll_at forgiving g1
check "a third, to be revoked" enroll_at forgiving g2
brevet cert revoke --device g2 --reason superseded >/dev/null
ok "$(until_true 30 has_ended "$work/g2.crt"; echo $?)" "they end"
until_true 30 has_ended "$work/b1.crt"
renew_by b1 b1
check "one that has ended is not renewed ($status)" test "$status" = 403 -o "$status" = 000
renew_by g1 g1
equal "unless its profile says so" 200 "$status"
answer_certs "$work/g1b.crt"
check "with a certificate that has not ended" openssl x509 -in "$work/g1b.crt" -noout -checkend 0
renew_by g2 g2
equal "and not when it was revoked: 403" 403 "$status"
check "the reason says so" grep -q revoked <(reason)
new_csr g1 -subj /CN=g1
post forgiving/simpleenroll "$work/g1.b64" --cert "$work/g1.crt" --key "$work/g1.key"
equal "it is good for nothing else: 401" 401 "$status"
get "$est/cacerts" --cert "$work/g1.crt" --key "$work/g1.key"
equal "though what needs no credential works" 200 "$status"

# --- a server's certificate ---
check "a server's certificate" enroll_at server www.example.net
check "it is not for clients" sh -c "! openssl x509 -in '$work/www.example.net.crt' -noout -ext extendedKeyUsage | grep -q Client"
renew_by www.example.net www.example.net
equal "it renews itself" 200 "$status"
post server/simpleenroll "$work/www.example.net.b64" --cert "$work/www.example.net.crt" --key "$work/www.example.net.key"
equal "and does nothing else: 401" 401 "$status"

# --- the agent: after the end, and with a server's certificate ---
agent() { # COMMAND ID LABEL arguments...
    local command=$1 id=$2 label=$3
    shift 3
    "$build/prog/brevet-agent/brevet-agent" "$command" --dir "$work/$id" "$@" >"$work/agent.log" 2>&1
}
agent_enrolls() { # ID LABEL
    token --device "$1" >"$work/$1.code"
    agent enroll "$1" "$2" --url "$est/$2" --id "$1" --ca-file "$root" --claim-code-file "$work/$1.code" &&
        rm "$work/$1.code"
}
check "the agent gets a certificate of ten seconds" agent_enrolls late forgiving
cp "$work/late/cert.pem" "$work/late.crt"
ok "$(until_true 30 has_ended "$work/late.crt"; echo $?)" "it ends"
check "the agent renews with it" agent renew late forgiving --force
check "and has one that has not ended" openssl x509 -in "$work/late/cert.pem" -noout -checkend 0
check "the agent gets a server's certificate" agent_enrolls ftp.example.net server
cp "$work/ftp.example.net/cert.pem" "$work/ftp.crt"
check "the agent renews that" agent renew ftp.example.net server --force
refuse "into another" cmp -s "$work/ftp.crt" "$work/ftp.example.net/cert.pem"

# --- an RA ---
check "an RA of the group barn" enroll_at site ra1 --group barn
check "a device of the group shed" enroll_at "" cow --group shed
as_ra() { post "$1" "$work/$2.b64" --cert "$work/ra1.crt" --key "$work/ra1.key"; }
new_csr pump-1
as_ra simpleenroll pump-1
equal "it enrols a device" 200 "$status"
answer_certs "$work/pump-1.crt"
check "for the device's key and name" sh -c "openssl x509 -in '$work/pump-1.crt' -noout -subject -nameopt RFC2253 | grep -q 'CN=pump-1' &&
    [ \"\$(openssl x509 -in '$work/pump-1.crt' -noout -pubkey)\" = \"\$(openssl pkey -in '$work/pump-1.key' -pubout)\" ]"
mv "$work/pump-1.key" "$work/pump-1.old"
new_csr pump-1
as_ra simplereenroll pump-1
equal "and renews for it, with a new key" 200 "$status"
brevet audit list --json >"$work/audit.json"
check "the audit log names it" jq -e 'any(.rows[]; .action == "cert.issue" and .auth == "ra-cert" and
    .actor_id == "ra1" and .object_id == "pump-1")' "$work/audit.json"
new_csr calf
as_ra simplereenroll calf
equal "it renews nothing that is not there: 403" 403 "$status"
mv "$work/cow.key" "$work/cow.old"
new_csr cow
as_ra simpleenroll cow
equal "a device of another group: 403" 403 "$status"
as_ra simplereenroll cow
equal "nor is it renewed: 403" 403 "$status"
as_ra client/simpleenroll pump-1
equal "a profile that takes no RAs: 403" 403 "$status"
as_ra nothing/simpleenroll pump-1
equal "a label there is not: 404" 404 "$status"
as_ra serverkeygen pump-1
equal "no keys of others: 403" 403 "$status"
new_csr pump-2
post simpleenroll "$work/pump-2.b64" --cert "$work/pump-1.crt" --key "$work/pump-1.old"
equal "who is no RA asks for himself only: 403" 403 "$status"
as_ra simplereenroll ra1
equal "the RA renews itself as any device does" 200 "$status"
brevet cert revoke --device ra1 --reason keyCompromise >/dev/null
as_ra simpleenroll pump-2
equal "revoked, it does nothing: 403" 403 "$status"

finish
