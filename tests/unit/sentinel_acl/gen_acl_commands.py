#!/usr/bin/python3
"""Prints src/sentinel/acl_commands.def: the names, categories and channel arguments of the commands
of a running redis-server and redis-sentinel (facts, by COMMAND), and of those that came after 7.0.

usage: gen_acl_commands.py <port of redis-server> <port of redis-sentinel>
"""

import sys

import redis

# What Redis 7.2 to 8.4, Valkey 7.2 to 9 and holdfast added; rules copied from there must be read.
# Valkey's other names of old commands are no commands of their own: see acl_command.c.
LATER = {
    "SLOW CONNECTION": "client|setinfo client|no-touch client|capa client|import-source waitaof",
    "WRITE HASH FAST": "hexpire hpexpire hexpireat hpexpireat hpersist hgetdel hgetex hsetex",
    "READ HASH FAST": "httl hpttl hexpiretime hpexpiretime",
    "WRITE STRING FAST": "delifeq delex",
    "WRITE STRING SLOW": "msetex",
    "READ STRING FAST": "digest",
    "WRITE STREAM FAST": "xackdel xdelex xcfgset",
    "SLOW": "cluster|myshardid script|show",
    "SLOW ADMIN DANGEROUS": "cluster|slot-stats cluster|migrateslots cluster|cancelslotmigrations "
    "cluster|getslotmigrations cluster|syncslots cluster|flushslot commandlog|get commandlog|len "
    "commandlog|reset sentinel|forget",
    "SLOW ": "commandlog commandlog|help",
}
KINDS = {
    "subscribe": "CHANNELS",
    "ssubscribe": "CHANNELS",
    "psubscribe": "PATTERNS",
    "publish": "PUBLISH",
    "spublish": "PUBLISH",
}


def text(word):
    return word.decode() if isinstance(word, bytes) else word


def read(port):
    link = redis.Redis(port=port)
    link.set_response_callback("COMMAND", lambda reply, **_: reply)
    found = {}
    todo = list(link.execute_command("COMMAND"))
    while todo:
        row = todo.pop()
        flags = {text(f) for f in row[2]}
        categories = {text(c).lstrip("@").upper() for c in row[6]}
        found[text(row[0])] = (categories, "no_auth" in flags)
        todo.extend(row[9] if len(row) > 9 else [])
    return found


def main():
    rows = read(int(sys.argv[2]))
    for name, fact in read(int(sys.argv[1])).items():
        if name in rows and rows[name] != fact:
            print("differs:", name, rows[name], fact, file=sys.stderr)
        rows.setdefault(name, fact)
    for categories, names in LATER.items():
        for name in names.split():
            rows.setdefault(name, (set(categories.split()), False))
    print("/* ROW(name, kind, categories): every command an ACL rule may name, by their names with '|'")
    print(" * before any other character. Made by tests/unit/sentinel_acl/gen_acl_commands.py from Redis")
    print(" * 7.0.15; later commands are listed there. Aliases are in acl_command.c. */")
    print("/* clang-format off */")
    for name in sorted(rows, key=lambda n: n.replace("|", "\1")):
        categories, no_auth = rows[name]
        kind = "NO_AUTH" if no_auth else KINDS.get(name, "PLAIN")
        bits = " | ".join("IN(%s)" % c for c in sorted(categories)) or "0"
        print('ROW("%s", %s, %s)' % (name, kind, bits))
    print("/* clang-format on */")


main()
