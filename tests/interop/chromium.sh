#!/bin/bash
# A browser's opinion: headless Chromium, which has our root in its NSS
# database, takes a certificate of the profile "server", and refuses it for
# another name and when it has expired. Without Chromium nothing is claimed.
. "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    # too large for script/bootstrap to bring
    echo "1..0 # SKIP Chromium is not installed, so nothing is known of it"
    exit 0
fi
need certutil openssl curl jq

servers=()
stop_servers() { [ ${#servers[@]} -eq 0 ] || { kill "${servers[@]}" && wait "${servers[@]}"; } 2>/dev/null; }
at_exit+=(stop_servers)

install_brevet 'profile "brief" {
    lifetime = "10s"
    extended-key-usage = {"serverAuth"}
    san = {"dns"}
}'
start_daemon
issue() { # NAME PROFILE
    new_csr "$1" -subj /CN=localhost -addext subjectAltName=DNS:localhost
    openssl req -inform DER -in "$work/$1.der" -out "$work/$1.csr"
    brevet cert issue --profile "$2" --csr "$work/$1.csr" --out "$work/$1.crt"
}
check "a certificate of the profile server" issue web server
check "one that lives ten seconds" issue brief brief
serve() { # NAME: an HTTPS server with this certificate; its address in $site, $port
    port=$(free_port)
    site=https://localhost:$port/page.html
    (cd "$work" && exec openssl s_server -accept "127.0.0.1:$port" -cert "$1.crt" -key "$1.key" \
        -cert_chain "$issuing" -WWW -quiet) >"$work/$1.out" 2>&1 &
    servers+=($!)
    until_true 10 curl -s --cacert "$root" "$site" -o /dev/null || bail "openssl s_server does not answer"
}
echo '<p>brevet says hello</p>' >"$work/page.html"
serve brief
brief=$site
serve web

export HOME=$work/home # where Chromium looks for .pki/nssdb
mkdir -p "$HOME/.pki/nssdb"
trust() { certutil -d "sql:$HOME/.pki/nssdb" "$@"; }
trust -N --empty-password
visit() { # URL: Chromium shows the page
    rm -rf "$work/profile"
    timeout 30 "$browser" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$work/profile" \
        --dump-dom "$1" >"$work/page" 2>"$work/chromium.err" && grep -q 'brevet says hello' "$work/page"
}
why() { sed -n 's/.*net::\(ERR_[A-Z_]*\).*/\1/p' "$work/chromium.err" | head -n 1; }

refuse "Chromium refuses it while it does not know our root" visit "$site"
equal "because of that" ERR_CERT_AUTHORITY_INVALID "$(why)"
trust -A -n root -t C,, -i "$root"
check "Chromium takes it once the root is in its database" visit "$site"
refuse "not for a name that is not in it" visit "https://127.0.0.1:$port/page.html"
equal "because of that" ERR_CERT_COMMON_NAME_INVALID "$(why)"
# the last second is still in (RFC 5280 4.1.2.5)
last=$(date -d "$(openssl x509 -in "$work/brief.crt" -noout -enddate | cut -d= -f2)" +%s)
expired() { [ "$(date +%s)" -gt "$last" ]; }
until_true 20 expired || bail "it does not expire"
refuse "not one that has expired" visit "$brief"
equal "because of that" ERR_CERT_DATE_INVALID "$(why)"

finish
