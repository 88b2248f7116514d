#!/usr/bin/env python3
"""The rooms of src/ know only the rooms that layers.txt allows them, and only by their face.

usage: layers.py SRC LAYERS

A room's face is the header named like the room. base has no face of its own: each of its headers
is one; loop has four. X-macro tables (.def) belong to their room.
"""

import os
import re
import sys

FACES = {"base": None, "loop": {"loop.h", "loop_watch.h", "conn.h", "tls.h", "log.h"},
         "resp": {"resp.h", "resp_scan.h"}, "pool": {"master_choice.h", "member_health.h", "member_choice.h", "member_balance.h",
                  "member_writer.h"},
         "config": {"config.h", "router_conf.h", "router_options.h", "site.h", "feed.h"},
         "probe": {"probe.h", "galera_judge.h"},
         "http": {"site_view.h", "http_server.h", "http_request.h", "health.h", "haproxy_agent.h",
                  "haproxy_runtime.h"},
         "router": {"router.h", "control.h", "commands.h", "tcp_endpoint.h"}}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>")
# Libraries and the rooms that may speak to them; nobody else includes their headers.
LIBRARIES = {"event2/": {"loop"}, "openssl/": {"loop", "sentinel"}, "jansson.h": {"router", "cli", "http"},
             "yaml.h": {"config"}, "mysql": {"probe"}, "errmsg.h": {"probe"}}
PURE = {"failover", "resp", "config", "pool"}
PURE_SYSTEM = {"yaml.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdarg.h",
               "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h"}


def read_layers(path):
    allowed = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line:
                room, _, known = line.partition(":")
                allowed[room] = set(known.split())
    return allowed


def check_layers(allowed):
    """The table itself has no circle: every room stands below all that know it."""
    done, errors = set(), []
    while len(done) < len(allowed):
        ready = {room for room, known in allowed.items() if room not in done and known <= done}
        if not ready:
            errors.append(f"layers.txt: a circle or an unknown room among {set(allowed) - done}")
            break
        done |= ready
    if {"loop"} & set().union(*(allowed.get(room, set()) for room in PURE)):
        errors.append("layers.txt: loop and the pure rooms never meet")
    return errors


def check_own(room, target, allowed):
    """What is wrong with room including "target", or None."""
    if ".." in target.split("/"):
        return f'"{target}": no ../'
    if target.count("/") != 1:
        return f'"{target}": write "room/file.h"'
    other, name = target.split("/")
    if other == room:
        return None
    if other not in allowed.get(room, set()):
        return f"{room} may not know {other}"
    faces = FACES.get(other, {f"{other}.h"})
    if faces is not None and name not in faces:
        return f'"{target}": only {" ".join(sorted(faces))} is the face of {other}'
    return None


def check_system(room, target):
    for prefix, rooms in LIBRARIES.items():
        if target.startswith(prefix) and room not in rooms:
            return f"<{target}>: only {' '.join(sorted(rooms))} may"
    if room in PURE and target not in PURE_SYSTEM:
        return f"<{target}>: {room} is pure"
    return None


def comes_first(header, first, path):
    """The own header, or a header of the room that begins with it."""
    if first == header or first is None or first.split("/")[0] != header.split("/")[0]:
        return first == header
    inner = os.path.join(os.path.dirname(path), os.path.basename(first))
    with open(inner, encoding="utf-8") as file:
        return f'#include "{header}"' in file.read()


def check_file(path, room, allowed):
    errors, first = [], None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            own, system = INCLUDE.match(line), SYSTEM.match(line)
            wrong = None
            if own:
                first = first or own.group(1)
                wrong = check_own(room, own.group(1), allowed)
            elif system:
                wrong = check_system(room, system.group(1))
                first = first or system.group(1)
            if wrong:
                errors.append(f"{path}:{number}: {wrong}")
    header = path[:-2] + ".h"
    own_name = f"{room}/{os.path.basename(header)}"
    if path.endswith(".c") and os.path.exists(header) and not comes_first(own_name, first, path):
        errors.append(f'{path}: the first include must be its own "{own_name}"')
    return errors


def main(src, layers):
    allowed = read_layers(layers)
    errors, count = check_layers(allowed), 0
    for folder, _, names in sorted(os.walk(src)):
        room = os.path.relpath(folder, src)
        room = "main" if room == "." else room
        sources = [name for name in sorted(names) if name.endswith((".c", ".h", ".def"))]
        if sources and room not in allowed:
            errors.append(f"{folder}: no row in {layers}")
            continue
        for name in sources:
            count += 1
            errors += check_file(os.path.join(folder, name), room, allowed)
    print("\n".join(errors) or f"{count} files keep to the layers")
    assert count > 0, f"no sources under {src}"
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
