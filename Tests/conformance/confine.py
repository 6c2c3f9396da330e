#!/usr/bin/python3
"""Runs a command as a unit of systemd would have it, in what seccomp does of that: SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute.

usage: confine.py [--unit FILE] [--without CALL,...] COMMAND...

For machines without systemd: the sets of calls are those of systemd-analyze, the filter is libseccomp's (Debian's python3-seccomp). Calls of --without
are refused in any case, as by the profile of an old container runtime."""
import argparse
import errno
import os
import socket
import subprocess

PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


def settings(path):
    """Name to values, in their order; of a name that comes again, all of them."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                found.setdefault(name, []).append(value)
    return found


def members(name):
    """The calls of a set, those of sets in it too."""
    if not name.startswith("@"):
        return {name}
    lines = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, check=True, text=True).stdout.split("\n")[1:]
    found = set()
    for word in (line.strip() for line in lines):
        if word and not word.startswith("#"):
            found |= members(word)
    return found


def allowed(unit):
    """As systemd.exec(5): what is named first says whether it is a list of allowed ones; @default is always one of them."""
    found = members("@default")
    for value in unit["SystemCallFilter"]:
        calls = set().union(*(members(word) for word in value.lstrip("~").split()))
        found = found - calls if value.startswith("~") else found | calls
    return found


def program(unit, without):
    # Of Debian's Python alone; the settings are read by others too.
    import seccomp

    if not unit:
        result = seccomp.SyscallFilter(seccomp.ALLOW)
    else:
        refused = seccomp.ERRNO(errno.EPERM)
        result = seccomp.SyscallFilter(refused)
        families = {int(getattr(socket, name)) for name in unit["RestrictAddressFamilies"][0].split()}
        denies_code = unit.get("MemoryDenyWriteExecute") == ["yes"]
        for call in allowed(unit) - set(without):
            try:
                if call == "socket":
                    for family in families:
                        result.add_rule(seccomp.ALLOW, call, seccomp.Arg(0, seccomp.EQ, family))
                elif denies_code and call == "mmap":
                    # Written or run, not both.
                    result.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE, 0))
                    result.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
                elif denies_code and call in ("mprotect", "pkey_mprotect"):
                    result.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
                elif denies_code and call == "shmat":
                    result.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, SHM_EXEC, 0))
                else:
                    result.add_rule(seccomp.ALLOW, call)
            except (RuntimeError, OSError):
                # Of another architecture, or newer than this libseccomp.
                continue
        return result
    for call in without:
        result.add_rule(seccomp.ERRNO(errno.EPERM), call)
    return result


def main():
    parser = argparse.ArgumentParser(description="run a command under the seccomp of a unit")
    parser.add_argument("--unit", type=settings)
    parser.add_argument("--without", default="")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    program(arguments.unit, [call for call in arguments.without.split(",") if call]).load()
    os.execvp(arguments.command[0], arguments.command)


if __name__ == "__main__":
    main()
