#!/usr/bin/env python3
"""The habits of STYLE.md that a program can see.

usage: tidy.py TOP [CC]

Every finding is one line, "file:line: what". CC compiles each header alone; without it that is left out.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile

LINE_MAX = 100
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
NESTING_MAX = 4

BANNED = ("strcpy strcat sprintf vsprintf strncpy atoi atol strtok localtime gmtime ctime asctime rand "
          "srand sleep usleep system popen signal gets alloca").split()
BANNED_PURE = "time clock_gettime gettimeofday printf fprintf puts getenv exit".split()
BANNED_FAILOVER = "malloc calloc realloc free".split()
PURE = {"failover", "resp", "config"}

SKIP = {".git", "node_modules", "__pycache__", ".pytest_cache", "vendor"}
TEXT = (".c", ".h", ".def", ".py", ".md", ".txt", ".build", ".service", ".bash", ".sh", ".scn",
        ".js", ".php", ".conf", ".1", ".8", ".svg")

DEFINITION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\(([^;{}]*)\)\s*(?:MUST_CHECK\s*)?$", re.S)
OPENS = re.compile(r"(\)|\belse|\bdo|:)\s*$")


class Findings:
    def __init__(self, top):
        self.top, self.rows, self.exempt, self.used = top, [], {}, set()

    def load_exempt(self, path):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                words = line.split("#")[0].split(None, 2)
                if words and len(words) < 3:
                    self.rows.append(f"tests/tidy/exempt.txt:{number}: an exemption needs a reason")
                elif words:
                    self.exempt[tuple(words[:2])] = number

    def add(self, path, line, rule, what, function=None):
        name = os.path.relpath(path, self.top)
        for key in ((name, rule), (f"{name}:{function}", rule)):
            if key in self.exempt:
                self.used.add(key)
                return
        self.rows.append(f"{name}:{line}: {what}")

    def close(self):
        for key in set(self.exempt) - self.used:
            self.rows.append(f"tests/tidy/exempt.txt:{self.exempt[key]}: {' '.join(key)} is needed no more")
        return self.rows


def blank(text, keep_strings=False):
    """The text with comments (and the insides of strings) blanked, line ends kept."""
    def cover(match):
        piece = match.group(0)
        if piece.startswith("/"):
            return re.sub(r"[^\n]", " ", piece)
        return piece if keep_strings else piece[0] + " " * (len(piece) - 2) + piece[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', cover, text, flags=re.S)


class Function:
    def __init__(self, name, parameters, line, body_line, body):
        self.name, self.parameters, self.line = name, parameters, line
        self.body_line, self.body = body_line, body

    @property
    def lines(self):
        return self.body_line - self.line + self.body.count("\n") + 1


def functions(text):
    """Functions of blanked source: a body opens with '{' in column 0 and ends with '}' there."""
    found, lines, index = [], text.split("\n"), 0
    while index < len(lines):
        if lines[index] == "{":
            start = index
            while start > 0 and lines[start - 1].strip() and lines[start - 1][:1] not in "}#;":
                start -= 1
            end = index
            while end < len(lines) - 1 and lines[end] != "}":
                end += 1
            match = DEFINITION.match("\n".join(lines[start:index]))
            if match:
                found.append(Function(match.group(1), match.group(2), start + 1, index + 1,
                                      "\n".join(lines[index:end + 1])))
            index = end
        index += 1
    return found


def nesting(body):
    """The deepest block inside a body; initialisers in braces are no blocks."""
    stack, deepest = [], 0
    for match in re.finditer(r"[{}]", body):
        if match.group() == "{":
            before = body[:match.start()].rstrip(" ")
            stack.append(not stack or bool(OPENS.search(before)) and body[match.start() - 1] in " \n")
            deepest = max(deepest, sum(stack) - 1)
        elif stack:
            stack.pop()
    return deepest


def count_parameters(parameters):
    depth, count = 0, 1
    for char in parameters:
        depth += (char == "(") - (char == ")")
        count += char == "," and depth == 0
    return 0 if parameters.strip() in ("", "void") else count


def walk(top, *folders):
    for folder in folders:
        for where, names, files in os.walk(os.path.join(top, folder)):
            names[:] = sorted(n for n in names if n not in SKIP and not n.startswith("build"))
            for name in sorted(files):
                yield os.path.join(where, name)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def check_text(findings, path, text):
    long_ok = path.endswith((".md", ".svg", ".def", "COPYING"))
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > LINE_MAX and path.endswith((".c", ".h")):
            findings.add(path, number, "columns", f"{len(line)} columns, at most {LINE_MAX}")
        elif len(line) > LINE_MAX + 30 and not long_ok:
            findings.add(path, number, "columns", f"{len(line)} columns, at most {LINE_MAX + 30} here")
        if line != line.rstrip():
            findings.add(path, number, "space", "space at the end of the line")
        if "\t" in line and path.endswith((".c", ".h", ".def", ".py")):
            findings.add(path, number, "tab", "a tab; indent with spaces")
        if re.search(r"\b(FIX" r"ME|TO" r"DO|XX" r"X)\b", line) and "tests/tidy" not in path:
            findings.add(path, number, "todo", "a note to do later: do it or file it")
    if text and not text.endswith("\n"):
        findings.add(path, text.count("\n") + 1, "newline", "no line end at the end of the file")


def check_words(findings, path, code, room):
    words = list(BANNED)
    words += BANNED_PURE if room in PURE else []
    words += BANNED_FAILOVER if room == "failover" else []
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(words) + r")\s*\(")
    for number, line in enumerate(code.split("\n"), start=1):
        for match in pattern.finditer(line):
            findings.add(path, number, "banned", f"{match.group(1)}() is banned here")


def check_style_comment(findings, path, text):
    stripped = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)
    stripped = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', stripped)
    for number, line in enumerate(text.split("\n"), start=1):
        if re.search(r'#\s*include\s+"[^"]*\.\./', line):
            findings.add(path, number, "include", "no ../ in an include")
    for number, line in enumerate(stripped.split("\n"), start=1):
        if "//" in line:
            findings.add(path, number, "comment", "// is for notes to yourself: write /* */")


def check_switch(findings, path, function):
    """No `default:` in a switch over an enum: told by case labels in capitals."""
    for match in re.finditer(r"\bdefault\s*:", function.body):
        head = function.body[:match.start()]
        labels = re.findall(r"\bcase\s+([^:]+):", head[head.rfind("switch"):])
        if labels and all(re.fullmatch(r"[A-Z][A-Z0-9_]+", label.strip()) for label in labels):
            line = function.body_line + head.count("\n")
            findings.add(path, line, "default", "default: hides what a new enum value needs",
                         function.name)


def check_functions(findings, path, code, room):
    stem = os.path.splitext(os.path.basename(path))[0]
    for f in functions(code):
        if f.lines > FUNCTION_LINES_MAX:
            findings.add(path, f.line, "function-lines",
                         f"{f.name}() has {f.lines} lines, at most {FUNCTION_LINES_MAX}", f.name)
        if count_parameters(f.parameters) > PARAMETERS_MAX:
            findings.add(path, f.line, "parameters",
                         f"{f.name}() has {count_parameters(f.parameters)} parameters, at most "
                         f"{PARAMETERS_MAX}", f.name)
        if nesting(f.body) > NESTING_MAX:
            findings.add(path, f.line, "nesting",
                         f"{f.name}() nests {nesting(f.body)} deep, at most {NESTING_MAX}", f.name)
        check_switch(findings, path, f)
    return stem, room


def check_header(findings, path, text, room):
    guard = f"{room}_{os.path.basename(path)[:-2]}_H".upper()
    if f"#ifndef {guard}\n#define {guard}\n" not in text or not text.rstrip().endswith("#endif"):
        findings.add(path, 1, "guard", f"the include guard must be {guard}")


def check_headers_alone(findings, headers, cc, top):
    command = cc + ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
                    f"-I{top}/src"]
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "alone.c")
        for path in headers:
            name = os.path.relpath(path, os.path.join(top, "src"))
            with open(source, "w", encoding="utf-8") as file:
                file.write(f'#include "{name}"\n#include "{name}"\nextern int alone;\n')
            done = subprocess.run(command + [source], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                first = next((l for l in done.stderr.split("\n") if "error" in l), done.stderr[:200])
                findings.add(path, 1, "alone", f"does not compile alone: {first}")


def check_c(findings, path, top):
    text = read(path)
    code = blank(text)
    parts = os.path.relpath(path, top).split(os.sep)
    room = parts[1] if parts[0] == "src" and len(parts) == 3 else None
    if text.count("\n") > FILE_LINES_MAX:
        findings.add(path, 1, "file-lines", f"{text.count(chr(10))} lines, at most {FILE_LINES_MAX}")
    check_words(findings, path, code, room)
    check_style_comment(findings, path, text)
    check_functions(findings, path, code, room)
    if path.endswith(".h") and room:
        check_header(findings, path, text, room)


def check_unique_names(findings, top):
    seen = {}
    for path in walk(top, "src", "tests/unit", "tests/sim", "tests/fuzz", "tests/lib", "tests/tidy"):
        name = os.path.basename(path)
        if name.endswith((".c", ".h")):
            if name in seen:
                findings.add(path, 1, "unique", f"there is {os.path.relpath(seen[name], top)} already")
            seen.setdefault(name, path)


def asserting(bodies):
    """Names of functions that assert, themselves or through another of them."""
    direct = re.compile(r"\b(assert_\w+|ASSERT\w*|fail_msg|fail|expect_\w+|will_return|mock_type)\s*\(")
    good = {name for name, body in bodies.items() if direct.search(body)}
    while True:
        more = {name for name, body in bodies.items() if name not in good
                and any(word in good for word in re.findall(r"\b(\w+)\s*\(", body))}
        if not more:
            return good
        good |= more


def check_c_tests(findings, top):
    """Every function that cmocka is told to run asserts something, and every test is told to it."""
    shared = {}
    for path in walk(top, "tests/lib", "tests/unit"):
        if path.endswith((".c", ".h")) and not os.path.basename(path).startswith("test_"):
            shared.update({f.name: f.body for f in functions(blank(read(path)))})
    for path in walk(top, "tests/unit"):
        if path.endswith(".c") and os.path.basename(path).startswith("test_"):
            code = blank(read(path))
            own = {f.name: f for f in functions(code)}
            good = asserting({**shared, **{name: f.body for name, f in own.items()}})
            tests = set(re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", code))
            if not tests:
                tests = {name for name, f in own.items() if "void **" in f.parameters}
            if not tests:
                findings.add(path, 1, "assert", "a test file without a test")
            for name in sorted(tests):
                if name in own and name not in good:
                    findings.add(path, own[name].line, "assert", f"{name}() asserts nothing", name)


def check_py_tests(findings, top):
    """The same for pytest: assert, pytest.raises, or a helper of ours that does."""
    calls, direct, tests = {}, set(), []
    for path in walk(top, "tests/spec"):
        if not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(read(path), path)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            called = calls.setdefault(node.name, set())
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assert):
                    direct.add(node.name)
                if isinstance(inner, ast.Call):
                    target = inner.func
                    called.add(target.attr if isinstance(target, ast.Attribute)
                               else getattr(target, "id", ""))
                if isinstance(inner, ast.Raise) and "AssertionError" in ast.dump(inner):
                    direct.add(node.name)
            if node.name.startswith("test_"):
                tests.append((path, node))
    good = direct | {"raises", "fail"}
    while True:
        more = {name for name, called in calls.items() if name not in good and called & good}
        if not more:
            break
        good |= more
    for path, node in tests:
        if node.name not in good:
            findings.add(path, node.lineno, "assert", f"{node.name}() asserts nothing", node.name)


def check_drift(findings, top):
    """Options and commands stand in the manual, and in the completion."""
    options = os.path.join(top, "src", "config", "options.def")
    manual = os.path.join(top, "man", "holdfast-sentinel.8")
    if os.path.exists(options):
        text = read(manual).replace("\\-", "-")
        rows = re.findall(r'^\w+\(\w+, "([a-z-]+)"', blank(read(options), keep_strings=True), re.M)
        assert rows, f"{options}: no rows found"
        for name in rows:
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                findings.add(manual, 1, "drift", f"the directive {name} is missing")
    commands = re.findall(r'^COMMAND\("([a-z-]+)"', read(os.path.join(top, "src/cli/commands.def")), re.M)
    assert commands
    demo = sorted(set(re.findall(r'"(--[a-z-]+)"', read(os.path.join(top, "src/cli/demo_options.c")))))
    for place, names in (("man/holdfast.1", commands + demo), ("README.md", commands),
                         ("packaging/completion/holdfast.bash", commands + demo)):
        text = read(os.path.join(top, place)).replace("\\-", "-")
        for name in names:
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                findings.add(os.path.join(top, place), 1, "drift", f"{name} is missing")


def main(top, *cc):
    top = os.path.abspath(top)
    findings = Findings(top)
    findings.load_exempt(os.path.join(top, "tests", "tidy", "exempt.txt"))
    headers, sources = [], 0
    for path in walk(top, ""):
        if path.endswith(TEXT) and os.sep + "corpus" + os.sep not in path:
            check_text(findings, path, read(path))
    for path in walk(top, "src", "tests"):
        if path.endswith((".c", ".h")) and os.sep + "corpus" + os.sep not in path:
            sources += 1
            check_c(findings, path, top)
            if path.endswith(".h") and path.startswith(os.path.join(top, "src")):
                headers.append(path)
    if cc:
        check_headers_alone(findings, headers, list(cc), top)
    check_unique_names(findings, top)
    check_c_tests(findings, top)
    check_py_tests(findings, top)
    check_drift(findings, top)
    rows = findings.close()
    print("\n".join(rows) or f"{sources} sources are tidy")
    assert sources > 0
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
