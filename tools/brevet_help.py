"""The commands of brevet(1) as its own help tells them."""
import os
import re
import subprocess

ROW = re.compile(r"^  ([a-z]+(?: [a-z-]+)?) {2,}(\S.*)$")
OPTION = re.compile(r"^  (--[a-z-]+)((?: [^ ]\S*)*?)(?: {2,}(.*))?$")


class Command:
    """usage, summary, options [(name, value, help)], examples, and the help's
    lines; plain is false when the help is not of the usual form."""

    def __init__(self, name, summary, lines):
        self.name, self.summary, self.lines = name, summary, lines
        self.usage, self.options, self.examples, self.plain = "", [], [], False
        where = None
        for line in lines:
            if line.startswith("usage: "):
                self.usage, where = line[len("usage: "):], "options"
            elif line == "examples:":
                where, self.plain = "examples", True
            elif where == "examples" and line:
                self.examples.append(line)
            elif where == "options":
                match = OPTION.match(line)
                if match:
                    self.options.append((match[1], match[2].strip(), match[3] or ""))

    def long_options(self):
        return sorted(set(re.findall(r"--[a-z][a-z-]+", "\n".join(
            line for line in self.lines if line.startswith("  ")))) | {"--help"})


def run(program, *args):
    # a build with sanitizers must not fail here for what help leaves unfreed
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C.UTF-8")
    done = subprocess.run([program, *args], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().splitlines()


def commands(program):
    found = []
    for line in run(program, "--help"):
        row = ROW.match(line)
        if row:
            name = row[1].strip()
            found.append(Command(name, row[2],
                                 run(program, *name.split(), "--help")))
    if len(found) < 10:
        raise SystemExit("the help of brevet is not understood")
    return found
