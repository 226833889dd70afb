#include "daemon/commands/commands.h"

#include <fmt/ostream.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/session.h"
#include "daemon/config/config.h"
#include "daemon/tables/screen.h"
#include "state/store_inspection.h"

namespace lacuna::daemon {

namespace {

struct CheckOptions {
  ConfigOptions config;
  std::string format = "text";
  std::string against;
  bool keys = false;
};

void print(const nlohmann::ordered_json& json) {
  // Bytes of a file that are not UTF-8 may end up in a message.
  standard_output() << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

int show_keys(const CheckOptions& options) {
  const std::vector<KeyInfo> keys = config_keys();
  if (options.format == "json") {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const KeyInfo& k : keys) {
      out.push_back({{"key", k.key}, {"type", k.type}, {"range", k.range}, {"default", k.default_value}, {"doc", k.doc}});
    }
    print(out);
    return kExitOk;
  }
  for (const KeyInfo& k : keys) {
    fmt::print(standard_output(), "{}\n    {}{}{}{}{}\n    {}\n", k.key, k.type, k.range.empty() ? "" : ": ", k.range,
               k.default_value.empty() ? "" : "; default ", k.default_value, k.doc);
  }
  return kExitOk;
}

std::string describe(const Config& config) {
  const Schema& schema = *config.schema;
  return counted(schema.modality_count(), "modality", "modalities") + ", " + counted(schema.feature_count(), "feature", "features") + ", " +
         counted(schema.attributes().size(), "attribute", "attributes") + ", " +
         (config.log.kind == LogKind::kafka ? "Kafka at " + config.log.kafka.bootstrap_servers : "embedded log") +
         (config.mapping ? ", input " + counted(config.mapping->columns.size(), "column", "columns") : "");
}

std::string_view word(SchemaChange::Effect effect) {
  switch (effect) {
    case SchemaChange::Effect::kept: return "kept";
    case SchemaChange::Effect::begins: return "begins";
    case SchemaChange::Effect::dropped: return "dropped";
  }
  return "unknown";
}

/// What the data folder's patients become under this schema. True where they can be carried over.
bool show_growth(const CheckOptions& options, const Config& config, nlohmann::ordered_json& json) {
  const Result<state::StoreGrowth> growth = state::read_growth(*config.schema, options.against + "/state");
  const bool text = options.format == "text";
  if (!growth.ok()) {
    json["against"] = {{"data_dir", options.against}, {"ok", false}, {"message", growth.status().message()}};
    if (text) std::fprintf(stderr, "%s: %s\n", options.against.c_str(), growth.status().message().c_str());
    return false;
  }
  json["against"] = {{"data_dir", options.against}, {"ok", true}, {"patients", growth->patients}};
  nlohmann::ordered_json& changes = json["against"]["changes"] = nlohmann::ordered_json::array();
  if (text) {
    fmt::print(standard_output(), "{}: {}; {}\n", options.against, counted(growth->patients, "patient", "patients"),
               growth->changes.empty() ? "the schema is the same" : "a start with this schema changes:");
  }
  std::size_t width = 0;
  for (const SchemaChange& c : growth->changes) width = std::max(width, c.subject.size());
  for (const SchemaChange& c : growth->changes) {
    changes.push_back({{"effect", word(c.effect)}, {"subject", c.subject}, {"what", c.what}});
    if (text) fmt::print(standard_output(), "  {:<7}  {:<{}}  {}\n", word(c.effect), c.subject, width, c.what);
  }
  return true;
}

std::string range_warning(const std::vector<std::string>& names) {
  std::string out = "no range, or one that is open, so that any number is taken for a measurement:";
  for (const std::string& name : names) out += (&name == &names.front() ? " " : ", ") + name;
  return out;
}

int check(const CheckOptions& options) {
  if (options.keys) return show_keys(options);
  const ConfigOutcome outcome = load_config(options.config.path, options.config.overrides);
  bool carried = true;
  if (options.format == "json") {
    nlohmann::ordered_json out{{"file", options.config.path}, {"ok", outcome.config.has_value()}};
    if (outcome.config) {
      out["modalities"] = outcome.config->schema->modality_count();
      out["features"] = outcome.config->schema->feature_count();
      out["attributes"] = outcome.config->schema->attributes().size();
      out["warnings"] = nlohmann::ordered_json::array();
      for (const std::string& name : open_ranges(*outcome.config->schema)) {
        out["warnings"].push_back({{"subject", name}, {"message", "no range, or one that is open"}});
      }
    }
    out["problems"] = nlohmann::ordered_json::array();
    for (const ConfigProblem& p : outcome.problems) {
      out["problems"].push_back({{"file", p.file}, {"line", p.line}, {"column", p.column}, {"key", p.key}, {"message", p.message}});
    }
    if (outcome.config && !options.against.empty()) carried = show_growth(options, *outcome.config, out);
    print(out);
  } else if (outcome.config) {
    fmt::print(standard_output(), "{}: ok ({})\n", options.config.path, describe(*outcome.config));
    const std::vector<std::string> open = open_ranges(*outcome.config->schema);
    if (!open.empty()) fmt::print(standard_output(), "{}: warning: {}\n", options.config.path, range_warning(open));
    nlohmann::ordered_json unused;
    if (!options.against.empty()) carried = show_growth(options, *outcome.config, unused);
  } else {
    for (const ConfigProblem& p : outcome.problems) std::fprintf(stderr, "%s\n", format_problem(p).c_str());
    fmt::print(stderr, "{}: {}\n", options.config.path, counted(outcome.problems.size(), "problem", "problems"));
  }
  return outcome.config && carried ? kExitOk : kExitConfiguration;
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "Say everything that is wrong with a configuration, and where");
  command->footer(
      "Reads the whole file and reports every problem at once with line and column; nothing is started or connected to.\n"
      "With --against, what a start on that data folder would do to the patients in it: what is kept (and converted), what begins, what "
      "is\n"
      "dropped, or why it is refused; the daemon may be running.\n"
      "Warns of features and payloads without a range.\n"
      "Exit status 0 when it is good, 2 when not.\n\n"
      "Examples:\n"
      "  lacuna check --config configs/physionet2012.yaml\n"
      "  lacuna check --config my.yaml --set log.kind=kafka --format json\n"
      "  lacuna check --config grown.yaml --against /var/lib/lacuna\n"
      "  lacuna check --keys");
  auto* source = command->add_option_group("source");
  // One that does not exist is a problem among others, with a line in the answer.
  source->add_option("-c,--config", options->config.path, "Configuration file (YAML)");
  source->add_flag("--keys", options->keys, "List every key with its type, range, default and meaning");
  source->require_option(1);
  command->add_option("--against", options->against, "Data folder of the schema before: say what changes")->type_name("DIR");
  options->config.add_overrides(*command);
  add_old_name(*command, "-o", "-s", [options](const std::string& text) { options->config.overrides.push_back(text); });
  command->add_option("--format", options->format, "text or json")->capture_default_str()->check(CLI::IsMember({"text", "json"}));
  command->callback([options, &exit_code] { exit_code = check(*options); });
}

}  // namespace lacuna::daemon
