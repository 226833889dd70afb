"""What the pages say is there: a README for each folder that names its headers; links and paths that lead somewhere."""
import posixpath
import re

from .tree import CODE, FOLDERS, folder, folders, sources, stem

ALWAYS = ("tests", "configs", "deploy")  # folders that need a README whatever they hold
FENCE = re.compile(r"^( *)(```|~~~).*?^ *\2", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)[^()]*\)|^\[[^\]]+\]:\s*(\S+)", re.M)
PATH = re.compile(rf"(?:{'|'.join(re.escape(top) for top in FOLDERS)})/[\w./-]*\.\w+")


def check_readmes(tree):
    problems = []
    shelves = {folder(path) for path in sources(tree, CODE + ("bench",))}
    shelves |= {place for place in ALWAYS if any(path.startswith(place + "/") for path in tree)}
    for place in sorted(shelves):
        readme = f"{place}/README.md"
        if readme not in tree:
            problems.append(f"{readme}:1: is missing")
            continue
        text = tree[readme]
        code = [m.group() for m in FENCE.finditer(text)] + SPAN.findall(FENCE.sub("", text))
        words = set(re.findall(r"\w+", " ".join(code)))
        problems += [f"{readme}:1: does not name `{posixpath.basename(path)}`" for path in sources(tree, suffixes=(".h",))
                     if folder(path) == place and stem(path) not in words]
    return problems


def check_paths(tree):
    problems = []
    places = set(tree) | folders(tree)
    for page in (path for path in tree if path.endswith(".md")):
        text = FENCE.sub(lambda m: "\n" * m.group().count("\n"), tree[page])
        wanted = []
        for m in SPAN.finditer(text):
            wanted += [(m.start(), word, word) for word in m.group(1).split() if PATH.fullmatch(word)]
        for m in LINK.finditer(SPAN.sub(lambda m: " " * len(m.group()), text)):
            link = (m.group(1) or m.group(2)).split("#")[0]
            if link and not re.match(r"\w+:", link):
                wanted.append((m.start(), link, posixpath.normpath(posixpath.join(folder(page), link))))
        problems += [f"{page}:{text.count(chr(10), 0, at) + 1}: {said} does not exist" for at, said, path in sorted(wanted) if path not in places]
    return problems


def check(tree):
    return check_readmes(tree) + check_paths(tree)


_HOUSE = {"README.md": "", "state/store.h": "", "state/README.md": "`store.h`", "docs/a.md": "", "tests/README.md": "", "tests/x.py": ""}
BROKEN = [({**_HOUSE, **files}, what) for files, what in [
    ({"bench/views/x.cc": ""}, "bench/views/README.md:1: is missing"), ({"configs/x.yaml": ""}, "configs/README.md:1: is missing"),
    ({"state/README.md": "store, `restore`"}, "state/README.md:1: does not name `store.h`"),
    ({"docs/a.md": "\n[b](b.md#c)"}, "docs/a.md:2: b.md does not exist"), ({"README.md": "[x](docs/)\n![y](docs/y.png)"}, "README.md:2: docs/y.png"),
    ({"state/README.md": "`store.h` [a](docs/a.md)"}, "state/README.md:1: docs/a.md"), ({"README.md": "[x]: docs/b.md"}, "docs/b.md"),
    ({"docs/a.md": "```\n`x`\n```\nsee `state/old.h`"}, "docs/a.md:4: state/old.h"), ({"README.md": "`run tests/y.py`"}, "tests/y.py"),
]]
GOOD = [{**_HOUSE, **files} for files in [
    {"README.md": "[a](docs/a.md#b) [d](docs/) [w](https://x.org/y.md) [t](#top) `state/store.h` `state/*.h` `state/records`"},
    {"docs/a.md": "[s](../state/README.md) `[x](y.md)`\n```\n[z](z.md) `state/old.h`\n```\n"},
    {"state/README.md": "```\nstore.h  what is kept\n```\n"}, {"tests/unit/x.h": "", "deploy/README.md": "", "deploy/x.yaml": ""},
]]
