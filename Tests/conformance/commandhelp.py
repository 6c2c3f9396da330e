"""What --help says of a tool's options."""
import collections
import os
import re
import subprocess

# `value`: what it is called, in capitals; None for a flag. `choices`, `default`: from the brackets behind the text.
Option = collections.namedtuple("Option", "name short value isOptional text choices default")

# An option's line, of which its text may be in the next one.
LINE = re.compile(r"^  (?:-(?P<short>.), |    )--(?P<name>[a-z0-9-]+)(?: (?P<value>\[?[A-Z0-9-]+\]?))?(?:$| +(?P<text>.*))")


def tools():
    """Those that are built, by name; the folder is the first on PATH. imgserve is one where it was built."""
    folder = os.environ["PATH"].split(os.pathsep)[0]
    return sorted(name for name in os.listdir(folder) if re.fullmatch("img[a-z]+", name) and os.path.isfile(os.path.join(folder, name)))


def help_text(tool):
    return subprocess.run([tool, "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout


def options(tool):
    found = []
    for line in help_text(tool).split("Options:\n", 1)[1].splitlines():
        head = LINE.match(line)
        if head:
            found.append([head["name"], head["short"], head["value"], head["text"] or ""])
        elif line.startswith(" " * 27):
            found[-1][3] = f"{found[-1][3]} {line.strip()}".strip()
    return [option(*parts) for parts in found]


def option(name, short, value, text):
    note = re.search(r" \(([^()]*)\)$", text)
    parts = note[1].split("; ") if note and text[note.start() - 1] == "." else []
    default = [part.removeprefix("default ") for part in parts if part.startswith("default ")]
    choices = [part.split(", ") for part in parts if not part.startswith("default ")]
    return Option(name, short, value and value.strip("[]"), bool(value) and value.startswith("["), text[:note.start()] if parts else text,
                  choices[0] if choices else [], default[0] if default else None)
