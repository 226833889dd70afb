"""A source is declared by the header of its name, and includes it first, so that no header leans on what is included before it."""
import fnmatch
import posixpath

from .tree import CODE, folder, includes, is_ours, sources

# Sources -> the header that declares them all, and why they share it (None: nothing declares them).
FAMILIES = {
    "daemon/main.cc": (None, "the program"),
    "daemon/commands/*_command.cc": ("daemon/commands/commands.h", "each is one function of the same kind"),
    "model/kinds/embedding.cc": ("model/kinds/kind.h", "one kind behind the interface of all"),
    "model/kinds/image.cc": ("model/kinds/kind.h", "one kind behind the interface of all"),
    "model/kinds/signal.cc": ("model/kinds/kind.h", "one kind behind the interface of all"),
    "model/kinds/text.cc": ("model/kinds/kind.h", "one kind behind the interface of all"),
    "daemon/pipeline/batch_moves.cc": ("daemon/pipeline/batch.h", "the class is read and written in the source of its name, moves persons here"),
    "daemon/pipeline/batch_scoring.cc": ("daemon/pipeline/batch.h", "the class is read and written in the source of its name, scored and imputed here"),
    "daemon/pipeline/person_ledger_payloads.cc": ("daemon/pipeline/person_ledger.h", "the class judges and settles in the source of its name, payloads here"),
    "daemon/pipeline/person_ledger_records.cc": ("daemon/pipeline/person_ledger.h", "the class judges and settles in the source of its name, and writes its records here"),
    "daemon/pipeline/turn_commands.cc": ("daemon/pipeline/turn.h", "the class takes its turns in the source of its name, and does what operators ask here"),
    "daemon/pipeline/turn_learning.cc": ("daemon/pipeline/turn.h", "the class takes its turns in the source of its name, and waits for the learner here"),
    "state/person_codec.cc": ("state/person_records.h", "what the records are is declared there, to bytes and back is here"),
    "model/sampling.cc": ("model/torch_model_version.h", "the class draws here and predicts in the source of its name"),
    "streaming/log/kafka/appender.cc": ("streaming/log/kafka/factories.h", "an interface of event_log.h, made by a factory"),
    "streaming/log/kafka/event_log.cc": ("streaming/log/kafka/factories.h", "an interface of event_log.h, made by a factory"),
    "streaming/log/kafka/factory.cc": ("streaming/log/kafka/factories.h", "the factory itself"),
    "streaming/log/kafka/properties.cc": ("streaming/log/kafka_properties.h", "the configuration asks it, and may not see librdkafka's folder"),
    "streaming/log/kafka/version.cc": ("streaming/log/librdkafka_version.h", "a command asks it, and may not see librdkafka's folder"),
    "streaming/log/kafka/reader.cc": ("streaming/log/kafka/factories.h", "an interface of event_log.h, made by a factory"),
    "streaming/log/embedded/event_log.cc": ("streaming/log/embedded/factories.h", "an interface of event_log.h, made by a factory"),
    "streaming/log/embedded/factory.cc": ("streaming/log/embedded/factories.h", "the factory itself"),
}


def first_of_ours(text):
    return next(((number, what) for number, _, what in includes(text) if is_ours(what)), (1, None))


def check(tree, families=FAMILIES):
    problems = []
    unused = set(families)
    for path in sources(tree, CODE, (".cc",)):
        matching = [pattern for pattern in families if fnmatch.fnmatchcase(path, pattern)]
        unused -= set(matching)
        header = families[matching[0]][0] if matching else path[:-3] + ".h"
        if header is None:
            continue
        if header not in tree:
            problems.append(f"{path}:1: there is no {header} to declare it")
            continue
        number, first = first_of_ours(tree[path])
        if first != header:
            problems.append(f"{path}:{number}: includes {first or 'nothing of ours'} first, not {header}")
    problems += [f"tests/repository/declarations.py:1: {pattern} is no source any more" for pattern in sorted(unused)]
    problems += [f"{path}:1: no #pragma once" for path in sources(tree, suffixes=(".h",)) if "#pragma once" not in tree[path]]
    return problems


def check_made_up(tree):
    return check(tree, {pattern: family for pattern, family in FAMILIES.items()
                        if any(folder(path) == posixpath.dirname(pattern) for path in tree)})


_ONCE = "#pragma once\n"
_KINDS = {f"model/kinds/{name}.cc": '#include "model/kinds/kind.h"\n' for name in ("embedding", "image", "signal", "text")}
_KINDS["model/kinds/kind.h"] = _ONCE
BROKEN = [
    ({"streaming/files/x.cc": "#include <string>\n"}, "streaming/files/x.cc:1: there is no streaming/files/x.h"),
    ({"streaming/files/x.cc": '#include <string>\n#include "streaming/files/y.h"\n#include "streaming/files/x.h"\n', "streaming/files/x.h": _ONCE}, "streaming/files/x.cc:2: includes streaming/files/y.h"),
    ({"streaming/files/x.cc": "#include <string>\n", "streaming/files/x.h": _ONCE}, "includes nothing of ours first"),
    ({"daemon/main.cc": "", "daemon/x.cc": ""}, "daemon/x.cc:1: there is no daemon/x.h"),
    ({"daemon/commands/x_command.cc": '#include "daemon/config/config.h"\n', "daemon/commands/commands.h": _ONCE}, "not daemon/commands/commands.h"),
    ({path: text for path, text in _KINDS.items() if path != "model/kinds/text.cc"}, "model/kinds/text.cc is no source any more"),
    ({"bench/x.h": "int x;\n"}, "bench/x.h:1: no #pragma once"),
]
GOOD = [
    {"streaming/files/x.cc": '#include "streaming/files/x.h"\n\n#include <string>\n', "streaming/files/x.h": _ONCE, "streaming/files/alone.h": _ONCE},
    {"daemon/main.cc": '#include "daemon/commands/commands.h"\n'}, _KINDS, {"tests/x.cc": "", "bench/x.cc": ""},
    {"daemon/commands/x_command.cc": '#include "daemon/commands/commands.h"\n', "daemon/commands/commands.h": _ONCE},
]
