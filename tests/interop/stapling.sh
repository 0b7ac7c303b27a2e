#!/bin/bash
# OCSP answers in the handshake (RFC 6066 8): nginx, which asks our responder
# and checks what it gets, and the daemon's own listener, while time passes.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
own_clock "$0"
need nginx openssl curl jq cc

nginx=
stop_nginx() {
    [ -z "$nginx" ] || { kill "$nginx" && wait "$nginx"; } 2>/dev/null
    umount -l /etc "$work/etc"
}
at_exit+=(stop_nginx)

# nginx asks again at the earliest after five minutes, and five before the end
install_brevet 'ocsp { validity = "15m" }'
start_daemon
new_csr web -subj /CN=localhost -addext subjectAltName=DNS:localhost
openssl req -inform DER -in "$work/web.der" -out "$work/web.csr"
brevet cert issue --profile server --csr "$work/web.csr" --out "$work/web.crt" >/dev/null || bail "no certificate for nginx"
cat "$work/web.crt" "$issuing" >"$work/web.chain"
port=$(free_port)
cat >"$work/nginx.conf" <<CONF
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/nginx.err info;
events { }
http {
    access_log off;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $work/web.chain;
        ssl_certificate_key $work/web.key;
        ssl_stapling on;
        ssl_stapling_verify on;
        ssl_trusted_certificate $work/trust.pem;
        location / { return 200 "hello\n"; }
    }
}
CONF
nginx -c "$work/nginx.conf" 2>"$work/nginx.out" &
nginx=$!

ask() { # PORT: the handshake as openssl s_client sees it, in $work/status
    openssl s_client -connect "localhost:$1" -servername localhost -CAfile "$root" -status </dev/null >"$work/status" 2>&1
}
says() { grep -q "$1" "$work/status"; }
when() { date -ud "$(sed -n "s/^ *$1 Update: //p" "$work/status" | head -n 1)" +%s; }
stapled() { curl -s --cacert "$root" --cert-status "https://localhost:$1/" -o /dev/null; }
is_open() { curl -s --cacert "$root" "https://localhost:$1/" -o /dev/null; }
newer() { ask "$1" && says 'Cert Status: good' && [ "$(when This)" -gt "$2" ]; }

# --- nginx ---
check "nginx serves with our certificate" until_true 10 is_open "$port"
check "nginx staples, curl --cert-status takes it" until_true 10 stapled "$port"
ask "$port"
check "openssl s_client sees it" says 'OCSP Response Status: successful'
check "it says good" says 'Cert Status: good'
first=$(when This)
check "and is in force" test "$(when Next)" -gt "$(date +%s)"
time_passes 650
check "later nginx asks again and staples a newer one" until_true 10 newer "$port" $((first + 300))
check "which curl takes" stapled "$port"
refuse "nginx has complained of nothing" grep -i ocsp "$work/nginx.err"

brevet cert revoke "$(openssl x509 -in "$work/web.crt" -noout -serial | cut -d= -f2)" --reason superseded >/dev/null
ok $? "its certificate is revoked"
time_passes 650
told() { ask "$port" && grep -q 'revoked.*OCSP' "$work/nginx.err"; }
check "nginx hears so when it asks again" until_true 10 told
time_passes 300
refuse "once its last answer is too old, curl --cert-status refuses it" stapled "$port"
ask "$port"
check "as there is nothing stapled" says 'OCSP response: no response sent'

# --- the daemon itself ---
check "the daemon staples" until_true 10 stapled "$https_port"
ask "$https_port"
first=$(when This)
signer=$(pgrep -P "$daemon" -f 'role signer')
test -n "$signer" || bail "which is the signer?"
kill -STOP "$signer" # no new answer can be had
kill -HUP "$daemon"
reloaded() { grep -q reloaded "$work/brevetd.log"; }
check "it reloads" until_true 10 reloaded
always() { for _ in 1 2 3 4 5 6 7 8 9 10; do stapled "$https_port" || return 1; done; }
check "and staples on without a pause" always
kill -CONT "$signer"
time_passes 480
check "it has a newer answer when the old one has lived half its life" until_true 10 newer "$https_port" $((first + 300))
check "which curl takes" stapled "$https_port"
until_true 10 newer "$https_port" "$first" && first=$(when This)
set_clock /etc/brevet-clock $((passed_time + 7200)) $((passed_time + 61)) # the machine slept
check "two hours asleep: it has a newer answer within a minute" until_true 10 newer "$https_port" $((first + 7000))
check "which curl takes" stapled "$https_port"

finish
