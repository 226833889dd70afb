"""Who may include whom, and where each third-party library lives."""
import re

from .tree import SOURCES, folder, includes, is_ours, sources, stem, top

# Folder -> what it may include beside itself: folders, or single headers. A folder with sources that is not here has no place yet.
ROOMS = {
    "state/records": [],
    "state": ["state/records"],
    "streaming/log": ["state/records"],
    "streaming/log/kafka": ["state/records", "streaming/log"],
    "streaming/log/embedded": ["state/records", "streaming/log"],
    "streaming/messages": ["state/records", "streaming/log"],
    "streaming/files": ["state/records", "streaming/log", "streaming/messages"],
    "streaming/hl7": ["state/records", "streaming/messages", "streaming/files"],
    "streaming/mllp": ["state/records", "streaming/log", "streaming/messages", "streaming/hl7"],
    "model/predictive": ["state/records"],
    "model/drift": ["state/records"],
    # The network is made of kinds, and these are made of what the network encodes: two headers, which include no kind.
    "model/kinds": ["state/records", "model/encoding.h", "model/payload_statistics.h"],
    "model": ["state/records", "model/predictive", "model/kinds"],
}
# The rooms of daemon/, lowest floor first. A room may include every lower floor, and none of its own: so no circle can be.
FLOORS = [
    ["config", "simulator", "tables"],
    ["registry", "generation", "evaluation", "guessing", "table_imputation", "plots", "backup"],
    ["pipeline"],
    ["audit"],
    ["http"],
    ["commands"],
]
BELOW_DAEMON = ["state", "state/records", "streaming/log", "streaming/messages", "streaming/files",
                "streaming/hl7", "streaming/mllp", "model", "model/predictive", "model/drift"]
ARROWS_MAX = 20  # from room to room in daemon/

for height, floor in enumerate(FLOORS):
    lower = [f"daemon/{room}" for below in FLOORS[:height] for room in below]
    ROOMS.update((f"daemon/{room}", BELOW_DAEMON + lower) for room in floor)
ROOMS["daemon"] = BELOW_DAEMON + [f"daemon/{room}" for floor in FLOORS for room in floor]  # main.cc

# Library -> its headers, the folders that may include them (`/*`: and all below). One of our own headers that shows a library
# is for the library's homes alone. Tests may include anything, and benchmarks all but our headers that show a library.
HOMES = {
    "LibTorch": (r"(torch|ATen|c10)/", ["model", "model/kinds"]),
    "Boost": (r"boost/", ["model/predictive"]),
    "RocksDB": (r"rocksdb/", ["state", "streaming/log/embedded"]),
    "Protocol Buffers": (r"google/protobuf/|.*\.pb\.h$", ["state"]),
    "zlib": (r"zlib\.h", ["state", "streaming/files"]),
    "libarchive": (r"archive(_entry)?\.h", ["streaming/files"]),
    "librdkafka": (r"librdkafka/", ["streaming/log/kafka"]),
    "Asio": (r"asio(\.hpp$|/)", ["streaming/mllp"]),
    "OpenSSL": (r"openssl/", ["streaming/mllp"]),
    "simdjson": (r"simdjson", ["streaming/messages"]),
    "yaml-cpp": (r"yaml-cpp/", ["daemon/config"]),
    "cpp-httplib": (r"httplib\.h", ["daemon/http"]),
    "prometheus-cpp": (r"prometheus/", ["daemon/http"]),
    "CLI11": (r"CLI/", ["daemon/commands", "daemon"]),
    "libsystemd": (r"systemd/", ["daemon/commands"]),
    "spdlog": (r"spdlog/", ["daemon/*", "bench/*"]),
    "fmt": (r"fmt/", ["daemon/*", "bench/*"]),
    "nlohmann": (r"nlohmann/", ["daemon/*", "bench/*"]),
}


def library_of(included):
    return next((name for name, (headers, _) in HOMES.items() if re.match(headers, included)), None)


def at_home(library, room):
    return any(room == home or home.endswith("/*") and top(room + "/") == home[:-2] for home in HOMES[library][1])


def shown_libraries(tree):
    """{header: the libraries that it shows, itself or through what it includes}"""
    included = {path: [what for _, _, what in includes(tree[path])] for path in sources(tree, suffixes=(".h",))}
    shown = {path: {library_of(what) for what in whats} - {None} for path, whats in included.items()}
    grown = True
    while grown:
        grown = False
        for path, whats in included.items():
            more = set().union(*(shown.get(what, ()) for what in whats)) - shown[path]
            grown = grown or bool(more)
            shown[path] |= more
    return shown


def arrows(tree):
    """The distinct (room, room it includes) inside daemon/, main.cc left out."""
    pairs = {(folder(path), folder(what)) for path in sources(tree, ["daemon"]) for _, _, what in includes(tree[path])}
    return sorted((a[7:], b[7:]) for a, b in pairs if a != b and a.startswith("daemon/") and b.startswith("daemon/"))


def describe_arrows(tree):
    found = arrows(tree)
    return f"daemon: {len(found)} arrows: " + ", ".join(f"{a} -> {b}" for a, b in found)


def check_include(room, number, opened, what, shown):
    if top(room + "/") != "tests":
        for library in sorted(shown.get(what, ())):
            if folder(what) != room and not at_home(library, room):
                yield f"{number}: {what} shows {library}, which its folder hides"
    if room not in ROOMS:
        return
    library = library_of(what)
    if library:
        if not at_home(library, room):
            yield f"{number}: {library} belongs in {', '.join(HOMES[library][1])}"
    elif is_ours(what):
        target = folder(what)
        if target != room and target not in ROOMS[room] and what not in ROOMS[room]:
            yield f"{number}: {room} may not include {target} ({what})"
    elif opened == '"':
        yield f"{number}: {what} is not included by its path from the root"


def check(tree):
    problems = []
    shown = shown_libraries(tree)
    for path in sources(tree):
        room = folder(path)
        if room not in ROOMS and top(path) not in ("tests", "bench"):
            problems.append(f"{path}:1: {room} has no place among the folders of tests/repository/walls.py")
        if room == "daemon" and path != "daemon/main.cc":
            problems.append(f"{path}:1: only main.cc lies in daemon itself; each other file has a room")
        for include in includes(tree[path]):
            problems += [f"{path}:{problem}" for problem in check_include(room, *include, shown)]
    if len(arrows(tree)) > ARROWS_MAX:
        problems.append(f"daemon/README.md:1: more than {ARROWS_MAX} arrows between rooms; {describe_arrows(tree)}")
    return problems


def _one(path, *included):
    return {path: "".join(f"#include {what}\n" for what in included)}


_REVEALING = {"model/inner.h": "#include <torch/torch.h>\n", "model/outer.h": '#include "model/inner.h"\n'}
BROKEN = [
    (_one(path, what), f"{path}:1: ") for path, what in [
        ("state/x.cc", '"streaming/log/event_log.h"'), ("state/records/x.cc", '"state/store.h"'),
        ("streaming/log/x.cc", '"state/store.h"'), ("streaming/log/x.cc", '"streaming/log/kafka/factories.h"'),
        ("streaming/log/x.cc", '"streaming/messages/base64.h"'), ("streaming/messages/x.cc", '"streaming/files/csv_reader.h"'),
        ("streaming/messages/x.cc", '"streaming/log/embedded/format.h"'),
        ("streaming/log/kafka/x.cc", '"streaming/log/embedded/format.h"'),
        ("streaming/log/embedded/x.cc", '"streaming/log/kafka/handles.h"'),
        ("model/x.cc", '"daemon/config/config.h"'), ("model/x.cc", '"model/drift/monitor.h"'),
        ("model/predictive/x.cc", '"model/options.h"'), ("model/drift/x.cc", '"model/predictive/scores.h"'),
        ("model/kinds/x.cc", '"model/network.h"'), ("model/x.cc", "<state/store.h>"),
        ("daemon/http/x.cc", '"daemon/commands/tail.h"'), ("daemon/pipeline/x.cc", '"daemon/http/client.h"'),
        ("daemon/tables/x.cc", '"daemon/config/config.h"'), ("daemon/backup/x.cc", '"daemon/registry/model_json.h"'),
        ("daemon/simulator/x.cc", '"daemon/tables/text_table.h"'), ("daemon/registry/x.cc", '"daemon/generation/output.h"'),
        ("daemon/generation/x.cc", '"daemon/evaluation/coverage.h"'), ("daemon/evaluation/x.cc", '"daemon/pipeline/batch.h"'),
        ("daemon/guessing/x.cc", '"daemon/generation/output.h"'), ("daemon/plots/x.cc", '"daemon/evaluation/coverage.h"'),
        ("daemon/table_imputation/x.cc", '"daemon/pipeline/batch.h"'), ("daemon/audit/x.cc", '"daemon/http/client.h"'),
        ("daemon/main.cc", '"model/kinds/kind.h"'), ("streaming/files/x.cc", '"streaming/log/kafka/factories.h"'),
        ("daemon/config/x.cc", '"model/kinds/kind.h"'), ("daemon/commands/x.cc", '"streaming/log/kafka/factories.h"'),
        ("daemon/config/x.cc", '"tests/support/small_disk.h"'), ("daemon/http/x.cc", '"client.h"'),
        ("daemon/x.cc", "<string>"), ("daemon/attic/x.cc", "<string>"), ("streaming/x.h", "<string>"),
        ("daemon/http/x.cc", "<yaml-cpp/yaml.h>"), ("daemon/commands/x.cc", "<httplib.h>"),
        ("daemon/pipeline/x.cc", "<prometheus/counter.h>"), ("daemon/http/x.cc", "<CLI/CLI.hpp>"),
        ("daemon/http/x.cc", "<asio.hpp>"), ("streaming/hl7/x.cc", "<openssl/ssl.h>"), ("streaming/log/kafka/x.cc", "<asio/ssl.hpp>"),
        ("streaming/hl7/x.cc", '"streaming/mllp/listener.h"'), ("streaming/mllp/x.cc", '"streaming/log/kafka/handles.h"'),
        ("daemon/http/x.cc", "<systemd/sd-daemon.h>"), ("daemon/http/x.cc", "<simdjson.h>"),
        ("model/x.cc", "<spdlog/spdlog.h>"), ("model/x.cc", "<fmt/core.h>"), ("state/x.cc", "<nlohmann/json.hpp>"),
        ("model/x.cc", "<boost/math/x.hpp>"), ("model/drift/x.cc", "<torch/torch.h>"), ("daemon/http/x.cc", "<ATen/x.h>"),
        ("model/predictive/x.cc", "<c10/x.h>"), ("streaming/log/x.cc", "<rocksdb/db.h>"),
        ("streaming/log/embedded/x.cc", "<librdkafka/rdkafka.h>"), ("state/records/x.cc", "<google/protobuf/message.h>"),
        ("streaming/messages/x.cc", '"state/stored_records.pb.h"'),
    ]
] + [
    ({**_REVEALING, **_one("daemon/config/x.cc", '"model/outer.h"')}, "shows LibTorch"),
    ({**_REVEALING, **_one("bench/x.cc", '"model/outer.h"')}, "shows LibTorch"),
    ({f"daemon/commands/{a}.cc": f'#include "daemon/{a}/{a}.h"\n' for floor in FLOORS[:5] for a in floor} | {
        f"daemon/{a}/x.cc": f'#include "daemon/{b}/{b}.h"\n' for a in FLOORS[1] + FLOORS[2] for b in FLOORS[0][:1]},
     "more than 20 arrows"),
]
GOOD = [
    _one("daemon/main.cc", '"daemon/commands/commands.h"', '"daemon/config/config.h"', "<CLI/CLI.hpp>"),
    _one("daemon/commands/x.cc", '"daemon/http/client.h"', '"model/learner.h"', "<spdlog/spdlog.h>", "<string>"),
    _one("daemon/http/x.cc", '"daemon/audit/audit.h"', '"streaming/messages/message_codec.h"', "<nlohmann/json.hpp>"),
    _one("streaming/log/kafka/x.cc", '"streaming/log/event_log.h"', '"streaming/log/kafka/y.h"', "<librdkafka/rdkafka.h>"),
    _one("streaming/files/x.cc", '"streaming/messages/base64.h"', '"state/records/time.h"'),
    _one("model/kinds/x.cc", '"model/encoding.h"', "<torch/torch.h>"), _one("state/x.cc", '"state/stored_records.pb.h"'),
    _one("tests/unit/x.cc", "<rocksdb/db.h>", '"daemon/http/client.h"', '"helper.h"'), _one("bench/x.cc", "<torch/torch.h>"),
    {**_REVEALING, **_one("model/kinds/x.cc", '"model/encoding.h"'), **_one("tests/x.cc", '"model/outer.h"')},
]
