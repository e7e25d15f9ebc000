#!/usr/bin/env python3
"""The house's rules that a compiler does not know. Usage: lint.py layers|headers|banned|format|words"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = ["agent", "state", "lua"]


def files(*suffixes, dirs=tuple(CODE)):
    for top in dirs:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def lines(path):
    return enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def layer_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] != "agent":
        return parts[0]
    return parts[1] if len(parts) > 2 else "main"


def layers():
    allowed = {}
    for _, line in lines(ROOT / "tests/lint/layers.txt"):
        words = line.split("#")[0].split()
        if words:
            allowed[words[0]] = set(words)
    for path in files(".c", ".h"):
        layer = layer_of(path)
        for number, line in lines(path):
            match = re.match(r'\s*#include\s+(?:"([a-z_]+)/|<(lua\.h|lauxlib\.h|lualib\.h|lmdb\.h))', line)
            if not match:
                continue
            if match[2]:
                owner = "state" if match[2] == "lmdb.h" else "lua"
                if layer != owner:
                    yield path, number, f"<{match[2]}> belongs to {owner}/"
            elif match[1] not in allowed.get(layer, set()):
                yield path, number, f"{layer} may not include {match[1]}/ (tests/lint/layers.txt)"


def headers():
    compiler = sys.argv[2] if len(sys.argv) > 2 else "cc"
    flags = subprocess.run(["pkg-config", "--cflags", "lua5.4", "libuv", "libcurl"], capture_output=True,
                           text=True, check=True).stdout.split()
    for path in files(".h", dirs=(*CODE, "tests/support")):
        name = str(path.relative_to(ROOT))
        result = subprocess.run([compiler, "-std=c17", "-D_GNU_SOURCE", "-Iagent", "-I.", *flags, "-fsyntax-only",
                                 "-x", "c", "-"], input=f'#include "{name}"\n', capture_output=True, text=True,
                                cwd=ROOT, check=False)
        if result.returncode != 0:
            yield path, 1, "does not compile alone: " + result.stderr.splitlines()[0]


BANNED = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|strncpy|strncat|strtok|gets|atoi|atol|alloca)\s*\(")
NO_BLOCK = "opens without the block comment (HOUSE: what it is, Flow, Thread, Source)"


def banned():
    for path in files(".c", ".h", dirs=(*CODE, "tests")):
        for number, line in lines(path):
            match = BANNED.search(line.split("/*")[0].split("//")[0])
            if match:
                yield path, number, f"{match[1]} is banned"
            if re.search(r"(?<![A-Z_])(TODO|FIXME|XXX)\b", line):
                yield path, number, "write NEEDSWORK with what is left to decide"
    for path in files(".h"):
        head = path.read_text(encoding="utf-8")[:1500]
        if not head.startswith("/**") or " * Flow:" not in head or " * Thread:" not in head:
            yield path, 1, NO_BLOCK


def format():  # pylint: disable=redefined-builtin
    names = [str(path) for path in files(".c", ".h", dirs=(*CODE, "tests"))]
    result = subprocess.run(["clang-format-14", "--dry-run", *names], capture_output=True, text=True, check=False)
    for line in result.stderr.splitlines():
        match = re.match(r"(.*?):(\d+):\d+: (?:warning|error): (.*)", line)
        if match:
            yield pathlib.Path(match[1]), int(match[2]), match[3]


def words():
    own = str(ROOT) + "/"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        try:
            for number, line in lines(path):
                if own in line or "/home/" in line and "HOME" not in line:
                    yield path, number, "a path of one machine"
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def main():
    rules = {f.__name__: f for f in (layers, headers, banned, format, words)}
    found = list(rules[sys.argv[1]]())
    for path, number, what in found[:100]:
        print(f"{path.relative_to(ROOT)}:{number}: {what}")
    print(f"{sys.argv[1]}: {len(found)} found")
    return 1 if found else 0


sys.exit(main())
