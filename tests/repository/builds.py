"""Nothing vanishes from the build or from the tests: lists of sources are whole, and tests/unit mirrors the tree."""
import posixpath
import re

from .tree import CODE, SOURCES, folder, folders, sources, top

BANNED = {
    r"\b(?:else)?if\s*\((?:[^()]|\([^()]*\))*?\bEXISTS\b": "a file that is missing must stop the build: no if(EXISTS ...)",
    r"\binclude\s*\((?:[^()]|\([^()]*\))*?\bOPTIONAL\b": "a file that is missing must stop the build: no include(... OPTIONAL)",
}
# These calls name sources without building them.
WITHOUT_BUILDING = re.compile(r"\b(?:set_source_files_properties|set_property)\s*\([^()]*\)", re.I)


def is_list(path):
    return posixpath.basename(path) == "CMakeLists.txt" or path.endswith(".cmake")


def without_comments(text):
    return re.sub(r"#[^\n]*", "", text)


def named_by(list_path, text):
    """The paths that a list may mean by its words."""
    here = folder(list_path)
    found = set()
    for word in re.findall(r'[^\s()";]+', WITHOUT_BUILDING.sub("", without_comments(text))):
        root = word.startswith("${PROJECT_SOURCE_DIR}/")
        word = re.sub(r"^\$\{(PROJECT_SOURCE_DIR|CMAKE_CURRENT_SOURCE_DIR)\}/", "", word)
        found.add(posixpath.normpath(word if root else posixpath.join(here, word)))
    return found


def check_lists(tree):
    problems = []
    lists = {path: tree[path] for path in tree if is_list(path)}
    named = {folder(path): named_by(path, text) for path, text in lists.items() if not path.endswith(".cmake")}
    for path, text in lists.items():
        text = without_comments(text)
        for pattern, what in BANNED.items():
            problems += [f"{path}:{text.count(chr(10), 0, m.start()) + 1}: {what}" for m in re.finditer(pattern, text, re.I)]

    def is_named(path, where):
        while where and path not in named.get(where, ()):
            where = folder(where)
        return path in named.get(where, ())

    for where in named:
        if where and not is_named(where, folder(where)):
            problems.append(f"{where}/CMakeLists.txt:1: no CMakeLists.txt above it adds its folder")
    for path in sources(tree, SOURCES, (".cc",)):
        if (top(path) != "tests" or path.startswith("tests/unit/")) and not is_named(path, folder(path)):
            problems.append(f"{path}:1: no CMakeLists.txt of its folder or above names it")
    for path in sources(tree, SOURCES, (".cpp", ".cxx", ".c", ".hpp", ".hh", ".inc", ".ipp")):
        problems.append(f"{path}:1: sources are called .cc and .h here; nothing checks this one")
    return problems


def check_mirror(tree):
    problems = []
    tested = {folder(path) for path in tree if path.startswith("tests/unit/") and path.endswith("_test.cc")}
    for room in sorted({folder(path) for path in sources(tree, CODE, (".cc",))} - {"daemon"}):
        if f"tests/unit/{room}" not in tested:
            problems.append(f"{room}:1: tests/unit/{room} has no *_test.cc")
    everything = folders(tree)
    for mirror in sorted(f for f in everything if f.startswith("tests/unit/")):
        if mirror[len("tests/unit/"):] not in everything:
            problems.append(f"{mirror}:1: mirrors no folder of sources")
    return problems


def check(tree):
    return check_lists(tree) + check_mirror(tree)


_HOUSE = {
    "CMakeLists.txt": "add_subdirectory(state)\nadd_subdirectory(tests)\n",
    "state/CMakeLists.txt": "# not: b.cc\nadd_library(a STATIC\n  a.cc inner/c.cc)\n",
    "state/a.cc": "", "state/inner/c.cc": "",
    "tests/CMakeLists.txt": "foreach(f IN ITEMS unit/state unit/state/inner)\n  add_subdirectory(${f})\nendforeach()\n",
    "tests/unit/state/CMakeLists.txt": "lacuna_test(a SOURCES a_test.cc ${PROJECT_SOURCE_DIR}/tests/fuzz/x.cc)\n",
    "tests/unit/state/a_test.cc": "", "tests/unit/state/inner/c_test.cc": "", "tests/fuzz/x.cc": "",
    "tests/unit/state/inner/CMakeLists.txt": "lacuna_test(c SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/c_test.cc)\n",
}


def _but(files):
    return {**_HOUSE, **files}


def _without(path):
    return {p: t for p, t in _HOUSE.items() if p != path}


BROKEN = [
    (_but({"state/CMakeLists.txt": "add_library(a STATIC\n  a.cc inner/c.cc)\nif((TARGET b) AND EXISTS b.cc)\nendif()\n"}),
     "state/CMakeLists.txt:3: a file that is missing"),
    (_but({"cmake/x.cmake": "include(y.cmake OPTIONAL)\n"}), "cmake/x.cmake:1: a file that is missing"),
    (_but({"state/b.cc": ""}), "state/b.cc:1: no CMakeLists.txt"),
    (_but({"state/CMakeLists.txt": "add_library(a STATIC a.cc)\nset_source_files_properties(inner/c.cc PROPERTIES X Y)\n"}),
     "state/inner/c.cc:1: no CMakeLists.txt"),
    (_but({"tests/unit/state/b_test.cc": ""}), "tests/unit/state/b_test.cc:1: no CMakeLists.txt"),
    (_but({"bench/x.cc": ""}), "bench/x.cc:1: no CMakeLists.txt"),
    (_but({"CMakeLists.txt": "add_subdirectory(tests)\n"}), "state/CMakeLists.txt:1: no CMakeLists.txt above it"),
    (_but({"state/x.hpp": ""}), "sources are called .cc and .h"),
    (_without("tests/unit/state/inner/c_test.cc"), "state/inner:1: tests/unit/state/inner has no"),
    (_but({"tests/unit/store/helper.h": ""}), "tests/unit/store:1: mirrors no folder"),
]
GOOD = [_HOUSE, _but({"daemon/main.cc": "", "daemon/CMakeLists.txt": "add_executable(x main.cc)\nif(NOT X)\nendif()\n",
                            "CMakeLists.txt": _HOUSE["CMakeLists.txt"] + "add_subdirectory(daemon)\n"})]
