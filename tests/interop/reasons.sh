#!/bin/bash
# Every revocation reason of RFC 5280 5.3.1, given by serial, device or key, as
# the CRL and OCSP tell it to OpenSSL, GnuTLS and NSS; hold, release, repeats.
. "$(dirname "$0")/lib.sh"
need openssl certtool ocsptool certutil crlutil vfychain curl jq

# what a certificate is called here, the reason it is revoked for, the words of
# openssl crl, how the certificate is named on the command line, the number of
# the reason where it is written
reasons="
unspecified          -                      serial -
keyCompromise        Key_Compromise         device 1
cACompromise         CA_Compromise          key    2
affiliationChanged   Affiliation_Changed    serial 3
superseded           Superseded             device 4
cessationOfOperation Cessation_Of_Operation key    5
certificateHold      Certificate_Hold       serial 6
privilegeWithdrawn   Privilege_Withdrawn    device 9
aACompromise         AA_Compromise          key    10"
each() { # FUNCTION: called with the columns of each line
    local name words by number
    while read -r name words by number; do
        [ -z "$name" ] || "$1" "$name" "${words//_/ }" "$by" "$number" </dev/null
    done <<<"$reasons"
}

install_brevet
sed -i '/^ca "issuing"/a\    crl-delay = "1h"' "$ca/brevet.conf" # no CRL but those asked for
start_daemon
each_enroll() { enroll "$1" || bail "no certificate for $1"; }
each each_enroll
enroll bystander || bail "no certificate for the bystander"

serial() { openssl x509 -in "$work/$1.crt" -noout -serial | cut -d= -f2; }
key() { openssl x509 -in "$work/$1.crt" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1; }
how() { # NAME BY: the certificate's name on the command line
    case $2 in
    serial) serial "$1" ;;
    device) echo "--device $1" ;;
    key) echo "--key $(key "$1")" ;;
    esac
}
number() { openssl crl -inform DER -in "$1" -noout -crlnumber | sed 's/.*=\(0x\)*/0x/'; }
fetch_newer() {
    curl -sf "$http/crl/issuing.crl" -o "$work/new.der" && [ $(($(number "$work/new.der"))) -gt $((last)) ]
}
last=0
publish() { # brevet crl publish answers when the CRL is served
    brevet crl publish issuing >/dev/null && fetch_newer && mv "$work/new.der" "$work/issuing.der" &&
        last=$(number "$work/issuing.der") && openssl crl -inform DER -in "$work/issuing.der" -out "$work/issuing.pem" &&
        openssl crl -in "$work/issuing.pem" -noout -text >"$work/crl"
}
entry() { sed -n "/Serial Number: $(serial "$1")/,/Serial Number:\|Signature Algorithm/p" "$work/crl" | sed '$d'; }
entries() { grep -c 'Serial Number:' "$work/crl"; }
seconds() { date -ud "$1" +%s; }
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }
ask() { # NAME [more arguments of openssl ocsp]
    openssl ocsp -issuer "$issuing" -CAfile "$work/trust.pem" -url "$http/ocsp" -cert "$work/$1.crt" "${@:2}" \
        >"$work/ocsp" 2>&1
}
says() { grep -q "$1" "$work/ocsp"; }
changed() { # WANT arguments: a change through brevet cert …, and how many it says it made
    [ "$(brevet --json cert "${@:2}" | jq .changed)" = "$1" ]
}
responder_up() { ask bystander && says ': good'; }
check "the responder answers" until_true 10 responder_up

# --- revoke ---
from=$(date +%s)
each_revoke() {
    # shellcheck disable=SC2046
    check "$1, by $3" changed 1 revoke $(how "$1" "$3") --reason "$1"
    # shellcheck disable=SC2046
    check "… again changes nothing" changed 0 revoke $(how "$1" "$3") --reason "$1"
}
each each_revoke
to=$(date +%s)
each_other() { # RFC 5280 gives no way back; only a hold may become something else
    [ "$1" = certificateHold ] || refuse "$1 stays $1" brevet cert revoke "$(serial "$1")" \
        --reason "$([ "$1" = superseded ] && echo unspecified || echo superseded)"
}
each each_other
# a key that turns out to be stolen later is blocked, whatever was told before
check "superseded, then keyCompromise: changes nothing" changed 0 revoke "$(serial superseded)" --reason keyCompromise
equal "… says that the key is blocked" "what was revoked already keeps its reason; the key is blocked" \
    "$(brevet --json cert revoke --device superseded --reason keyCompromise | jq -r .note)"
cp "$work/superseded.key" "$work/another.key"
refuse "… and nobody is certified for it" enroll another
check "… as the answer says" grep -qi "key" "$work/answer"
for none in removeFromCRL 7 keycompromise ""; do
    refuse "\"$none\" is not a reason" brevet cert revoke "$(serial bystander)" --reason "$none"
done

# --- CRL: OpenSSL ---
check "a first CRL" until_true 10 fetch_newer
last=$(number "$work/new.der")
check "another one with all of them" publish
equal "it has an entry for each and no other" 9 "$(entries)"
each_entry() {
    entry "$1" >"$work/entry"
    check "CRL: $1 was revoked when it was" between \
        "$(seconds "$(sed -n 's/.*Revocation Date: //p' "$work/entry")")" "$from" "$to"
    if [ "$2" = - ]; then # RFC 5280 5.3.1: absent, not "unspecified"
        refuse "CRL: $1 has no extension" grep -q 'extensions' "$work/entry"
    else
        equal "CRL: $1" "$2" "$(sed -n '/Reason Code/{n;s/^ *//p}' "$work/entry")"
    fi
}
each each_entry
each_chain() {
    refuse "openssl verify refuses $1" openssl verify -crl_check -CAfile "$root" -untrusted "$issuing" \
        -CRLfile "$work/issuing.pem" "$work/$1.crt"
    check "… for being revoked" grep -q 'error 23 ' "$work/refused.log"
}
each each_chain
fetch_root() { curl -sf "$http/crl/root.crl" | openssl crl -inform DER -out "$work/root.pem"; }
check "the root's CRL is there" fetch_root
check "openssl verify -crl_check_all takes the bystander" openssl verify -x509_strict -crl_check_all -CAfile "$root" \
    -untrusted "$issuing" -CRLfile "$work/issuing.pem" -CRLfile "$work/root.pem" "$work/bystander.crt"
# not with -crl_check_all: OpenSSL then wants the root to say where a CRL for the root is
download() { openssl verify -crl_download -crl_check -CAfile "$root" -untrusted "$issuing" "$work/$1.crt"; }
check "openssl verify -crl_download fetches the CRL the certificate names" download bystander
refuse "… and refuses a revoked one" download superseded
check "… for being revoked" grep -q 'error 23 ' "$work/refused.log"

# --- CRL: GnuTLS, NSS ---
certtool --crl-info --infile "$work/issuing.pem" >"$work/gnutls" 2>&1
nss_database || bail "no NSS database"
check "crlutil takes the CRL" crlutil -I -i "$work/issuing.der" -d "sql:$work/nss"
crlutil -L -n issuing -d "sql:$work/nss" | tr -d ' \t\n:' >"$work/nss.crl"
each_reader() { # certtool shows times only
    local here at
    here=$(serial "$1") at=$(sed -n 's/.*Revocation Date: //p' <(entry "$1"))
    check "certtool: $1, with its time" test "$(seconds "$at")" = \
        "$(seconds "$(grep -iA1 "(hex): $here" "$work/gnutls" | sed -n 's/.*Revoked at: //p')")"
    if [ "$4" = - ]; then
        check "crlutil: $1 without a reason" grep -qi "number${here}RevocationDate[A-Za-z0-9]*\(Entry[0-9]*(\|CRLExt\)" "$work/nss.crl"
    else
        check "crlutil: $1 is $4" grep -qi "number${here}RevocationDate[A-Za-z0-9]*codeData$4(" "$work/nss.crl"
    fi
}
each each_reader
check "certtool verifies the CRL" grep -q Verified \
    <(certtool --verify-crl --infile "$work/issuing.pem" --load-ca-certificate "$issuing")
vfychain_() { # METHOD NAME
    vfychain -d "sql:$work/nss" -pp -u 0 -g leaf -m "$1" -s failIfNoInfo -a "$work/$2.crt"
}
for method in crl ocsp; do
    check "vfychain -m $method takes the bystander" vfychain_ "$method" bystander
done
each_vfychain() {
    for method in crl ocsp; do
        refuse "vfychain -m $method refuses $1" vfychain_ "$method" "$1"
        check "… for being revoked" grep -qi revoked "$work/refused.log"
    done
}
each each_vfychain

# --- OCSP: OpenSSL, GnuTLS ---
number_in() { # FILE: the CRLReason of an OCSP response; older OpenSSL has no name for two of them
    local at
    at=$(openssl asn1parse -inform DER -in "$1" | sed -n 's/^ *\([0-9]*\):.*OCTET STRING.*/\1/p' | head -n 1)
    openssl asn1parse -inform DER -in "$1" -strparse "$at" | sed -n 's/.*ENUMERATED *:0*//p'
}
each_ocsp() {
    local at number
    at=$(seconds "$(sed -n 's/.*Revocation Date: //p' <(entry "$1"))")
    ask "$1" -respout "$work/response"
    check "OCSP: $1 is revoked" says ': revoked'
    equal "… with the time in the CRL" "$at" "$(seconds "$(sed -n 's/.*Revocation Time: //p' "$work/ocsp")")"
    number=$([ "$4" = - ] || printf %X "$4")
    equal "… and the reason" "number $number" "number $(number_in "$work/response")"
    ocsptool --ask="$http/ocsp" --load-issuer "$issuing" --load-cert "$work/$1.crt" --load-trust "$work/trust.pem" \
        >"$work/ocsp" 2>&1
    check "… ocsptool sees it" says 'Certificate Status: revoked'
    equal "… and the time" "$at" "$(seconds "$(sed -n 's/.*Revocation time: //p' "$work/ocsp")")"
}
each each_ocsp

# --- hold: an end, a change, the date of the first ---
check "release" changed 1 release "$(serial certificateHold)"
check "… again changes nothing" changed 0 release --device certificateHold
ask certificateHold
check "it is good at once" says ': good'
check "a new CRL" publish
none "has it no longer" "$(entry certificateHold)"
equal "but the others" 8 "$(entries)"
check "openssl verify takes it" openssl verify -crl_check -CAfile "$root" -untrusted "$issuing" \
    -CRLfile "$work/issuing.pem" "$work/certificateHold.crt"
check "crlutil takes the new CRL for the old one" crlutil -I -i "$work/issuing.der" -d "sql:$work/nss"
for method in crl ocsp; do
    check "vfychain -m $method takes it" vfychain_ "$method" certificateHold
done
refuse "what was revoked for good is not released" brevet cert release "$(serial superseded)"
check "hold by the command for it" changed 1 hold --key "$(key certificateHold)"
check "a new CRL" publish
held=$(seconds "$(sed -n 's/.*Revocation Date: //p' <(entry certificateHold))")
later() { [ "$(date +%s)" -gt "$held" ]; }
until_true 5 later
check "a hold becomes final" changed 1 revoke --device certificateHold --reason cessationOfOperation
check "a new CRL" publish
entry certificateHold >"$work/entry"
check "has the new reason" grep -q 'Cessation Of Operation' "$work/entry"
equal "and the date of the hold" "$held" "$(seconds "$(sed -n 's/.*Revocation Date: //p' "$work/entry")")"
refuse "it is not released any more" brevet cert release "$(serial certificateHold)"
equal "by device: what is revoked already is passed over" 0 \
    "$(brevet --json cert revoke --device keyCompromise --reason superseded | jq .changed)"
refuse "a device nobody knows" brevet cert revoke --device nobody
refuse "a key nobody knows" brevet cert revoke --key "$(printf %064d 7)"
refuse "a serial nobody knows" brevet cert revoke 4200112233445566778899aabbccddeeff

finish
