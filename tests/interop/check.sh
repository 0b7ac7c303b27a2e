#!/bin/bash
# brevet check: what would stop a start or hamper it is told all at once, for
# people and as JSON, with an exit status to go by.
. "$(dirname "$0")/lib.sh"
need openssl jq

install_brevet
cp -a "$ca" "$work/whole"
anew() { rm -rf "$ca" && cp -a "$work/whole" "$ca"; }
look() { brevet check --json >"$work/json" 2>"$work/err"; }
told() { # KIND TEXT: what it said of that kind
    jq -e --arg text "$2" ".$1[] | select(test(\$text))" "$work/json" >/dev/null
}

check "what was made is fit" look
equal "as JSON" true "$(jq .good "$work/json")"
check "and for people" brevet check
equal "--json before the command is the same" "$(cat "$work/json")" "$(brevet --json check)"
equal "nothing is to be said of a new installation" "[]" "$(jq -c .warnings "$work/json")"
check "brevetd --check is the same" "$bin_brevetd" --dir "$ca" --check
check "while it is served too" start_daemon
check "its own addresses are not in its way" look
chmod 0 "$ca/run/brevetd.lock"
blind=() # root reads what it likes
[ "$(id -u)" -ne 0 ] || blind=(setpriv --bounding-set=-dac_override,-dac_read_search)
check "nor are they to who cannot see whose they are" "${blind[@]}" "$bin_brevetd" --dir "$ca" --check --json
"${blind[@]}" "$bin_brevetd" --dir "$ca" --check --json >"$work/json"
check "that much is told" told warnings "127.0.0.1:$https_port is in use: whether by this installation"
chmod 600 "$ca/run/brevetd.lock"
stop_daemon

"$bin_brevet" init --dir "$work/ed" --name Ed --host localhost --https 127.0.0.1:0 --http 127.0.0.1:0 --ca-alg ed25519 \
    --passphrase-file "$work/passphrase" "${one_user[@]}" >"$work/ed.log" 2>&1
check "init says what an Ed25519 CA cannot do" grep -q '64 kB' "$work/ed.log"
"$bin_brevet" --dir "$work/ed" check --json >"$work/json"
check "and so does check" told warnings '64 kB'

printf 'ocsp {\n    validity = "9m"\n}\n' >>"$ca/brevet.conf"
check "answers too short for nginx are no fault" look
check "but a warning" told warnings 'validity is 540s'
sed -i 's/validity = "9m"/validity = "10m"/' "$ca/brevet.conf"
look
equal "ten minutes are enough" 0 "$(jq '[.warnings[] | select(test("validity"))] | length' "$work/json")"

# --- several faults at once ---
chmod 644 "$ca/ca/issuing.key"
chmod 755 "$ca/db"
sed -i "s/^https = .*/https = {\"192.0.2.77:1\"}/" "$ca/brevet.conf"
echo 'admins = {"nobody-of-this-name", "root"}' >>"$ca/brevet.conf"
echo 'weak-keys = {"/nowhere/list"}' >>"$ca/brevet.conf"
sed -i 's#crl-url = "http://localhost#crl-url = "http://pki.example.org#' "$ca/brevet.conf"
echo nonsense >"$ca/ca/log.pub"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=x -keyout "$work/x.key" -out "$work/x.crt" 2>/dev/null
cat "$work/x.key" "$ca/ca/issuing.crt" >"$ca/tls/server.pem"
refuse "seven faults are no start" look
equal "the exit status says so" 1 "$(look; echo $?)"
check "a key others can read" told errors 'issuing.key can be read by others'
check "a folder others can enter" told errors '/db is open to others'
check "an address that is none of this machine's" told errors '192.0.2.77:1 is no address of this machine'
check "an administrator who does not exist" told errors 'no user .nobody-of-this-name'
check "a list that is not there" told errors '/nowhere/list cannot be read'
check "a log key that does not decode" told errors 'log.pub does not decode'
check "a TLS key that is not its certificate's" told errors "tls/server.pem: the key is not the certificate's"
check "a URL on another host is a warning" told warnings 'crl-url names the host pki.example.org'
brevet check >"$work/human" 2>&1
equal "people see every one of them" "$(jq '.errors | length' "$work/json")" "$(grep -c '^error: ' "$work/human")"
check "and a last line" grep -q 'NOT fit for a start: [0-9]* errors' "$work/human"

# --- one by one ---
anew
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null |
    openssl pkcs8 -topk8 -scrypt -passout "file:$work/passphrase" -out "$ca/ca/issuing.key"
chmod 600 "$ca/ca/issuing.key"
refuse "a key of another certificate" look
check "is named" told errors "key of ca .issuing. is not that of its certificate"
anew
(umask 077 && echo other >"$work/passphrase")
refuse "a wrong passphrase" look
check "is told for every key" test "$(jq '[.errors[] | select(test("passphrase is wrong"))] | length' "$work/json")" -ge 3
(umask 077 && echo "a passphrase for tests" >"$work/passphrase")
cp "$work/x.crt" "$ca/ca/root.crt"
refuse "a chain that does not hold" look
check "is told" told errors '^ca .issuing.: '
anew
rm "$ca/db/brevet.db"
refuse "no database" look
check "is told" told errors 'brevet.db is missing'
anew
head -c 8192 /dev/urandom >"$ca/db/brevet.db"
refuse "a database that is none" look
check "is told" told errors 'the database cannot be used'
anew
hold() { # NAME: a program of this name has the https address
    rm -f "$work/taken"
    python3 - "$https_port" "$work/taken" "$1" <<'PY' &
import socket, sys, time
open("/proc/self/comm", "w").write(sys.argv[3])
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open(sys.argv[2], "w")
time.sleep(60)
PY
    holder=$!
    until_true 10 test -e "$work/taken"
}
let_go() {
    kill "$holder"
    wait "$holder" 2>/dev/null
}
hold thief
refuse "an address another program has" look
check "is told, and which one it is" told errors "127.0.0.1:$https_port is taken by thief .pid $holder."
let_go
hold systemd
check "one that systemd holds for us is no fault" look
check "but a warning" told warnings "127.0.0.1:$https_port is held by systemd"
let_go
echo 'nonsense = 1' >>"$ca/brevet.conf"
refuse "a configuration that cannot be read" look
check "is told with its line" told errors 'brevet.conf:[0-9]'
anew
sed -i 's/^passphrase = .*/passphrase = "credential:brevet"/' "$ca/brevet.conf"
check "a credential that only the service has is borne" look
check "with a warning" told warnings 'credential that only the service is given'
mkdir "$work/credentials"
CREDENTIALS_DIRECTORY=$work/credentials refuse "to the service itself it must be there" look
anew
if ! sanitized && command -v faketime >/dev/null; then
    faketime '+9 years' "$bin_brevetd" --dir "$ca" --check --json >"$work/json"
    check "a CA that has expired" told errors 'certificate of ca .issuing. expired on'
    faketime '+7 years 6 months' "$bin_brevetd" --dir "$ca" --check --json >"$work/json"
    check "one that expires soon is a warning" told warnings 'certificate of ca .issuing. expires soon'
    faketime '2001-01-01' "$bin_brevetd" --dir "$ca" --check --json >"$work/json"
    check "a clock of the past" told errors 'the clock is wrong'
fi
finish
