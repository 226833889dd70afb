"""What is deployed: alarms lead to what to do about them and ask for no job's name; images are named by a version, ours by this one."""
import re

from .documents import FENCE

RULES = "deploy/prometheus-rules.yaml"
HEADING = re.compile(r"^#+ (.+?)\s*$", re.M)
IMAGE = re.compile(r"^(?:\s*image:|FROM|#.* -t|#.*docker run .*?)\s+([\w./-]+(?::[\w.-]+)?)(?=\s|$)", re.M)


def anchors(page):
    """Of the headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(FENCE.sub("", page))}


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_rules(tree):
    text = tree.get(RULES, "")
    starts = [m.start() for m in re.finditer(r"^ *- alert:", text, re.M)]
    for begin, end in zip(starts, starts[1:] + [len(text)]):
        rule, number = text[begin:end], line_of(text, begin)
        name = re.search(r"alert: *(\S+)", rule).group(1)
        if re.search(r"\bjob *(=~|!~|!=|=)", rule):
            yield f"{RULES}:{number}: {name} asks for a job's name"
        link = re.search(r"^ *runbook_url: *(\S+?)#(\S+) *$", rule, re.M)
        if not link:
            yield f"{RULES}:{number}: {name} has no runbook_url"
        elif link.group(2) not in anchors(tree.get(link.group(1), "")):
            yield f"{RULES}:{number}: {name}: {link.group(1)} has no heading #{link.group(2)}"


def check_images(tree):
    version = re.search(r"project\(lacuna VERSION ([\d.]+)", tree.get("CMakeLists.txt", ""))
    for path in (path for path in tree if path.startswith("deploy/") and path.endswith((".yaml", "Dockerfile"))):
        for m in IMAGE.finditer(tree[path]):
            name, _, tag = m.group(1).partition(":")
            if tag in ("", "latest"):
                yield f"{path}:{line_of(tree[path], m.start())}: {m.group(1)}: which version?"
            elif name == "lacuna" and version and tag != version.group(1):
                yield f"{path}:{line_of(tree[path], m.start())}: {m.group(1)}, but this is {version.group(1)}"


def check(tree):
    return [*check_rules(tree), *check_images(tree)]


def _rule(expression="up == 0", link="docs/o.md#it-rings"):
    return {"docs/o.md": "# O\n## It, rings!\n", RULES: f"- alert: A\n  expr: {expression}\n  annotations:\n    runbook_url: {link}\n- alert: B\n"
            "  expr: x\n  annotations:\n    runbook_url: docs/o.md#o\n"}


_PROJECT = {"CMakeLists.txt": "project(lacuna VERSION 1.2.3 LANGUAGES CXX)\n"}
BROKEN = [
    (_rule('up{job="x"} == 0'), "A asks for a job's name"), (_rule('up{a="b", job=~"x"}'), "A asks for a job's name"),
    (_rule(link=""), f"{RULES}:1: A has no runbook_url"), (_rule(link="docs/o.md"), "A has no runbook_url"),
    (_rule(link="docs/o.md#rings"), "docs/o.md has no heading #rings"), (_rule(link="docs/p.md#o"), "docs/p.md has no heading #o"),
    ({"deploy/k.yaml": "  image: x:1\n  image: lacuna:latest\n"}, "deploy/k.yaml:2: lacuna:latest: which version?"),
    ({"deploy/k.yaml": "image: a.b/lacuna\n"}, "which version?"), ({"deploy/Dockerfile": "FROM debian AS x\n"}, "which version?"),
    ({**_PROJECT, "deploy/k.yaml": "image: lacuna:1.2.2\n"}, "but this is 1.2.3"),
    ({**_PROJECT, "deploy/Dockerfile": "# docker build -t lacuna:1.2.2 .\n"}, "but this is 1.2.3"),
]
GOOD = [_rule(), _rule("up == 0 and on (job, instance) y"),
        {**_PROJECT, "deploy/k.yaml": "image: lacuna:1.2.3\n", "deploy/Dockerfile": "# docker run --rm lacuna:1.2.3 demo\nFROM debian:12-slim\n"}]
