"""Holds manual pages, guides and completions against the programs. Called by
manual.sh with the source and build folders; prints TAP lines."""
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
source, build = map(pathlib.Path, sys.argv[1:3])
sys.path.insert(0, str(source / "tools"))
import brevet_help

BREVET = str(build / "prog/brevet/brevet")
BREVETD = str(build / "prog/brevetd/brevetd")
AGENT = str(build / "prog/brevet-agent/brevet-agent")
PAGES = {
    "brevet.1": build / "docs/brevet.1",
    "brevet.conf.5": build / "docs/brevet.conf.5",
    "brevetd.8": source / "docs/man/brevetd.8",
    "brevet-agent.1": source / "docs/man/brevet-agent.1",
    "brevet-agent.conf.5": source / "docs/man/brevet-agent.conf.5",
}
LONG = re.compile(r"--[a-z][a-z-]*[a-z]")
failed = 0


def ok(good, text, evidence=""):
    global failed
    failed += not good
    print(("ok - " if good else "not ok - ") + text +
          (f" ({evidence})" if evidence and not good else ""))


def same(text, wanted, got):
    wanted, got = set(wanted), set(got)
    ok(wanted == got and wanted, text,
       f"missing: {sorted(wanted - got)}, too much: {sorted(got - wanted)}")


def page(name):
    return PAGES[name].read_text(encoding="utf-8")


def flags(text):
    """The long options an mdoc text describes: .It Fl -a , Fl -b"""
    return {"-" + f for line in text.splitlines() if line.startswith(".It ")
            for f in re.findall(r"Fl (-[a-z][a-z-]+)", line)}


def run_quiet(*command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    return (done.stderr.strip() or f"status {done.returncode}"
            if done.returncode or done.stderr.strip() else "")


def render():
    import shutil
    for name, path in PAGES.items():
        if shutil.which("man"):
            said = run_quiet("man", "--warnings", "-E", "UTF-8", "-l", str(path))
            ok(not said, f"man renders {name} without a warning", said[:200])
        if shutil.which("mandoc"):
            done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(path)],
                                  stdout=subprocess.PIPE, text=True)
            ok(done.returncode == 0, f"mandoc has nothing against {name}", done.stdout[:200])


def help_options(program):
    return set(LONG.findall("\n".join(brevet_help.run(program, "--help"))))


def check_brevet(commands):
    text = page("brevet.1")
    part = text.split(".Sh COMMANDS\n")[1].split("\n.Sh ")[0]
    sections = {}
    for piece in part.split(".Ss ")[1:]:
        title = piece.splitlines()[0].replace("\\&", "")
        words = re.split(r" (?=[A-Z\[])", title)[0]
        sections[words] = piece
    same("brevet.1 has a section for each command", [c.name for c in commands], sections)
    for command in commands:
        if not command.plain:
            continue
        piece = sections.get(command.name, "")
        same(f"brevet.1: the options of {command.name}",
             set(command.long_options()) | {"--dir", "--json"},
             flags(piece) | {"--dir", "--json", "--help"})
    said = run_quiet(str(source / "tools/help-man"), BREVET, str(source / "docs/man/brevet.1.in"))
    ok(not said, "every note in brevet.1.in is on a command", said)


def check_others():
    same("brevetd.8 describes the options of brevetd", help_options(BREVETD), flags(page("brevetd.8")))
    same("brevet-agent.1 describes the options of brevet-agent", help_options(AGENT),
         flags(page("brevet-agent.1")))
    reference = "\n".join(brevet_help.run(BREVETD, "--print-config-reference"))
    same("brevet.conf.5 has every setting", re.findall(r"^    ([a-z0-9-]+): ", reference, re.M),
         re.findall(r"^\.It Cm (\S+)$", page("brevet.conf.5"), re.M))
    not_settings = {"--config", "--help", "--version", "--force", "--json", "--wait", "--verbose", "--name"}
    settings = set()
    for line in re.findall(r"^\.It Cm (.*)$", page("brevet-agent.conf.5"), re.M):
        settings |= set(re.split(r" , ", line.split(" No ")[0]))
    same("brevet-agent.conf.5 has the settings of brevet-agent's options",
         {o[2:].replace("install-", "").replace("no-pem", "pem") for o in help_options(AGENT) - not_settings},
         settings - {"install"})


def shown_commands(text):
    """Command lines in indented blocks and between backquotes."""
    text = re.sub(r"\\\n\s*", " ", text)
    spans = re.findall(r"`([^`\n]+)`", text)
    spans += [line for line in text.splitlines() if line.startswith("    ")]
    start = re.compile(r"(?:^\s*|&& |\$\(|; |\| )(?:sudo )?(?:[\w./-]*/)?(brevet|brevetd|brevet-agent)((?: [^|;&`)#>]*)?)")
    for span in spans:
        for match in start.finditer(span):
            yield match[1], match[2].split(), span.strip()


def fault_of(program, words, commands, known):
    if program != "brevet":
        bad = [w for w in words if w.startswith("--") and w.split("=")[0] not in known[program]]
        return f"no option {bad}" if bad else ""
    while words and words[0] in ("--dir", "--json"):
        words = words[2:] if words[0] == "--dir" else words[1:]
    if not words or words[0] in ("--help", "--version", "COMMAND", "…"):
        return ""
    found = [c for c in commands if c.name == " ".join(words[:2]) or c.name == words[0]]
    group = [c for c in commands if c.name.split()[0] == words[0]]
    if not found:
        return "" if group and len(words) == 1 else f"no command {' '.join(words[:2])}"
    options = [w for w in words if w.startswith("--")]
    bad = [o for o in options if o not in set(found[0].long_options()) | {"--dir", "--json"}]
    return f"no option {bad}" if bad else ""


def check_guides(commands):
    known = {"brevetd": help_options(BREVETD), "brevet-agent": help_options(AGENT)}
    total = 0
    for file in [source / "README.md", *sorted((source / "docs").rglob("*.md"))]:
        faults = []
        for program, words, line in shown_commands(file.read_text(encoding="utf-8")):
            total += 1
            fault = fault_of(program, words, commands, known)
            if fault:
                faults.append(f"{fault}: {line}")
        ok(not faults, f"the commands in {file.relative_to(source)} exist", "; ".join(faults))
    ok(total > 40, "the guides show commands", str(total))


def main():
    commands = brevet_help.commands(BREVET)
    render()
    check_brevet(commands)
    check_others()
    check_guides(commands)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
