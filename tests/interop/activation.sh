#!/bin/bash
# Socket activation without systemd: brevetd is started with descriptors as
# sd_listen_fds(3) has it. Each takes the place of its own kind alone.
. "$(dirname "$0")/lib.sh"
need curl pgrep

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

# --- told to end, it leaves the socket to who passed it, and closes its own ---
touch_port() { (exec 5<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }   # PORT
shut() { ! touch_port "$1"; }
core=$(pgrep -P "$daemon" -f 'role core')
kill -STOP "$core" # it takes its time to end
kill "$daemon"
check "who comes to its own socket is refused" until_true 4 shut "$https_port"
check "who comes to the other one waits for the next start" touch_port "$given"
kill -CONT "$core"
stop_daemon
check "after the end nobody holds that one here" shut "$given"
finish
