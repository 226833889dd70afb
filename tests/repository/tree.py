"""The repository as {path: text}: paths from the root, with `/`; the text only of what is read, else empty."""
import os
import posixpath
import re

CODE = ("daemon", "streaming", "model", "state")  # what is shipped
SOURCES = CODE + ("tests", "bench")
FOLDERS = SOURCES + ("cmake", "configs", "deploy", "docs", ".ci")
READ = (".h", ".cc", ".md", ".cmake", ".yaml", "CMakeLists.txt", "Dockerfile")

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"\n]+)[>"]')


def load(root):
    tree = {name: "" for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))}
    for top in FOLDERS:
        for folder, inner, names in os.walk(os.path.join(root, top)):
            inner[:] = [name for name in inner if name != "__pycache__"]
            prefix = os.path.relpath(folder, root).replace(os.sep, "/")
            tree.update((f"{prefix}/{name}", "") for name in names)
    for path in tree:
        if path.endswith(READ):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                tree[path] = file.read()
    return dict(sorted(tree.items()))


def top(path):
    return path.split("/", 1)[0] if "/" in path else ""


def folder(path):
    return posixpath.dirname(path)


def stem(path):
    return posixpath.splitext(posixpath.basename(path))[0]


def folders(tree):
    """Every folder that holds something, directly or deeper."""
    found = set()
    for path in tree:
        while path:
            path = folder(path)
            found.add(path)
    return found


def sources(tree, tops=SOURCES, suffixes=(".h", ".cc")):
    return [path for path in tree if path.endswith(suffixes) and top(path) in tops]


def includes(text):
    """[(line number, how it is opened, what is included)]"""
    if "#" not in text:
        return []
    found = ((number, INCLUDE.match(line)) for number, line in enumerate(text.split("\n"), 1) if "#" in line)
    return [(number, m.group(1), m.group(2)) for number, m in found if m]


def is_ours(included):
    return top(included) in SOURCES
