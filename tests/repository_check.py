#!/usr/bin/env python3
"""What compilers cannot enforce: who includes whom, what is built and tested, lengths, declarations, pages, format.

Run from anywhere; exits 1 with one line per violation. `--self-test` shows that each rule can fail, and can pass. Each file of
tests/repository/ holds some rules, with the made-up trees that break them (BROKEN) and that do not (GOOD).
"""
import contextlib
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
from repository import builds, declarations, deployment, documents, formatting, lengths, lines, tree, walls  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = [walls, lines, builds, lengths, declarations, deployment, documents]


def test_formatting():
    tool = formatting.find_tool()
    with tempfile.TemporaryDirectory() as root:
        style = (ROOT / ".clang-format").read_text(encoding="utf-8")
        for name, text in {".clang-format": style, "good.cc": "int a = 1;\n", "bad.cc": "int a = 1;\nint  b=2;\n"}.items():
            pathlib.Path(root, name).write_text(text, encoding="utf-8")
        if tool:
            found = formatting.unformatted(root, ["good.cc", "bad.cc"], tool)
            if len(found) != 1 or not found[0].startswith("bad.cc:2: "):
                yield f"formatting: expected bad.cc:2 alone, found {found}"
    for ci in (False, True):
        with contextlib.redirect_stdout(None):
            found = formatting.check(ROOT, {}, None, ci)
        if bool(found) != ci:
            yield f"formatting: without clang-format, {'in' if ci else 'outside'} CI, found {found}"


def self_test():
    failures = []
    for rule in RULES:
        check = getattr(rule, "check_made_up", rule.check)
        for made_up, expected in rule.BROKEN:
            found = check(made_up)
            if len(found) != 1 or expected not in found[0]:
                failures.append(f"{rule.__name__}: expected '{expected}' alone, found {found} in {made_up}")
        failures += [f"{rule.__name__}: found {check(made_up)} in {made_up}" for made_up in rule.GOOD if check(made_up)]
    failures += test_formatting()
    print("\n".join(failures) if failures else f"self-test: {sum(len(r.BROKEN) + len(r.GOOD) for r in RULES)} made-up trees")
    return 1 if failures else 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    files = tree.load(ROOT)
    problems = [problem for rule in RULES for problem in rule.check(files)]
    problems += formatting.check(ROOT, files, formatting.find_tool(), bool(os.environ.get("CI")))
    print("\n".join(problems) if problems else f"repository check: nothing to say\n{walls.describe_arrows(files)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
