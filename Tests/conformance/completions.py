#!/usr/bin/python3
"""Completions, in bash, zsh and fish themselves: all that --help has is completed there, and files where files are wanted.

usage: completions.py [--bin DIR] [--service]     --service: of imgserve, in place of the others

What an option's value is, the noun that --help has for it says: FILE, PATH and PLACE are names of files, LIST is words with commas between, and
behind all others but choices nothing is offered. In bash the function is called for each option, with words as bash parts them, and a TAB is
pressed where readline has its share. In zsh it is always a TAB, in fish `complete -C`.
Needs the packages zsh, fish and shellcheck.
"""
import os
import re
import subprocess
import tempfile

from commandhelp import options, tools
from harness import Results, take_tools
from shells import Bash, Fish, Zsh

# The words of operands that are names, of pictures first or of any files.
OPERANDS = {"imgdecode": "picture", "imginfo": "picture", "imgstrip": "picture", "imgquality": "picture", "imgget": "file", "imgput": "file"}
FILES = ["photo.jpg", "photo.JPEG", "photo.txt", "upload", "my photo.png", "list", "lists/"]


def words_of(tool, option):
    """What may be in a list: what is said of a word that is not."""
    message = subprocess.run([tool, f"--{option.name}=?", *(["x"] if tool == "imgquality" else [])], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, check=False).stderr
    return message.strip().partition("is none of ")[2].split(", ")


def spellings(option):
    return [f"--{option.name}"] + ([f"-{option.short}"] if option.short else [])


def prepare(names, folder, scripts):
    for name in FILES:
        path = os.path.join(folder, name)
        if name.endswith("/"):
            os.mkdir(path)
        else:
            open(path, "wb").close()
    for shell, name in {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}.items():
        os.makedirs(os.path.join(scripts, shell))
        for tool in names:
            with open(os.path.join(scripts, shell, name.format(tool)), "wb") as file:
                subprocess.run([tool, "--completions", shell], stdout=file, check=True)


# MARK: bash

def check_bash(results, names, folder, scripts):
    bash = Bash(folder, scripts)
    for tool in names:
        script = os.path.join(scripts, "bash", tool)
        results.check(subprocess.run(["shellcheck", "-s", "bash", script], check=False).returncode == 0, f"bash: {tool}: shellcheck")
        asked = []

        def ask(words, offers, marks=(), tool=tool, asked=asked):
            asked.append(([tool, *words], offers, list(marks)))

        every = {spelling for option in options(tool) for spelling in spellings(option)}
        ask(["-"], every)
        ask(["--"], {spelling for spelling in every if spelling.startswith("--")})
        files = ["-o", "default"]
        for option in options(tool):
            ask([f"--{option.name}"], {spelling for spelling in every if spelling.startswith(f"--{option.name}")})
            if not option.value or option.isOptional:
                continue
            listed = words_of(tool, option) if option.value == "LIST" else []
            marks = ["-o", "nospace"] if listed else ["-o", "dirnames"] if option.value == "PLACE" else files if option.value in ("FILE", "PATH") else []
            words = set(option.choices + listed)
            for spelling in spellings(option):
                ask([spelling, ""], words, marks)
            # As bash parts --name=value, and as it does not where COMP_WORDBREAKS was changed.
            ask([f"--{option.name}", "="], words, marks)
            for word in words:
                some = {other for other in words if other.startswith(word[:-1])}
                ask([f"--{option.name}", "=", word[:-1]], some, marks)
                ask([f"--{option.name}", word[:-1]], some, marks)
                ask([f"--{option.name}={word[:-1]}"], {f"--{option.name}={other}" for other in some}, marks)
                if option.short and not listed:
                    ask([f"-{option.short}{word[:-1]}"], {f"-{option.short}{other}" for other in some if word[:-1]}, marks)
                    ask([f"-v{option.short}", word], {word}, marks)
            for word in listed:
                ask([f"--{option.name}", f"{listed[0]},{word}"], {f"{listed[0]},{other}" for other in listed if other.startswith(word)}, marks)
        operands = {"file": (set(), files), "picture": ({"photo.jpg", "photo.JPEG", "my photo.png", "lists"}, files + ["-o", "filenames"])}
        ask([""], *operands.get(OPERANDS.get(tool), (set(), [])))
        ask(["--", "photo.jpg", "--max"], set(), files if tool in OPERANDS else [])
        answers = bash.ask(tool, [words for words, _, _ in asked])
        results.check(len(answers) == len(asked), f"bash: {tool}: {len(answers)} answers of {len(asked)}")
        for (words, offers, marks), (offered, marked) in zip(asked, answers):
            results.check(set(offered) == offers and marked == marks, f"bash: {words}: {offered} {marked}, not {offers} {marks}")

    if "imgresize" in names:
        press_in_bash(results, bash, folder)


def press_in_bash(results, bash, folder):
    for line, became in {
        "imgresize --gravity southw": "imgresize --gravity southwest ",
        "imgresize --gravity=southw": "imgresize --gravity=southwest ",
        "imgresize --grav": "imgresize --gravity ",
        "imgresize ": "imgresize ",
        "imgresize -": "imgresize -",
        "imgresize 8": "imgresize 8",
        "imgencode -q ": "imgencode -q ",
        "imgencode -vf we": "imgencode -vf webp ",
        "imgencode -fwe": "imgencode -fwebp ",
        "imgencode ": "imgencode ",
        "imgencode -o up": "imgencode -o upload ",
        "imgencode > up": "imgencode > upload ",
        "imgencode -q 80 2>>up": "imgencode -q 80 2>>upload ",
        "imgencode --output x > photo.t": "imgencode --output x > photo.txt ",
        "imgresize 800 < up": "imgresize 800 < upload ",
        "imgresize '800>' up": "imgresize '800>' up",
        "imgencode -oup": "imgencode -oupload",
        "imgencode --output=photo.t": "imgencode --output=photo.txt ",
        "imgencode --plot=lists": "imgencode --plot=lists/",
        "imgencode --output my": "imgencode --output my\\ photo.png ",
        "imgdecode my": "imgdecode my\\ photo.png ",
        'imgdecode "my': 'imgdecode "my photo.png" ',
        "imgdecode my\\ ": "imgdecode my\\ photo.png ",
        "imgdecode photo.j": "imgdecode photo.jpg ",
        "imgdecode up": "imgdecode upload ",
        "imgdecode photo.t": "imgdecode photo.txt ",
        "imgdecode ./lists": "imgdecode ./lists/",
        "imgdecode ~/up": "imgdecode ~/upload ",
        "imgdecode -v -- up": "imgdecode -v -- upload ",
        "imgdecode --files0-from=lists": "imgdecode --files0-from=lists/",
        "imgstrip --keep exif,g": "imgstrip --keep exif,gps",
        "imgstrip --keep=exif,g": "imgstrip --keep=exif,gps",
        # The value of -f=w is "=w".
        "imgencode -f=w": "imgencode -f=w",
    }.items():
        result = bash.press(line, f"HOME={folder}")
        results.check(result == became, f"bash: {line!r} becomes {result!r}, not {became!r}")
    for line, became in {"imgresize --gravity=southw": "imgresize --gravity=southwest ", "imgencode --output=upl": "imgencode --output=upload"}.items():
        result = bash.press(line, "COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}")
        results.check(result == became, f"bash without = in COMP_WORDBREAKS: {line!r} becomes {result!r}, not {became!r}")
    bash.terminal.end()


# MARK: zsh and fish

def said(text):
    return text.removesuffix(".")


def check_lines(results, shell, tool, ask):
    """`ask` gives what is offered behind a line, with what is said of it."""
    def check(line, offers, is_exact=True):
        offered = ask(f"{tool} {line}")
        right = set(offered) == set(offers) if is_exact else set(offers) <= set(offered)
        results.check(right, f"{shell}: {tool} {line}: {sorted(offered)}, not {sorted(offers)}")

    every = {spelling: said(option.text) for option in options(tool) for spelling in spellings(option)}
    offered = ask(f"{tool} -") | ask(f"{tool} --")
    for spelling, text in every.items():
        # zsh says it of a short one in the line of the long one.
        is_said = shell != "zsh" or spelling.startswith("--")
        found = re.sub("^.* -- ", "", offered.get(spelling, "")) if is_said else text
        results.check(spelling in offered and found == text, f"{shell}: {tool} {spelling}: {found!r}, not {text!r}")
    results.check(set(offered) == set(every), f"{shell}: {tool}: {set(offered) ^ set(every)}")
    for option in options(tool):
        if not option.value:
            continue
        words = option.choices or (words_of(tool, option) if option.value == "LIST" else [])
        for begin in [f"{spelling} " for spelling in spellings(option) if not option.isOptional] + [f"--{option.name}="]:
            joined = begin if shell == "fish" and begin.endswith("=") else ""
            if option.value == "PLACE":
                check(begin, [joined + "lists/"])
            elif option.value in ("FILE", "PATH"):
                check(begin, [joined + name for name in FILES])
            else:
                check(begin, [joined + word for word in words])
                if option.value == "LIST":
                    check(f"{begin}{words[1]},{words[0][:-1]}", [f"{joined}{words[1]},{words[0]}" if shell == "fish" else words[0]], False)


def check_fish(results, names, folder, scripts):
    fish = Fish(folder, scripts)
    for tool in names:
        check_lines(results, "fish", tool, fish.ask)
        offered = set(fish.ask(f"{tool} "))
        results.check(offered == (set(FILES) if tool in OPERANDS else set()), f"fish: {tool}: {offered}")
    fish.end()


def check_zsh(results, names, folder, scripts):
    zsh = Zsh(folder, scripts)

    def ask(line):
        # Names come with the quotes that they need; directories without the slash that is added.
        offers = {name.replace("\\", ""): text for name, text in zsh.press(line)[1].items()}
        return {name + "/" * (name == "lists"): text for name, text in offers.items()}

    for tool in names:
        check_lines(results, "zsh", tool, ask)
    if "imgresize" in names:
        press_in_zsh(results, zsh, ask)
    zsh.terminal.end()


def press_in_zsh(results, zsh, ask):
    for line, offers in {"imgresize ": set(), "imgget ": set(FILES), "imgdecode up": {"upload"}, "imgdecode photo.t": {"photo.txt"},
                         "imgdecode ": {"photo.jpg", "photo.JPEG", "my photo.png", "lists/"}, "imgquality a ": {"photo.jpg", "photo.JPEG", "my photo.png", "lists/"},
                         "imgdecode -- --": set()}.items():
        offered = ask(line)
        results.check(set(offered) == offers, f"zsh: {line}: {set(offered)}, not {offers}")
    # Where nothing else can follow zsh offers options.
    for line in ["imgencode ", "imgquality a b "]:
        offered = ask(line)
        results.check(offered and all(name.startswith("-") for name in offered), f"zsh: {line}: {set(offered)}")
    for line, became in {"imgresize --gravity southw": "imgresize --gravity southwest ", "imgresize --gravity=southw": "imgresize --gravity=southwest ",
                         "imgencode -q": "imgencode -q", "imgencode -fwe": "imgencode -fwebp ", "imgencode -vf we": "imgencode -vf webp ",
                         "imgdecode my": "imgdecode my\\ photo.png ", "imgencode --pal": "imgencode --palette=", "imgencode > up": "imgencode > upload ", "imgencode -o up": "imgencode -o upload "}.items():
        result = zsh.press(line)[0]
        results.check(result == became, f"zsh: {line!r} becomes {result!r}, not {became!r}")


# How a shell reads them when it starts, as imgpipe(7) has it, and what then is said of them.
SOURCED = {
    'eval "$({0} --completions bash)"; complete -p {0}': ["bash", "--norc", "-c", "complete -F _{0} {0}"],
    "autoload -Uz compinit; compinit -D -u; source <({0} --completions zsh); print $_comps[{0}]": ["zsh", "-f", "-c", "_{0}"],
    "{0} --completions fish | source; complete -C '{0} --versio'": ["fish", "--no-config", "-c", "--version\tShow the version"],
}


def check_sourced(results, names, *_):
    tool = names[0]
    for script, (*shell, told) in SOURCED.items():
        process = subprocess.run([*shell, script.format(tool)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        results.check(process.stdout == told.format(tool) + "\n", f"{shell[0]}: {tool} sourced: {process.stdout}")


def main():
    given = take_tools(__doc__, "--service")
    names = [name for name in tools() if (name == "imgserve") == given.service]
    results = Results()
    for tool in names:
        for words in ["--completions tcsh", "--completions", "--completions="]:
            process = subprocess.run([tool, *words.split()], stdin=subprocess.DEVNULL, capture_output=True, check=False)
            results.check(process.returncode == 64 and process.stderr.count(b"\n") == 1, f"{tool} {words}: {process.returncode} {process.stderr}")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scripts:
        os.environ["HOME"] = folder
        prepare(names, folder, scripts)
        for check in (check_bash, check_zsh, check_fish, check_sourced):
            check(results, names, folder, scripts)
    results.end()


if __name__ == "__main__":
    main()
