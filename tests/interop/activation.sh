#!/bin/bash
# Socket activation without systemd: brevetd is started with descriptors as
# sd_listen_fds(3) has it. Each takes the place of its own kind alone.
. "$(dirname "$0")/lib.sh"
need curl

install_brevet
plain() { curl -sf -o /dev/null "http://127.0.0.1:$1/crl/issuing.crl"; }   # PORT
secure() { curl -sf -o /dev/null --cacert "$root" "https://localhost:$1/health"; }

activated() { # NAME PORT HTTPS-PORT: with one socket of this name
    python3 - "$1" "$2" "$bin_brevetd" "$ca" >>"$work/brevetd.log" 2>&1 <<'PY' &
import os, socket, sys
name, port, program, folder = sys.argv[1:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(port)))
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=name)
os.execv(program, [program, "--dir", folder])
PY
    daemon=$!
    until_true 20 secure "$3" || bail "the daemon does not answer"
}

given=$(free_port)
activated https "$given" "$given"
check "https on the socket that was passed" secure "$given"
refuse "and not on that of the configuration" secure "$https_port"
check "http on that of the configuration" plain "$http_port"
stop_daemon

given=$(free_port)
activated http "$given" "$https_port"
check "http on the socket that was passed" plain "$given"
refuse "and not on that of the configuration" plain "$http_port"
check "https on that of the configuration" secure "$https_port"
stop_daemon
finish
