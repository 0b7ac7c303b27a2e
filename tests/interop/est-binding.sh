#!/bin/bash
# Proof of possession linked to the TLS connection (RFC 7030 3.5, RFC 5929, RFC
# 9266), by a C client on OpenSSL that shares no code with ours.
. "$(dirname "$0")/lib.sh"
need curl openssl jq
client=$build/tests/interop/est-bind
[ -x "$client" ] || bail "$client is not built"

install_brevet '
profile "bound" {
    channel-binding = "require"
}
profile "free" {
    channel-binding = "ignore"
}
label "tight" {
    profile = "bound"
}
label "loose" {
    profile = "free"
}'
start_daemon

# bind VERSION PATH NAME BINDING [WHO]: prints the status; the body is in $work/answer
bind() {
    local version=$1 path=$2 name=$3 binding=$4
    shift 4
    "$client" "$https_port" "$root" "$version" "$path" "$name" "$work/$name.key" "$binding" "$@" \
        2>"$work/client.log" >"$work/whole" || { echo "none: $(head -n 1 "$work/client.log")" && return; }
    tail -n +2 "$work/whole" >"$work/answer"
    head -n 1 "$work/whole"
}
# try WANT TEXT VERSION LABEL BINDING: a device of its own with a claim code
number=0
try() {
    number=$((number + 1))
    name=dev$number
    new_key "$name"
    equal "TLS $3, $4: $2" "$1" "$(bind "$3" "${4}simpleenroll" "$name" "$5" "$name:$(token --device "$name")")"
}

for version in 1.2 1.3; do
    try 200 "the binding of this connection, where it is required" $version tight/ right
    try 400 "that of another connection" $version tight/ other
    try 400 "none" $version tight/ none
    check "the reason says what is missing" grep -q "channel binding" "$work/answer"
    try 400 "a password in its place" $version tight/ =secret
    try 400 "the binding and something after it" $version tight/ "=AAAAAAAAAAAAAAAA="
    try 200 "the binding of this connection, where it is only verified" $version "" right
    try 200 "none there" $version "" none
    try 400 "that of another connection there" $version "" other
    try 200 "a password where it is ignored" $version loose/ =secret
done
try 400 "tls-unique without the extended master secret" 1.2 tight/ noems
try 400 "exported with another context" 1.3 tight/ context
try 400 "the Finished, as in TLS 1.2" 1.3 tight/ finished

# --- the same when a certificate is renewed ---
for version in 1.2 1.3; do
    try 200 "a certificate to renew" $version tight/ right
    openssl base64 -d -A -in "$work/answer" | openssl pkcs7 -inform DER -print_certs 2>/dev/null |
        sed -n '/BEGIN/,/END/p' >"$work/own.crt"
    equal "TLS $version: renewal, bound" 200 "$(bind $version simplereenroll "$name" right "$work/own.crt")"
    equal "TLS $version: renewal, bound to another connection" 400 \
        "$(bind $version simplereenroll "$name" other "$work/own.crt")"
    equal "TLS $version: renewal, not bound" 400 "$(bind $version simplereenroll "$name" none "$work/own.crt")"
done

finish
