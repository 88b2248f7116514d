#!/usr/bin/env python3
"""Each gate of this directory is seen to fail once on a planted fault.

usage: test_tidy.py TOP

A small copy of the project is made, found clean, and spoiled in one way after the other.
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COPIED = ("src/config/options.def", "src/cli/commands.def", "src/cli/demo_options.c", "man/holdfast.1",
          "man/holdfast-sentinel.8", "README.md", "packaging/completion/holdfast.bash")

CLEAN_C = """#include "base/clean.h"

int clean_twice(int value)
{
    return value * 2;
}
"""
CLEAN_H = """#ifndef BASE_CLEAN_H
#define BASE_CLEAN_H

int clean_twice(int value);

#endif
"""
CLEAN_TEST = """#include <cmocka.h>

static void twice_is_twice(void **state)
{
    (void)state;
    assert_int_equal(4, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(twice_is_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
"""
CLEAN_PY = """def test_something():
    assert 1 + 1 == 2
"""


def body(text):
    return f"int clean_bad(int x)\n{{\n{text}    return x;\n}}\n"


DEEP = "".join("    " * n + "if (x) {\n" for n in range(1, 6)) + "".join(
    "    " * n + "}\n" for n in range(5, 0, -1))

# what is planted: (file, text added at its end, what the finding must say)
TIDY_FAULTS = [
    ("src/base/clean.c", "/* " + "x" * 100 + " */\n", "columns"),
    ("src/base/clean.c", "int clean_x; \n", "space at the end"),
    ("src/base/clean.c", "\tint clean_x;\n", "a tab"),
    ("src/base/clean.c", "/* TO" "DO */\n", "to do later"),
    ("src/base/clean.c", "int clean_x; // why\n", "notes to yourself"),
    ("src/base/clean.c", "int clean_x;", "no line end"),
    ("src/base/clean.c", body("    strcpy(a, b);\n"), "strcpy() is banned"),
    ("src/base/clean.c", body("    signal(1, f);\n"), "signal() is banned"),
    ("src/failover/clean2.c", body("    p = malloc(1);\n"), "malloc() is banned"),
    ("src/resp/clean2.c", body("    x = time(0);\n"), "time() is banned"),
    ("src/base/clean.c", body("    x++;\n" * 70), "lines, at most 70"),
    ("src/base/clean.c", "int clean_many(int a, int b, int c, int d, int e, int f, int g)\n{\n}\n",
     "7 parameters"),
    ("src/base/clean.c", body(DEEP), "nests 5 deep"),
    ("src/base/clean.c", body("    switch (x) {\n    case RED:\n        break;\n    default:\n"
                              "        break;\n    }\n"), "default: hides"),
    ("src/base/clean.c", "int x;\n" * 801, "at most 800"),
    ("src/base/clean.c", '#include "../base/clean.h"\n', "no ../"),
    ("src/base/bad.h", "int bad(void);\n", "guard must be BASE_BAD_H"),
    ("src/base/bad.h", "#ifndef BASE_BAD_H\n#define BASE_BAD_H\nsize_t bad(void);\n#endif\n",
     "does not compile alone"),
    ("src/link/clean.c", "int clean_x;\n", "there is src/base/clean.c already"),
    ("tests/unit/base/test_bad.c", CLEAN_TEST.replace("    assert_int_equal(4, 4);\n", ""),
     "twice_is_twice() asserts nothing"),
    ("tests/spec/test_bad.py", "def test_idle():\n    pass\n", "test_idle() asserts nothing"),
    ("src/config/options.def", 'BOOL(new_one, "new-one", false, "new")\n', "new-one is missing"),
    ("src/cli/commands.def", 'COMMAND("newcmd", "", f, "new")\n', "newcmd is missing"),
    ("tests/tidy/exempt.txt", "src/base/clean.c file-lines because\n", "needed no more"),
    ("tests/tidy/exempt.txt", "src/base/clean.c file-lines\n", "needs a reason"),
]

LAYER_FAULTS = [
    ("src/base/clean.c", '#include "loop/loop.h"\n', "base may not know loop"),
    ("src/failover/clean2.c", '#include "loop/loop.h"\n', "failover may not know loop"),
    ("src/failover/clean2.c", "#include <unistd.h>\n", "failover is pure"),
    ("src/link/clean2.c", '#include "store/store.h"\n', "link may not know store"),
    ("src/link/clean2.c", '#include "failover/core.h"\n', "is the face of failover"),
    ("src/link/clean2.c", '#include "loop/loop_inside.h"\n', "is the face of loop"),
    ("src/link/clean2.c", "#include <event2/event.h>\n", "only loop may"),
    ("src/link/clean2.c", '#include "../base/clean.h"\n', "no ../"),
    ("src/link/clean2.c", '#include "clean.h"\n', 'write "room/file.h"'),
    ("src/newroom/new.c", "int x;\n", "no row in"),
    ("src/base/other.c", '#include "base/clean.h"\n', None),
    ("tests/tidy/layers.txt", "base2: loop2\nloop2: base2\n", "a circle"),
]


def write(top, name, text, mode="w"):
    path = os.path.join(top, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def make_tree(project, top):
    for name in COPIED:
        os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
        shutil.copy(os.path.join(project, name), os.path.join(top, name))
    shutil.copytree(HERE, os.path.join(top, "tests/tidy"), ignore=shutil.ignore_patterns("*.c", "__pycache__"))
    write(top, "tests/tidy/exempt.txt", "")
    write(top, "src/base/clean.c", CLEAN_C)
    write(top, "src/base/clean.h", CLEAN_H)
    write(top, "tests/unit/base/test_clean.c", CLEAN_TEST)
    write(top, "tests/spec/test_clean.py", CLEAN_PY)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def tidy(top):
    return run(sys.executable, os.path.join(HERE, "tidy.py"), top, "cc")


def layers(top):
    return run(sys.executable, os.path.join(HERE, "layers.py"), f"{top}/src", f"{top}/tests/tidy/layers.txt")


def try_faults(project, gate, faults):
    for name, text, said in faults:
        with tempfile.TemporaryDirectory() as folder:
            make_tree(project, folder)
            status, out = gate(folder)
            assert status == 0, f"the clean tree is not clean: {out}"
            write(folder, name, text, "a")
            status, out = gate(folder)
            if said is None:
                assert status == 0, f"{name}: {out}"
                continue
            assert status == 1, f"{gate.__name__} did not see {said!r} in {name}: {out}"
            assert said in out, f"{gate.__name__} did not say {said!r}: {out}"


def try_purity():
    code = {"time": "#include <time.h>\nlong f(void);\nlong f(void) { return time(0); }\n",
            "malloc": "#include <stdlib.h>\nvoid *f(void);\nvoid *f(void) { return malloc(7); }\n",
            "buf_append": "void buf_append(void);\nvoid f(void);\nvoid f(void) { buf_append(); }\n",
            None: "unsigned long strlen(const char *);\nunsigned long f(const char *);\n"
                  "unsigned long f(const char *s) { return strlen(s); }\n"}
    base = "void buf_append(void);\nvoid buf_append(void) {}\nvoid addr_set(void);\nvoid addr_set(void) {}\n"
    for bad, text in code.items():
        with tempfile.TemporaryDirectory() as folder:
            for name, source in (("base", base), ("room", text)):
                write(folder, f"{name}.c", source)
                subprocess.run(["cc", "-c", "-fno-builtin", f"{folder}/{name}.c", "-o", f"{folder}/{name}.o"],
                               check=True)
                subprocess.run(["ar", "rc", f"{folder}/{name}.a", f"{folder}/{name}.o"], check=True)
            status, out = run(sys.executable, os.path.join(HERE, "purity.py"), "nm",
                              os.path.join(HERE, "purity.txt"), f"{folder}/base.a",
                              f"failover={folder}/room.a")
            assert status == (1 if bad else 0), f"{bad}: {out}"
            assert bad is None or f"may not call {bad}" in out, out


def main(project):
    try_faults(project, tidy, TIDY_FAULTS)
    try_faults(project, layers, LAYER_FAULTS)
    try_purity()
    print(f"{len(TIDY_FAULTS) + len(LAYER_FAULTS) + 4} planted cases seen")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
