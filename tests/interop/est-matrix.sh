#!/bin/bash
# EST with curl and openssl: waiting for an operator in all its turns, every
# dress a request may come in, who is told what (RFC 7030 4.2.3, 4.5; RFC 8951).
. "$(dirname "$0")/lib.sh"
need curl openssl jq base64

install_brevet '
est {
    lenient = "true"
}
quota {
    pending-per-credential = 2
}
profile "approved" {
    approval = "true"
}
profile "code" {
    channel-binding = "secret"
}
profile "gateway" {
    id = dns
    san-id-dns = "true"
    channel-binding = "verify"
}
profile "big" {
    keys = {"p384"}
}
label "slow" { profile = approved }
label "big" { profile = big }
label "code" { profile = code }
label "gw" { profile = gateway }'
start_daemon
reason() { head -n 1 "$work/answer"; }

# --- waiting ---
new_csr p1
code=$(token --device p1 --uses 3)
slow() { post slow/simpleenroll "$work/$1.b64" --user "p1:$code"; }
slow p1
equal "a request waits" 202 "$status"
first=$(header Retry-After)
check "Retry-After is whole seconds" grep -qxE '[1-9][0-9]*' <<<"$first"
cp "$work/p1.b64" "$work/p1.first"
new_csr p1
refuse "ECDSA signs differently each time" cmp -s "$work/p1.b64" "$work/p1.first"
slow p1
equal "signed again by the same key it still waits" 202 "$status"
waiting() { brevet device pending --json | jq '[.rows[] | select(.state == "waiting")] | length'; }
equal "and is one entry" 1 "$(waiting)"
brevet device deny p1 >/dev/null
slow p1
equal "denied: 403" 403 "$status"
check "the reason says by whom" grep -q operator <(reason)
rm "$work/p1.key"
new_csr p1
slow p1
equal "another key is another request" 202 "$status"
brevet device approve p1 >/dev/null
new_csr p1
slow p1
equal "approved, and signed again: 200" 200 "$status"
answer_certs "$work/p1.crt"
cp "$work/p1.crt" "$work/p1.once"
new_csr p1
slow p1
equal "repeated: 200" 200 "$status"
answer_certs "$work/p1.crt"
check "with the same certificate" cmp "$work/p1.crt" "$work/p1.once"
refuse "an answered request cannot be denied any more" brevet device deny p1
new_csr p1
post slow/simplereenroll "$work/p1.b64" --cert "$work/p1.crt" --key "$work/p1.key"
equal "a renewal does not wait" 200 "$status"

# --- the queue has shares ---
group=$(token --group barn --uses 50)
flood() { new_csr "$1" && post slow/simpleenroll "$work/$1.b64" --user "$1:$group"; }
flood q1
flood q2
equal "two requests by a group's token wait" 202 "$status"
flood q3
equal "a third is too many: 429" 429 "$status"
check "with Retry-After" grep -qxE '[1-9][0-9]*' <(header Retry-After)
check "the reason names the credential" grep -q credential <(reason)
new_csr q4
post slow/simpleenroll "$work/q4.b64" --user "q4:$(token --device q4)"
equal "another token's still gets in" 202 "$status"
brevet device approve q1 >/dev/null
flood q1
equal "an approved one is answered" 200 "$status"
flood q3
equal "and makes room" 202 "$status"

# --- bodies ---
openssl req -inform DER -in "$work/p1.der" -out "$work/ignored.pem"
dress() { # TEXT WANT NAME BODY [curl arguments]
    local text=$1 want=$2 name=$3 body=$4
    shift 4
    post simpleenroll "$work/$body" --user "$name:$(token --device "$name")" "$@"
    equal "$text" "$want" "$status"
}
new_csr l1
openssl req -inform DER -in "$work/l1.der" -out "$work/l1.pem"
dress "PEM where the server is lenient" 200 l1 l1.pem
new_csr l2
dress "raw DER there" 200 l2 l2.der
new_csr l3
dress "base64 there" 200 l3 l3.b64
printf '%s' '-----BEGIN CERTIFICATE REQUEST-----' >"$work/half.pem"
dress "half a PEM: 400" 400 l3 half.pem
: >"$work/empty"
dress "nothing at all: 400" 400 l3 empty

# --- header fields ---
new_csr h1
media='application/pkcs10;charset=utf-8' dress "a parameter without a blank" 200 h1 h1.b64
new_csr h2
media='APPLICATION/PKCS10 ; foo="bar;baz"' dress "a quoted parameter, upper case" 200 h2 h2.b64
new_csr h3
status=$(curl -s --cacert "$root" -o "$work/answer" -w '%{http_code}' -H 'content-TYPE: application/pkcs10' \
    -H 'CONTENT-transfer-ENCODING: BASE64' --data-binary "@$work/h3.b64" --user "h3:$(token --device h3)" "$est/simpleenroll")
equal "field names in other letters" 200 "$status"
new_csr h4
status=$(curl -s --cacert "$root" -o "$work/answer" -w '%{http_code}' -H 'Content-Type:' \
    --data-binary "@$work/h4.b64" --user "h4:$(token --device h4)" "$est/simpleenroll")
equal "no media type" 200 "$status"
for wrong in application/x-www-form-urlencoded application/pkcs7-mime application/pkcs10x pkcs10 'application/ pkcs10'; do
    media=$wrong dress "415: $wrong" 415 h4 h4.b64
done
head -c 70000 /dev/zero | tr '\0' A >"$work/large"
dress "70,000 octets: 413" 413 h4 large
for label in nobody SLOW slow/slow . simpleenroll; do
    post "$label/simpleenroll" "$work/h4.b64" --user "h4:$(token --device h4)" --path-as-is
    equal "404: label $label" 404 "$status"
done

# --- HEAD ---
for path in cacerts csrattrs slow/cacerts slow/csrattrs; do
    get "$est/$path"
    want="$status $(header Content-Length) $(header Content-Type)"
    get "$est/$path" -I
    equal "HEAD $path is as GET" "$want" "$status $(header Content-Length) $(header Content-Type)"
    equal "and has no body" 0 "$(grep -c . <(sed '1,/^\r*$/d' "$work/answer"))"
done
get "$est/nobody/cacerts" -I
equal "HEAD under an unknown label: 404" 404 "$status"
get "$est/simpleenroll" -I
equal "HEAD simpleenroll: 405" 405 "$status"

# --- a claim code as challengePassword ---
coded() { # NAME CODE: a CSR as `openssl req` makes it for SCEP's habits
    [ -f "$work/$1.key" ] || new_key "$1"
    openssl req -new -key "$work/$1.key" -outform DER -config <(printf '%s\n' '[req]' 'prompt=no' \
        'distinguished_name=dn' 'attributes=at' '[dn]' "CN=$1" '[at]' "challengePassword=$2") | base64 -w0 >"$work/$1.b64"
}
coded s1 "$(token --device s1)"
post code/simpleenroll "$work/s1.b64"
equal "a claim code in the CSR, where the profile takes it there" 200 "$status"
coded s2 wrong-code
post code/simpleenroll "$work/s2.b64"
equal "a wrong one: 401" 401 "$status"
new_csr s3
post code/simpleenroll "$work/s3.b64"
equal "none: 401" 401 "$status"
check "with a challenge" grep -qi '^WWW-Authenticate: Basic' "$work/head"
post code/simpleenroll "$work/s3.b64" --user "s3:$(token --device s3)"
equal "in its usual place as well" 200 "$status"
coded s4 "$(token --device s4)"
post simpleenroll "$work/s4.b64"
equal "not for other profiles: 401" 401 "$status"

# --- CSR attributes for who asks ---
new_csr gw.example.net
post gw/simpleenroll "$work/gw.example.net.b64" --user "gw.example.net:$(token --device gw.example.net)"
answer_certs "$work/gw.crt"
attrs() { base64 -d <"$work/answer" | openssl asn1parse -inform DER -i >"$work/attrs"; }
get "$est/gw/csrattrs"
attrs
refuse "csrattrs for a stranger name nobody" grep -q gw.example.net "$work/attrs"
check "they may be kept" grep -q max-age <(header Cache-Control)
get "$est/gw/csrattrs" --cert "$work/gw.crt" --key "$work/gw.example.net.key"
equal "csrattrs for who renews" 200 "$status"
attrs
check "name the subject of the certificate" grep -q "STRING.*:gw.example.net" "$work/attrs"
check "and its SAN" grep -qi "DUMP\]:.*$(printf 'gw.example.net' | od -An -tx1 | tr -d ' \n')" "$work/attrs"
check "they are not for others to keep" grep -q no-store <(header Cache-Control)
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$work/b1.key" 2>/dev/null
new_csr b1
big() { get "$est/csrattrs" "$@" && attrs && grep -q secp384r1 "$work/attrs"; }
refuse "without a label a stranger is told of the default profile" big
check "a claim code's holder of that code's profile" big --user "b1:$(token --device b1 --profile big)"
post big/simpleenroll "$work/b1.b64" --user "b1:$(token --device b1)"
answer_certs "$work/b1.crt"
check "who renews of the certificate's profile" big --cert "$work/b1.crt" --key "$work/b1.key"
brevet cert revoke --device b1 --reason superseded >/dev/null
refuse "a revoked one is told what a stranger is" big --cert "$work/b1.crt" --key "$work/b1.key"

# --- a label that is an operation's name ---
cp "$ca/brevet.conf" "$work/good.conf"
printf 'label "cacerts" {\n    profile = device\n}\n' >>"$ca/brevet.conf"
refuse "a label may not be an operation's name" "$bin_brevetd" --dir "$ca" --check
check "the message says so" grep -q 'EST operation' "$work/refused.log"
cp "$work/good.conf" "$ca/brevet.conf"

# --- the chain, where it is asked for ---
sed -i 's/lenient = "true"/full-chain = "true"/' "$ca/brevet.conf"
kill -HUP "$daemon"
new_csr c1
chained() {
    post simpleenroll "$work/c1.b64" --user "c1:$(token --device c1)" &&
        [ "$(base64 -d <"$work/answer" | openssl pkcs7 -inform DER -print_certs | grep -c BEGIN)" = 3 ]
}
ok "$(until_true 20 chained; echo $?)" "after a reload the answer holds the certificate, its CA and the root"
dress "and PEM is refused again" 400 l1 l1.pem

finish
