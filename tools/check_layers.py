#!/usr/bin/env python3
"""Who may include whom: enforces docs/architecture.md.  Exit code 1 on any finding.

    core  <-  mpi  <-  io  <-  jobs        tests/X sees X and everything left of X
"""
import re
import sys
from pathlib import Path

ROOMS = ["core", "mpi", "io", "jobs"]
STANDARD = {
    "assert.h", "ctype.h", "dirent.h", "errno.h", "fcntl.h", "float.h", "inttypes.h", "limits.h",
    "locale.h", "math.h", "pthread.h", "sched.h", "signal.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h", "time.h", "unistd.h",
    "sys/file.h", "sys/resource.h", "sys/stat.h", "sys/statvfs.h", "sys/types.h", "sys/wait.h",
}
FOREIGN = {
    "core": {"cblas.h"},
    "mpi": {"mpi.h", "cblas.h"},
    "io": {"mpi.h", "hdf5.h", "yaml.h", "zip.h", "zlib.h", "png.h"},
    "jobs": {"mpi.h"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
PROTOTYPE = re.compile(r"^(?!static|typedef|#|/|\s|extern)[\w\s*]*?\b(ub_\w+)\(", re.M)


def room_of(path):
    parts = path.parts
    return parts[1] if parts[0] == "tests" and len(parts) > 2 else parts[0]


def check_includes(path, text, room, findings):
    is_test = path.parts[0] == "tests"
    for kind, name in INCLUDE.findall(text):
        if kind == "<":
            allowed = STANDARD | FOREIGN.get(room, set())
            if is_test:
                allowed = allowed | {"CUnit/CUnit.h", "CUnit/Basic.h"}
            if room != "support" and name not in allowed:
                findings.append(f"{path}: <{name}> is not for {room}")
            continue
        if not Path(name).is_file():
            findings.append(f'{path}: "{name}" is not a full path from the root')
            continue
        target = Path(name).parts[0]
        if target == "tests":
            if not is_test:
                findings.append(f'{path}: "{name}": only tests include tests')
            continue
        if room in ROOMS and target in ROOMS and ROOMS.index(target) > ROOMS.index(room):
            findings.append(f'{path}: {room} may not include "{name}" ({target} is above it)')
        if "/internal/" in name and room != target:
            findings.append(f'{path}: "{name}" is private to {target}')


def check_markers(path, text, findings):
    """Headers from mpi upwards say of every function who must call it."""
    for match in PROTOTYPE.finditer(text):
        line = text[text.rfind("\n", 0, match.start()) + 1:text.find("(", match.end() - 1)]
        if "UB_COLLECTIVE" not in line and "UB_LOCAL" not in line:
            findings.append(f"{path}: {match.group(1)} says neither UB_COLLECTIVE nor UB_LOCAL")


def check_circles(graph, findings):
    state = {}

    def visit(node, trail):
        state[node] = 1
        for nxt in graph.get(node, ()):
            if state.get(nxt) == 1:
                findings.append("circle: " + " -> ".join(trail + [node, nxt]))
            elif nxt not in state:
                visit(nxt, trail + [node])
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node, [])


def main():
    findings, headers = [], {}
    files = [p for room in ROOMS + ["tests"] for p in sorted(Path(room).rglob("*.[ch]"))]
    for path in files:
        text = path.read_text()
        room = room_of(path)
        check_includes(path, text, room, findings)
        if path.suffix == ".h" and path.parts[0] in ROOMS:
            headers[str(path)] = [n for k, n in INCLUDE.findall(text) if k == '"']
            if path.parts[0] != "core" and "internal" not in path.parts:
                check_markers(path, text, findings)
        if len(text.splitlines()) > 600:
            findings.append(f"{path}: longer than 600 lines")
    check_circles(headers, findings)
    for finding in findings:
        print(finding)
    print(f"{len(files)} files, {len(findings)} findings")
    return 1 if findings or not files else 0


if __name__ == "__main__":
    sys.exit(main())
