#!/usr/bin/env python3
"""What formatters cannot enforce: who includes whom, where a third-party header lives, file length, leftovers.

Run from anywhere; exits 1 with one line per violation. `--self-test` shows that each rule can fail.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder -> project folders it may include (itself always). The longest matching prefix decides.
MAY_INCLUDE = {
    "state/records": [],
    "state": ["state/records"],
    "streaming": ["state/records"],
    "model": ["state/records", "model/drift"],
    "model/drift": ["state/records"],
    "daemon": ["state", "state/records", "streaming", "model", "model/drift"],
    "tests": None,  # anything
    "bench": None,
}
# Third-party header prefix -> folders whose sources may include it; headers of ours never may, except in `model`.
HOMES = {
    "torch/": ["model"], "ATen/": ["model"], "c10/": ["model"],
    "rocksdb/": ["state", "streaming"], "librdkafka/": ["streaming"],
    "yaml-cpp/": ["daemon"], "httplib.h": ["daemon"], "prometheus/": ["daemon"], "CLI/": ["daemon"],
    "simdjson.h": ["streaming", "daemon"], "spdlog/": ["daemon"], "systemd/": ["daemon"], "boost/": ["model"],
}
HIDDEN_FROM_HEADERS = ["rocksdb/", "librdkafka/", "torch/", "ATen/", "c10/", "boost/"]
LINES_MAX = 700
BANNED = {
    r"\bFIXME\b|\bXXX\b": "leftover mark",
    r"\busing namespace std;": "using namespace std",
    r"\b(strcpy|sprintf|gets|strtok)\s*\(": "banned call",
    r"\bstd::(rand|srand)\b": "unseeded randomness",
}


def folder_of(path):
    parts = path.parent.as_posix()
    matches = [f for f in MAY_INCLUDE if parts == f or parts.startswith(f + "/")]
    return max(matches, key=len) if matches else None


def revealing_headers(headers):
    """Of {path: text}, those that show a hidden library, themselves or through what they include."""
    includes = {p: re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', t, re.M) for p, t in headers.items()}
    shown = {p for p, i in includes.items() if any(x.startswith(h) for x in i for h in HIDDEN_FROM_HEADERS)}
    while True:
        more = {p for p, i in includes.items() if p not in shown and any(x in shown for x in i)}
        if not more:
            return shown
        shown |= more


def check(path, text, revealing=frozenset()):
    """Violations of one file; `path` is relative to the root, `revealing` from revealing_headers()."""
    problems = []
    own = folder_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        angled = re.match(r"\s*#\s*include\s+[<\"]([^>\"]+)[>\"]", line)
        if quoted and own and MAY_INCLUDE[own] is not None:
            target = folder_of(pathlib.PurePosixPath(quoted.group(1)))
            if target and target != own and target not in MAY_INCLUDE[own]:
                problems.append(f"{where}: {own} may not include {target} ({quoted.group(1)})")
        if angled and own not in ("tests", "bench"):
            for prefix, homes in HOMES.items():
                if angled.group(1).startswith(prefix):
                    if own is None or not any(own == h or own.startswith(h + "/") for h in homes):
                        problems.append(f"{where}: {prefix} belongs in {', '.join(homes)}")
        for pattern, what in BANNED.items():
            if re.search(pattern, line):
                problems.append(f"{where}: {what}")
        if quoted and own != "tests" and own != folder_of(pathlib.PurePosixPath(quoted.group(1))) and quoted.group(1) in revealing:
            problems.append(f"{where}: {quoted.group(1)} shows a third-party library that its folder hides")
    if len(text.splitlines()) > LINES_MAX:
        problems.append(f"{path}: {len(text.splitlines())} lines, more than {LINES_MAX}: split it")
    if path.suffix == ".h" and "#pragma once" not in text:
        problems.append(f"{path}: no #pragma once")
    return problems


def self_test():
    cases = [
        ("state/x.cc", '#include "streaming/log/event_log.h"'), ("streaming/x.cc", '#include "state/store.h"'),
        ("model/x.cc", '#include "daemon/config/config.h"'), ("state/records/x.cc", '#include "state/store.h"'),
        ("daemon/x.cc", "#include <torch/torch.h>"), 
        ("daemon/x.cc", "// FIXME later"), ("state/x.h", "int x;"), ("state/x.cc", "\n" * (LINES_MAX + 1)),
        ("daemon/x.cc", '#include "model/outer.h"'),
    ]
    revealing = revealing_headers({"model/inner.h": "#include <torch/torch.h>", "model/outer.h": '#include "model/inner.h"'})
    failed = [c for c in cases if not check(pathlib.PurePosixPath(c[0]), c[1], revealing)]
    for c in failed:
        print(f"self-test: no violation found in {c}")
    good = check(pathlib.PurePosixPath("daemon/x.cc"), '#include "model/learner.h"\n#include <spdlog/spdlog.h>\n')
    return 1 if failed or good else 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    problems = []
    files = {path.relative_to(ROOT): path.read_text() for top in ("daemon", "streaming", "model", "state", "tests", "bench")
             for path in sorted((ROOT / top).rglob("*")) if path.suffix in (".h", ".cc") and path.is_file()}
    revealing = revealing_headers({p.as_posix(): t for p, t in files.items() if p.suffix == ".h"})
    for path, text in files.items():
        problems += check(path, text, revealing)
    print("\n".join(problems) if problems else "repository check: nothing to say")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
