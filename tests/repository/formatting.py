"""clang-format finds nothing to change. Releases differ in what they find, so only the one that formatted the tree is asked."""
import concurrent.futures
import re
import shutil
import subprocess

from .tree import sources

RELEASE = "14"
PROCESSES = 2
FOUND = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): (.*)$", re.M)


def find_tool():
    for name in (f"clang-format-{RELEASE}", "clang-format"):
        tool = shutil.which(name)
        if tool and re.search(rf"\bversion {RELEASE}\.", subprocess.run([tool, "--version"], capture_output=True, text=True).stdout):
            return tool
    return None


def unformatted(root, paths, tool):
    """One problem for each file that differs, at the first place."""
    def ask(some):
        return subprocess.run([tool, "--dry-run", "--Werror", "--style=file", *some], cwd=root, capture_output=True, text=True)

    shares = [share for share in (paths[i::PROCESSES] for i in range(PROCESSES)) if share]
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        answers = list(pool.map(ask, shares))
    first = {}
    for answer in answers:
        for path, line, _ in FOUND.findall(answer.stderr):
            first.setdefault(path, line)
        if answer.returncode and not FOUND.search(answer.stderr):
            return [f".clang-format:1: clang-format failed: {answer.stderr.strip()}"]
    return [f"{path}:{line}: clang-format would change this file (./dev format)" for path, line in sorted(first.items())]


def check(root, tree, tool, ci):
    if tool:
        return unformatted(root, sources(tree), tool)
    print(f"repository check: the format was not checked, for there is no clang-format {RELEASE} here")
    return [f".clang-format:1: clang-format {RELEASE} is missing, and this is CI"] if ci else []
