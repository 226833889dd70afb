"""What no line of source may hold."""
import re

from .tree import sources

BANNED = {
    r"\b(?:FIXME|XXX)\b": "leftover mark",
    r"\busing namespace std;": "using namespace std",
    r"\b(?:strcpy|sprintf|gets|strtok)\s*\(": "banned call",
    r"\bstd::(?:rand|srand)\b": "unseeded randomness",
}
# Of the commands: what they write goes through daemon/commands/checked_output.h, so that a full disk is noticed.
UNCHECKED = {
    r"\bstd::cout\b|\bstdout\b|\bstd::printf\b|\bputs\s*\(": "standard output that nobody checks",
    r"\bfmt::print\(\s*\"": "standard output that nobody checks",
    r"\bstd::ofstream\b|\bfopen\s*\(": "a file that nobody checks",
}
ANY = re.compile("|".join([*BANNED, *UNCHECKED]))


def check(tree):
    problems = []
    for path in sources(tree):
        if ANY.search(tree[path]):
            banned = BANNED | UNCHECKED if path.startswith("daemon/") else BANNED
            for pattern, what in banned.items():
                for found in re.finditer(pattern, tree[path]):
                    number = tree[path].count("\n", 0, found.start()) + 1
                    problems.append(f"{path}:{number}: {what}")
    return problems


BROKEN = [
    ({"daemon/x.cc": "int a;\n// FIXME later\n"}, "daemon/x.cc:2: leftover mark"),
    ({"bench/x.cc": "// XXX\n"}, "leftover mark"),
    ({"model/x.h": "using namespace std;\n"}, "using namespace std"),
    ({"tests/unit/x.cc": "sprintf(a, b);\n"}, "banned call"),
    ({"state/x.cc": "int a = std::rand();\n"}, "unseeded randomness"),
    ({"daemon/x.cc": "std::cout << a;\n"}, "standard output that nobody checks"),
    ({"daemon/x.cc": "fmt::print(\"a\");\n"}, "standard output that nobody checks"),
    ({"daemon/x.cc": "fmt::print(\n  \"a\");\n"}, "standard output that nobody checks"),
    ({"daemon/x.cc": "std::ofstream(path) << a;\n"}, "a file that nobody checks"),
]
GOOD = [{"daemon/x.cc": "snprintf(a, n, b);\nusing namespace std::chrono_literals;\n", "docs/x.md": "FIXME"},
        {"daemon/x.cc": "std::fprintf(stderr, a);\nfmt::print(stderr, \"a\");\n", "tests/x.cc": "std::ofstream(path) << a;\n"}]
