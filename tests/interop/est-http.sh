#!/bin/bash
# EST and HTTP/1.1 together: what clients and middle boxes do to requests.
. "$(dirname "$0")/lib.sh"
need curl openssl jq python3

install_brevet
start_daemon
raw() { printf '%b' "$2" | python3 tests/interop/lib/raw.py "$https_port" "$root" "$1"; }
path=/.well-known/est/cacerts
get_it="GET $path HTTP/1.1\r\nHost: localhost\r\n\r\n"

equal "three requests at once get three answers in turn" "200 404 200" \
    "$(raw 3 "$get_it${get_it/cacerts/nothing}$get_it")"
equal "an empty line between requests is skipped" "200 200" "$(raw 2 "$get_it\r\n$get_it")"
equal "HTTP/1.0 is answered and closed" "200 closed" "$(raw 1 "GET $path HTTP/1.0\r\n\r\n")"
equal "HTTP/1.0 may ask to go on" "200 200" \
    "$(raw 2 "GET $path HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET $path HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")"
equal "Connection: close is honoured" "200 closed" \
    "$(raw 1 "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")"
equal "HEAD has no body" "200 200" "$(raw 2 "HEAD $path HTTP/1.1\r\nHost: a\r\n\r\nHEAD $path HTTP/1.1\r\nHost: a\r\n\r\n")"
equal "no Host is 400" "400 closed" "$(raw 1 "GET $path HTTP/1.1\r\n\r\n")"
equal "two Hosts are 400" "400 closed" "$(raw 1 "GET $path HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")"
post_it="POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: a\r\nContent-Type: application/pkcs10\r\n"
equal "length and chunks together are 400" "400 closed" \
    "$(raw 1 "${post_it}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")"
equal "two lengths are 400" "400 closed" "$(raw 1 "${post_it}Content-Length: 4\r\nContent-Length: 5\r\n\r\nMAAA")"
equal "a body without length is no body" 401 "$(raw 1 "$post_it\r\n" | cut -d' ' -f1)"
equal "another version is refused" "501" "$(raw 1 "GET $path HTTP/3.0\r\nHost: a\r\n\r\n" | cut -d' ' -f1)"
equal "no credential is told before the body comes" "401" \
    "$(raw 1 "${post_it}Content-Length: 60000\r\nExpect: 100-continue\r\n\r\n" | cut -d' ' -f1)"

new_csr e1
basic=$(printf 'e1:%s' "$(token --device e1)" | base64 -w0)
body=$(cat "$work/e1.b64")
equal "Expect: 100-continue" "100 200" "$(raw 2 \
    "${post_it}Authorization: Basic $basic\r\nContent-Length: ${#body}\r\nExpect: 100-continue\r\n\r\n$body")"
equal "chunks of seven octets, a trailer" "200" "$(raw 1 \
    "${post_it}Authorization: Basic $basic\r\nTransfer-Encoding: chunked\r\n\r\n$(
        fold -w 7 "$work/e1.b64" | while read -r part || [ -n "$part" ]; do printf '%x\\r\\n%s\\r\\n' "${#part}" "$part"; done
    )0\r\nX-Trailer: y\r\n\r\n")"
equal "an unknown expectation is refused" "400" \
    "$(raw 1 "${post_it}Authorization: Basic $basic\r\nContent-Length: 4\r\nExpect: cake\r\n\r\nMAAA" | cut -d' ' -f1)"

# --- methods and routes ---
for op in simpleenroll simplereenroll serverkeygen; do
    get "$est/$op"
    equal "GET $op is 405" 405 "$status"
    equal "it allows POST" POST "$(header Allow)"
done
for op in cacerts csrattrs; do
    post "$op" "$work/e1.b64"
    equal "POST $op is 405" 405 "$status"
    check "it allows GET" grep -q GET <(header Allow)
    get "$est/$op" -X DELETE
    equal "DELETE $op is 405" 405 "$status"
done
for path in "$https/.well-known/est" "$https/.well-known/est/" "$est/a/b/cacerts" "$est/CACERTS" "$est/crls" \
    "$est/cacerts/" "$https/" "$https/.well-known/est/%63acerts"; do
    get "$path" --path-as-is
    equal "404: ${path#"$https"}" 404 "$status"
done
get "$https/x/../.well-known/est/cacerts" --path-as-is
check "dots do not lead anywhere ($status)" test "$status" = 404 -o "$status" = 400
get "$https/$(printf 'a%.0s' {1..20000})"
check "a target of 20,000 octets is refused ($status)" test "$status" = 414 -o "$status" = 431 -o "$status" = 400
get "$est/cacerts" -H "X: $(printf 'a%.0s' {1..70000})"
equal "a head of 70,000 octets is 431" 431 "$status"
get "$est/cacerts" --http2
equal "HTTP/1.1 when a client would like 2" 200 "$status"

# --- the head as old clients need it ---
post simpleenroll "$work/e1.b64" -H "Authorization: Basic $basic"
check "no chunks, names in canonical case" sh -c \
    "grep -q '^Content-Length: ' $work/head && grep -q '^Content-Type: ' $work/head && ! grep -qi '^Transfer-Encoding' $work/head"
check "the head is below 1,000 octets" test "$(wc -c <"$work/head")" -lt 1000
get "$est/cacerts" -A 'libest client'
check "libest gets lines of at most 76" test "$(wc -L <"$work/answer")" -le 76
get "$http/.well-known/est/cacerts"
check "no EST without TLS ($status)" test "$status" = 403 -o "$status" = 404

finish
