"""What no line of source may hold."""
import re

from .tree import sources

BANNED = {
    r"\b(?:FIXME|XXX)\b": "leftover mark",
    r"\busing namespace std;": "using namespace std",
    r"\b(?:strcpy|sprintf|gets|strtok)\s*\(": "banned call",
    r"\bstd::(?:rand|srand)\b": "unseeded randomness",
}
ANY = re.compile("|".join(BANNED))


def check(tree):
    problems = []
    for path in sources(tree):
        if ANY.search(tree[path]):
            for number, line in enumerate(tree[path].split("\n"), 1):
                problems += [f"{path}:{number}: {what}" for pattern, what in BANNED.items() if re.search(pattern, line)]
    return problems


BROKEN = [
    ({"daemon/x.cc": "int a;\n// FIXME later\n"}, "daemon/x.cc:2: leftover mark"),
    ({"bench/x.cc": "// XXX\n"}, "leftover mark"),
    ({"model/x.h": "using namespace std;\n"}, "using namespace std"),
    ({"tests/unit/x.cc": "sprintf(a, b);\n"}, "banned call"),
    ({"state/x.cc": "int a = std::rand();\n"}, "unseeded randomness"),
]
GOOD = [{"daemon/x.cc": "snprintf(a, n, b);\nusing namespace std::chrono_literals;\n", "docs/x.md": "FIXME"}]
