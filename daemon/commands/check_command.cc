#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/commands/commands.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/session.h"
#include "daemon/config/config.h"

namespace lacuna::daemon {

namespace {

struct CheckOptions {
  ConfigOptions config;
  std::string format = "text";
  bool keys = false;
};

void print(const nlohmann::ordered_json& json) {
  // Bytes of a file that are not UTF-8 may end up in a message.
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
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
    std::printf("%s\n    %s%s%s%s%s\n    %s\n", k.key.c_str(), k.type.c_str(), k.range.empty() ? "" : ": ", k.range.c_str(),
                k.default_value.empty() ? "" : "; default ", k.default_value.c_str(), k.doc.c_str());
  }
  return kExitOk;
}

std::string describe(const Config& config) {
  const auto count = [](std::size_t n, const std::string& one, const std::string& many) {
    return std::to_string(n) + " " + (n == 1 ? one : many);
  };
  const Schema& schema = *config.schema;
  return count(schema.modality_count(), "modality", "modalities") + ", " + count(schema.feature_count(), "feature", "features") + ", " +
         count(schema.attributes().size(), "attribute", "attributes") + ", " +
         (config.log.kind == LogKind::kafka ? "Kafka at " + config.log.kafka.bootstrap_servers : "embedded log") +
         (config.mapping ? ", input " + count(config.mapping->columns.size(), "column", "columns") : "");
}

int check(const CheckOptions& options) {
  if (options.keys) return show_keys(options);
  const ConfigOutcome outcome = load_config(options.config.path, options.config.overrides);
  if (options.format == "json") {
    nlohmann::ordered_json out{{"file", options.config.path}, {"ok", outcome.config.has_value()}};
    if (outcome.config) {
      out["modalities"] = outcome.config->schema->modality_count();
      out["features"] = outcome.config->schema->feature_count();
      out["attributes"] = outcome.config->schema->attributes().size();
    }
    out["problems"] = nlohmann::ordered_json::array();
    for (const ConfigProblem& p : outcome.problems) {
      out["problems"].push_back({{"file", p.file}, {"line", p.line}, {"column", p.column}, {"key", p.key}, {"message", p.message}});
    }
    print(out);
  } else if (outcome.config) {
    std::printf("%s: ok (%s)\n", options.config.path.c_str(), describe(*outcome.config).c_str());
  } else {
    for (const ConfigProblem& p : outcome.problems) std::fprintf(stderr, "%s\n", format_problem(p).c_str());
    std::fprintf(stderr, "%s: %zu problem%s\n", options.config.path.c_str(), outcome.problems.size(),
                 outcome.problems.size() == 1 ? "" : "s");
  }
  return outcome.config ? kExitOk : kExitConfiguration;
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "Say everything that is wrong with a configuration, and where");
  command->footer(
      "Reads the whole file and reports every problem at once with line and column; nothing is started or connected to.\n"
      "Exit status 0 when it is good, 2 when not.\n\n"
      "Examples:\n"
      "  lacuna check --config configs/physionet2012.yaml\n"
      "  lacuna check --config my.yaml --set log.kind=kafka --format json\n"
      "  lacuna check --keys");
  auto* source = command->add_option_group("source");
  // One that does not exist is a problem among others, with a line in the answer.
  source->add_option("-c,--config", options->config.path, "Configuration file (YAML)");
  source->add_flag("--keys", options->keys, "List every key with its type, range, default and meaning");
  source->require_option(1);
  options->config.add_overrides(*command, "-s,-o,--set");
  command->add_option("--format", options->format, "text or json")->capture_default_str()->check(CLI::IsMember({"text", "json"}));
  command->callback([options, &exit_code] { exit_code = check(*options); });
}

}  // namespace lacuna::daemon
