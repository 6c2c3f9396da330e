"""Shells whose completions are asked for: bash, zsh and fish as they are, without the machine's settings."""
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import termios
from fcntl import ioctl


class Terminal:
    """An interactive shell on a terminal of its own, so wide and high that nothing is cut or asked."""

    def __init__(self, command, folder, setup):
        process, self.terminal = pty.fork()
        if process == 0:
            os.chdir(folder)
            os.environ.update(TERM="dumb", PS1="", HISTFILE="")
            os.execvp(command[0], command)
        self.process = process
        ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 2000, 1000, 0, 0))
        for line in [*setup, 'echo rea""dy']:
            os.write(self.terminal, line.encode() + b"\n")
        self.read_to(rb"ready\r")

    def read_to(self, pattern, seconds=60):
        """What it puts out, up to this."""
        text = b""
        while not re.search(pattern, text):
            if not select.select([self.terminal], [], [], seconds)[0]:
                raise TimeoutError(f"no {pattern} in {text[-2000:]}")
            text += os.read(self.terminal, 1 << 16)
        return text

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.process, 0)


class Bash:
    """`ask` calls the function as bash does; `press` is a real TAB."""

    def __init__(self, folder, scripts):
        self.folder, self.scripts, self.terminal = folder, scripts, None

    def ask(self, tool, lines):
        """`lines`: the words of a command each, the last one to be completed. For each what is offered, and what readline is told to add."""
        calls = "\n".join("ask " + " ".join(map(shlex.quote, line)) for line in lines)
        script = f"""
            compopt() {{ marks+=" $*"; }}
            ask() {{
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) marks=
                _{tool}
                printf '%s\\n' "${{COMPREPLY[@]}}" "marks$marks" ''
            }}
            set -u
            source "$1"
            {calls}
            """
        process = subprocess.run(["bash", "--norc", "--noprofile", "-c", script, "bash", os.path.join(self.scripts, "bash", tool)], cwd=self.folder,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        answers, words = [], []
        for line in process.stdout.splitlines():
            if line.startswith("marks"):
                answers.append((words, line.split()[1:]))
                words = []
            elif line:
                words.append(line)
        return answers

    def press(self, line, setup=""):
        """What the line becomes."""
        if not self.terminal:
            # It says the line it has, between marks.
            self.terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], self.folder, [
                "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'",
                "say() { printf '\\001%s\\002\\n' \"$READLINE_LINE\"; READLINE_LINE=; READLINE_POINT=0; }; bind -x '\"\\C-x\\C-p\": say'",
                f"for script in {shlex.quote(self.scripts)}/bash/*; do source $script; done"])
        if setup:
            self.terminal.type(setup + "; echo do\"\"ne\n")
            self.terminal.read_to(rb"done\r")
        self.terminal.type(line + "\t\x18\x10")
        return re.search(rb"\x01(.*)\x02", self.terminal.read_to(rb"\x02"), re.S)[1].decode()


class Zsh:
    """A real TAB; what is offered is written down where compadd would take it."""

    SETUP = r"""
        PROMPT= RPROMPT= LISTMAX=100000
        unsetopt beep prompt_sp prompt_cr
        fpath=($1/zsh $fpath)
        autoload -Uz compinit
        compinit -D -u
        zstyle ':completion:*' insert-tab false
        compadd() {
            local argument
            for argument in "$@"; do
                # Those that look for matches and offer none.
                if [[ $argument == -[OAD] ]]; then builtin compadd "$@"; return; fi
            done
            local -a offered described texts
            local name i
            zparseopts -E d:=described
            name=${described[2]}
            [[ -z $name ]] || texts=("${(@P)name}")
            # Of the texts those stay whose words are offered.
            builtin compadd -A offered -D texts "$@"
            for ((i = 1; i <= $#offered; i++)); do print -r -- "${offered[i]}"$'\t'"${texts[i]}" >> $offers; done
            builtin compadd "$@"
        }
        say() { printf '\001%s\002\n' "$BUFFER" > $TTY; BUFFER=; }
        zle -N say
        bindkey '^I' complete-word
        bindkey '^X^P' say
        """

    def __init__(self, folder, scripts):
        self.offers = os.path.join(scripts, "offers")
        setup = os.path.join(scripts, "setup.zsh")
        with open(setup, "w", encoding="ascii") as file:
            file.write(self.SETUP)
        self.terminal = Terminal(["zsh", "-f", "-i"], folder, [f"offers={shlex.quote(self.offers)}; source {shlex.quote(setup)} {shlex.quote(scripts)}"])

    def press(self, line):
        """What the line becomes, and what was offered, with what is said of it."""
        with open(self.offers, "wb"):
            pass
        self.terminal.type(line + "\t\x18\x10")
        became = re.search(rb"\x01(.*)\x02", self.terminal.read_to(rb"\x02"), re.S)[1].decode()
        with open(self.offers, encoding="utf-8") as file:
            return became, dict(offer.rstrip("\n").split("\t", 1) for offer in file if "\t" in offer)


class Fish:
    """`complete -C`, which is what a TAB asks."""

    def __init__(self, folder, scripts):
        script = f"set fish_complete_path {shlex.quote(scripts)}/fish; while read line; complete -C $line; echo end; end"
        self.process = subprocess.Popen(["fish", "--no-config", "-c", script], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        """What is offered, with what is said of it."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        offered = {}
        for answer in iter(self.process.stdout.readline, "end\n"):
            if not answer:
                raise EOFError(f"fish ended at {line}")
            word, _, text = answer.rstrip("\n").partition("\t")
            offered[word] = text
        return offered

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
