#!/bin/bash
# docs/est-clients.md, typed in: its configuration is the installation's, its
# commands are run as they stand but for the names of server, codes and files.
. "$(dirname "$0")/lib.sh"
need curl openssl jq base64
pki=$(command -v pki || echo /usr/bin/pki)
agent=$build/prog/brevet-agent/brevet-agent
guide=$PWD/docs/est-clients.md

# blocks KIND: the indented lines that are configuration, or commands
blocks() {
    awk -v kind="$1" '
        /^    / {
            line = substr($0, 5)
            if (!inside) { is_conf = line ~ /^(profile|label) /; inside = 1 }
            if (is_conf && line ~ /^[a-z]/ && line !~ /^(profile|label) /) is_conf = 0
            if ((kind == "conf") == is_conf) print line
            next
        }
        /^$/ { inside = 0 }' "$guide"
}

install_brevet "$(blocks conf)"
start_daemon
pin=$(openssl x509 -in "$root" -outform DER | sha256sum | cut -d' ' -f1)
blocks commands >"$work/typed"
equal "every code is a device's or the group's" 0 "$(grep -o '[^ ]*CODE[^ ]*' "$work/typed" |
    grep -cvE '^[a-z]+-[0-9]+:(GROUP-)?CODE$|CODE-OF-[a-z]+-[0-9]')"
for name in $(grep -oE '[a-z]+-[0-9]+:CODE|CODE-OF-[a-z]+-[0-9]+' "$work/typed" | sed 's/:CODE//; s/CODE-OF-//' | sort -u); do
    code=$(token --device "$name" --uses 3)
    sed -i "s/$name:CODE/$name:$code/; s/CODE-OF-$name/$code/" "$work/typed"
done
sed -i "s/GROUP-CODE/$(token --group barn)/; s|ca.example.net:8443|localhost:$https_port|; s/SHA256/$pin/
    s|^pki |$pki |; s#brevet-agent #$agent #" "$work/typed"
cp "$root" "$work/root.crt"

cd "$work" || exit 1
bash -o pipefail -e "$work/typed" >"$work/said" 2>"$work/complained"
ok $? "every command of the guide succeeds" "$(tail -n 1 "$work/complained" | cut -c1-160)"
cd - >/dev/null || exit 1

check "cacerts were printed" grep -q 'subject=.*Interop' "$work/said"
check "csrattrs name the certificate" grep -q 'STRING.*:lamp-1' "$work/said"
for name in lamp-1 lamp-2 lamp-5 ra-1 meter-1 camera-1; do
    check "$name has a certificate" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/$name.crt"
    equal "and it is its own" "CN=$name" "$(openssl x509 -in "$work/$name.crt" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')"
    check "for its key" cmp <(openssl x509 -in "$work/$name.crt" -noout -pubkey) <(openssl pkey -in "$work/$name.key" -pubout)
done
for name in lamp-1 lamp-2; do
    refuse "$name was renewed" cmp -s "$work/$name.crt" "$work/$name.new"
done
check "the agent has its identity" openssl verify -CAfile "$root" -untrusted "$issuing" "$work/lamp-3/cert.pem"

finish
