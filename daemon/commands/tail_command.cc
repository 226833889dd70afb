#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/session.h"
#include "daemon/commands/tail.h"
#include "state/records/nearest.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  ConfigOptions config;
  std::string topic = "imputations", from, format = "pretty";
  TailOptions tail;
};

/// Short names, and the configured topics that they stand for.
std::vector<std::pair<std::string, std::string>> short_names(const Config& config) {
  const Config::Topics& t = config.topics;
  return {{"events", t.events.front()}, {"imputations", t.imputations}, {"alerts", t.alerts}, {"dead-letters", t.dead_letters},
          {"transfers", t.transfers},   {"control", t.control},         {"state", t.state},   {"model", t.model}};
}

/// Anything else is a topic itself.
std::string topic_of(const Config& config, const std::string& name) {
  for (const auto& [short_name, topic] : short_names(config)) {
    if (short_name == name) return topic;
  }
  return name;
}

/// What may have been meant by a topic that is not there.
std::string topic_advice(const Config& config, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [short_name, topic] : short_names(config)) known.push_back(short_name);
  for (const auto& [short_name, topic] : short_names(config)) known.push_back(topic);
  return did_you_mean(name, known);
}

int run(Arguments& arguments) {
  std::optional<Config> config = arguments.config.load();
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;
  TailOptions& options = arguments.tail;
  options.topic = topic_of(*config, arguments.topic);
  if (options.topic.starts_with('^')) {
    std::fprintf(stderr, "lacuna tail: topics.events begins with a pattern: name one of its topics\n");
    return kExitConfiguration;
  }
  if (arguments.format == "json") options.format = TailOptions::Format::json;
  if (arguments.format == "record") options.format = TailOptions::Format::record;
  if (arguments.from == "beginning") {
    options.from = TailOptions::From::beginning;
  } else if (arguments.from == "end") {
    options.from = TailOptions::From::end;
  } else if (!arguments.from.empty()) {
    options.from = TailOptions::From::offset;
    if (!CLI::detail::lexical_cast(arguments.from, options.offset) || options.offset < 0) {
      std::fprintf(stderr, "lacuna tail: --from: expected an offset, beginning or end\n");
      return kExitConfiguration;
    }
  }
  Signals signals;
  const auto log = open_event_log(*config, true);
  if (!log.ok()) return explain(log.status());
  const auto reader = (*log)->reader();
  if (!reader.ok()) return explain(reader.status());
  const Status outcome = tail(
      *config, options, **reader, [&signals] { return signals.stopped(); }, standard_output());
  if (outcome.code() == Code::not_found) return explain({Code::not_found, outcome.message() + topic_advice(*config, arguments.topic)});
  return outcome.ok() ? kExitOk : explain(outcome);
}

}  // namespace

void add_tail(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  TailOptions& tail = arguments->tail;
  CLI::App* command = app.add_subcommand("tail", "Show the records of a topic: imputations, alerts, dead letters, any other");
  command->footer(
      "Without --from: the newest 10 (or -n) records over all partitions, by time. With --follow: then "
      "whatever comes, until\n"
      "Ctrl-C. Works beside a running daemon, on the embedded log too. What is shown is patient data: mind "
      "the terminal.\n"
      "The values of state and model are binary: only what they are is shown. Why a dead letter was refused stands in its headers: "
      "pretty\n"
      "shows it, and record.\n\n"
      "Examples:\n"
      "  lacuna tail --config ward.yaml alerts --follow\n"
      "  lacuna tail --config ward.yaml imputations --key 132539 -n 1\n"
      "  lacuna tail -c ward.yaml dead-letters --from beginning --format json > all\n"
      "  lacuna tail -c ward.yaml dead-letters --format record | jq .headers");
  arguments->config.add_to(*command)->required();
  command
      ->add_option("topic", arguments->topic,
                   "events, imputations, alerts, dead-letters, state, model, transfers, control, or a topic's name")
      ->capture_default_str();
  command->add_flag("-f,--follow", tail.follow, "Go on with what comes");
  command->add_option("-n,--count", tail.count, "The newest so many records; with --from: stop after so many");
  command->add_option("--partition", tail.partition, "This partition only");
  command->add_option("--from", arguments->from, "An offset, beginning, or end");
  command
      ->add_option(
          "--format", arguments->format,
          "pretty: for people; json: each value as it is, one a line; record: all of each record, with time, key and headers, as JSON")
      ->check(CLI::IsMember({"pretty", "json", "record"}))
      ->capture_default_str();
  command->add_option("--key", tail.key, "Only records with this key (a patient id; alerts: kind/subject)");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace lacuna::daemon
