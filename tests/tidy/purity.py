#!/usr/bin/env python3
"""A pure room calls nothing that does I/O, reads a clock or (the core) allocates.

usage: purity.py NM PURITY.TXT BASE.a ROOM=LIB.a ...

Looks at the undefined symbols of the room's library. Only for a plain build: sanitizers, coverage and
fortify bring symbols of their own.
"""

import fnmatch
import subprocess
import sys

ALWAYS = {"_GLOBAL_OFFSET_TABLE_"}


def symbols(nm, library, which):
    out = subprocess.run([nm, which, "--format=posix", library], check=True, capture_output=True,
                         text=True).stdout
    return {line.split()[0] for line in out.splitlines() if line and not line.endswith(":")}


def read_rules(path):
    allow, deny = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            room, _, words = line.split("#")[0].partition(":")
            for word in words.split():
                table = deny if word.startswith("!") else allow
                table.setdefault(room.strip(), []).append(word.lstrip("!"))
    return allow, deny


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def main(nm, rules, base, *rooms):
    allow, deny = read_rules(rules)
    base_symbols = symbols(nm, base, "--defined-only")
    errors, count = [], 0
    for pair in rooms:
        room, _, library = pair.partition("=")
        own = symbols(nm, library, "--defined-only")
        assert own, f"{library} defines nothing"
        for name in sorted(symbols(nm, library, "--undefined-only") - own - ALWAYS):
            count += 1
            from_base = name in base_symbols and not matches(name, deny.get(room, []))
            if not from_base and not matches(name, allow.get(room, [])):
                errors.append(f"{room} is pure and may not call {name}")
    print("\n".join(errors) or f"{count} symbols, all allowed")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
