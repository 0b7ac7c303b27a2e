#!/usr/bin/env python3
"""What zsh makes of a line when TAB is pressed at its end.

    zsh_tab.py FOLDER LINE...      FOLDER has the completions; the lines, whole
"""
import os
import pty
import sys


def until(terminal, mark, count=1):
    seen = b""
    while seen.count(mark) < count:
        seen += os.read(terminal, 4096)
    return seen


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", FOLDER=sys.argv[1], PS1="")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    # TAB completes; then the line itself is shown, not run
    os.write(terminal, b"fpath=($FOLDER $fpath); autoload -U compinit; compinit -u -D; unsetopt zle_bracketed_paste;"
             b"show() { zle complete-word; print -r -- \"<$BUFFER>\"; BUFFER=; zle accept-line };"
             b"zle -N show; bindkey '^I' show; stty -echo; print rea''dy\n")
    until(terminal, b"ready")
    for line in sys.argv[2:]:
        os.write(terminal, line.encode() + b"\t")
        seen = until(terminal, b">").decode(errors="replace")
        print(seen[seen.index("<") + 1:seen.rindex(">")].rstrip())
    os.close(terminal)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
