"""`holdfast check`: a site file and what is wrong with it, the examples, and the manual made of the table."""

import json
import os
import re
import subprocess

import pytest

from lib.monitor import TOP, holdfast_path

EXAMPLES = os.path.join(TOP, "docs", "examples")
SCREEN_LINES = 40

SHOP = """site: shop
nodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3}
services:
  cache:
    kind: redis
    members: [a, b, c]
    endpoint: 127.0.0.1:6379
"""


def check(*args, within_s=20, env=None):
    return subprocess.run([holdfast_path(), "check", *map(str, args)], capture_output=True, text=True,
                          check=False, timeout=within_s, env=env)


def site_file(tmp_path, text):
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


# ---- what is right ----


@pytest.mark.parametrize("name", sorted(os.listdir(EXAMPLES)))
def test_examples_are_right(name):
    done = check(os.path.join(EXAMPLES, name), "--strict")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.startswith(os.path.join(EXAMPLES, name) + ": site ")


def test_a_shop_with_three_nodes_fits_on_one_screen():
    assert len(read("docs", "examples", "three-nodes.yaml").splitlines()) <= SCREEN_LINES


def test_examples_are_of_their_size():
    for name, nodes in (("one-machine", 1), ("three-nodes", 3), ("ten-nodes-three-zones", 10)):
        done = check(os.path.join(EXAMPLES, name + ".yaml"))
        assert f": {nodes} node" in done.stdout, done.stdout


def test_a_node_is_told_what_it_does():
    done = check(os.path.join(EXAMPLES, "ten-nodes-three-zones.yaml"), "--node", "data-b")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[1] == "data-b (10.2.0.10):"
    assert "  monitor" in lines and "  member of sessions, port 6380" in lines
    assert not any("endpoint" in line for line in lines)
    done = check(os.path.join(EXAMPLES, "ten-nodes-three-zones.yaml"), "--node", "web-c1")
    assert "  endpoint of cache" in done.stdout.splitlines()
    assert "  monitor" not in done.stdout.splitlines()


def test_a_node_that_is_not_there(tmp_path):
    done = check(site_file(tmp_path, SHOP), "--node", "z")
    assert done.returncode == 2
    assert "there is no node z" in done.stderr and "b (10.0.0.2)" in done.stderr


# ---- what is wrong ----


def test_a_mistake_is_shown_with_its_line_a_caret_and_the_remedy(tmp_path):
    path = site_file(tmp_path, SHOP.replace("kind: redis", "kind: reddis"))
    done = check(path)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == f'{path}:5:11: error: kind: "reddis" is not known here'
    assert lines[1] == "     5 |     kind: reddis"
    assert lines[2] == "       |           ^"
    assert "did you mean redis?" in lines[3]
    assert lines[-1] == f"{path}: 1 error, 0 warnings"


def test_the_caret_counts_characters_not_bytes(tmp_path):
    path = site_file(tmp_path, SHOP + '    endpoint: 1\n  "é": {kind: tpc}\n'.replace("    endpoint: 1\n", ""))
    lines = check(path).stderr.splitlines()
    shown = [i for i, line in enumerate(lines) if line.startswith("     8 | ")]
    assert shown, lines
    assert all(lines[i + 1].endswith("^") for i in shown)
    column = int(lines[shown[0] - 1].split(":")[2])
    assert lines[shown[0] + 1].index("^") == len("     8 | ") + column - 1


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines(tmp_path):
    path = site_file(tmp_path, SHOP.replace("[a, b, c]", "[a, b, zz]") + "    down_after: 5\n    hodl: 1s\nlgo: x\n")
    done = check(path)
    places = [int(n) for n in re.findall(rf"^{re.escape(str(path))}:(\d+):\d+: error", done.stderr, re.M)]
    assert places == [6, 8, 9, 10]
    assert "did you mean log?" in done.stderr


def test_warnings_count_only_with_strict(tmp_path):
    path = site_file(tmp_path, "monitors: [a]\n" + SHOP)
    assert check(path).returncode == 0
    done = check(path, "--strict")
    assert done.returncode == 1
    assert ":1:11: warning: one monitor" in done.stderr


def test_json_is_a_list(tmp_path):
    done = check(site_file(tmp_path, SHOP + "    hodl: 1s\n"), "--json")
    assert done.returncode == 2 and done.stderr == ""
    found = json.loads(done.stdout)
    assert len(found) == 1
    assert (found[0]["line"], found[0]["column"], found[0]["severity"]) == (8, 5, "error")
    assert set(found[0]) == {"file", "line", "column", "severity", "what", "remedy"}
    done = check(site_file(tmp_path, SHOP), "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == []


@pytest.mark.parametrize("line", ["password: hunter2", "password_file: hunter2", "passwort: hunter2",
                                  "password_file:\n      hunter2", "passsword: \"hunter2", "secret: [hunter2]"])
def test_a_password_is_never_repeated(tmp_path, line):
    path = site_file(tmp_path, SHOP + f"    {line}\n")
    for form in ((), ("--json",)):
        done = check(path, *form)
        assert done.returncode == 2
        assert "hunter2" not in done.stdout + done.stderr


def test_no_colour_in_a_file(tmp_path):
    done = check(site_file(tmp_path, SHOP + "    hodl: 1s\n"), env={**os.environ, "TERM": "xterm"})
    assert "\033" not in done.stderr and done.stderr


def test_files_that_cannot_be_read(tmp_path):
    for path, why in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        done = check(path)
        assert done.returncode == 2 and done.stdout == ""
        assert f"{path}: {why}" in done.stderr
    done = check("/dev/zero")
    assert done.returncode == 2 and "too large" in done.stderr


def test_wrong_calls():
    assert check().returncode == 2
    done = check("--strickt", "x")
    assert done.returncode == 2 and '"--strickt" is no option' in done.stderr
    assert check("a", "b").returncode == 2
    assert check("--node").returncode == 2
    assert check("--help").returncode == 0


# ---- the manual ----


def test_the_manual_is_that_of_the_table():
    done = check("--options")
    assert done.returncode == 0
    assert read("docs", "options.md") == done.stdout, "docs/options.md: holdfast check --options > docs/options.md"


def test_the_manual_has_every_key():
    rows = re.findall(r'^(?!PLACE)[A-Z_]+\([A-Z]+, [A-Z_]+, \w+, "(\w+)"', read("src", "config", "site_options.def"), re.M)
    assert len(rows) > 80
    manual = read("docs", "options.md")
    for key in rows:
        assert f"| `{key}` |" in manual, key
