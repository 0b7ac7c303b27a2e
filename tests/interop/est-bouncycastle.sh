#!/bin/bash
# EST with BouncyCastle's client: cacerts, csrattrs, enrolment by claim code and
# waiting, renewal, keys made by the server.
. "$(dirname "$0")/lib.sh"
need curl openssl jq javac
jars=$(printf '/usr/share/java/%s.jar:' bcpkix bcprov bcutil)
[ -f /usr/share/java/bcpkix.jar ] || bail "libbcpkix-java is not installed"
mkdir "$work/classes"
javac -cp "$jars" -d "$work/classes" tests/interop/client/EstBouncy.java >"$work/javac.log" 2>&1 ||
    bail "EstBouncy.java does not compile: $(head -n 1 "$work/javac.log")"

install_brevet '
profile "approved" {
    approval = "true"
}
profile "bound" {
    channel-binding = "require"
}
profile "keys" {
    server-keygen = "true"
    server-keygen-plain = "true"
}
label "slow" { profile = approved }
label "tight" { profile = bound }
label "keys" { profile = keys }'
start_daemon

bc() { # LABEL OP [NAME WHO]: prints what the client says; NAME.crt
    local label=$1 op=$2 name=${3:-}
    [ -z "$name" ] || [ -f "$work/$name.both" ] || {
        new_key "$name"
        { cat "$work/$name.key" && openssl pkey -in "$work/$name.key" -pubout; } >"$work/$name.both"
    }
    java -cp "$work/classes:$jars" EstBouncy "$https_port" "$root" "$label" "$op" \
        ${name:+"$name" "$work/$name.both" "$work/$name.${out:-crt}" ${4:+"$4"}} 2>"$work/bc.log"
}

equal "cacerts: the issuing CA and the root" 2 "$(bc '' cacerts | grep -c Interop)"
check "csrattrs are read" grep -q 1.2.840.10045 <(bc '' csrattrs)
equal "and ask for no binding" "challenge false" "$(bc '' csrattrs | tail -n 1)"
equal "but where it is required" "challenge true" "$(bc tight csrattrs | tail -n 1)"

equal "enrolment by a claim code, after the challenge" issued "$(bc '' enroll bc1 "bc1:$(token --device bc1)")"
check "the certificate chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/bc1.crt"
equal "a wrong code" "status 401" "$(bc '' enroll bc2 bc2:wrong)"
equal "another's name" "status 403" "$(bc '' enroll bc2 "bc3:$(token --device bc3)")"
openssl pkcs12 -export -in "$work/bc1.crt" -inkey "$work/bc1.key" -out "$work/bc1.p12" -passout pass:x
equal "renewal by the certificate" issued "$(out=new bc '' reenroll bc1 "$work/bc1.p12")"
check "the new one chains to the root" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/bc1.new"
refuse "and is not the old one" cmp -s "$work/bc1.new" "$work/bc1.crt"
brevet cert revoke --device bc1 --reason superseded >/dev/null
equal "revoked it renews no more" "status 403" "$(bc '' reenroll bc1 "$work/bc1.p12")"

code=$(token --device bc4)
equal "a request waits, with a time to come back" "waits true" "$(bc slow enroll bc4 "bc4:$code")"
brevet device approve bc4 >/dev/null
equal "approved it is answered" issued "$(bc slow enroll bc4 "bc4:$code")"

equal "a key made by the server" issued "$(bc keys keygen bc5 "bc5:$(token --device bc5)")"
check "there is a key" test -s "$work/bc5.crt.key"
check "the certificate's" cmp <(openssl x509 -in "$work/bc5.crt" -noout -pubkey) \
    <(openssl pkey -inform DER -in "$work/bc5.crt.key" -pubout)

finish
