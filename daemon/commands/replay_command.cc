#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/replay.h"
#include "daemon/commands/session.h"
#include "daemon/tables/progress_bar.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  ConfigOptions config;
  std::string mapping, start, stagger, order = "time", rate;
  ReplayOptions replay;
  bool strict = false;
};

int refuse(const std::string& message) {
  std::fprintf(stderr, "lacuna replay: %s\n", message.c_str());
  return kExitConfiguration;
}

/// "5000/s" or "5000"; below 0: neither.
double parse_rate(std::string text) {
  if (text.ends_with("/s")) text.resize(text.size() - 2);
  double rate = 0;
  return CLI::detail::lexical_cast(text, rate) && rate > 0 ? rate : -1;
}

/// How the files are read: --mapping, else the configuration's `input`, else one event message a line.
int choose_mapping(const Config& config, Arguments& arguments) {
  streaming::FileMapping& mapping = arguments.replay.mapping;
  if (!arguments.mapping.empty()) {
    const MappingOutcome outcome = load_mapping(arguments.mapping, *config.schema);
    for (const ConfigProblem& problem : outcome.problems) std::fprintf(stderr, "%s\n", format_problem(problem).c_str());
    if (!outcome.mapping) return kExitConfiguration;
    mapping = *outcome.mapping;
  } else if (config.mapping) {
    mapping = *config.mapping;
  }
  mapping.earliest = std::chrono::floor<Millis>(std::chrono::system_clock::now()) - config.limits.past_max;
  if (!arguments.start.empty()) {
    const std::optional<Time> start = parse_rfc3339(arguments.start);
    if (!start) return refuse("--start: expected a time with its zone, such as 2026-01-01T00:00:00Z");
    mapping.start = *start;
  }
  if (!arguments.stagger.empty()) {
    const std::optional<Millis> stagger = parse_duration(arguments.stagger);
    if (!stagger) return refuse("--stagger: expected a duration such as 10m");
    mapping.stagger = *stagger;
  }
  return kExitOk;
}

int run(Arguments& arguments) {
  const std::optional<Config> config = arguments.config.load();
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;
  if (const int code = choose_mapping(*config, arguments); code != kExitOk) return code;
  ReplayOptions& options = arguments.replay;
  options.by_patient = arguments.order == "patient";
  options.future_max = config->limits.future_max;
  if (!arguments.rate.empty()) {
    options.rate = parse_rate(arguments.rate);
    if (options.rate < 0) return refuse("--rate: expected events a second, such as 5000/s");
  }
  if (options.topic.empty()) options.topic = config->topics.events.front();
  if (options.topic.starts_with('^')) return refuse("topics.events begins with a pattern: name the topic with --topic");
  if (!config->topics.holds_json(options.topic))
    return refuse("topic " + options.topic + " holds no JSON: name one that does with --topic");

  Signals signals;
  std::unique_ptr<streaming::LogFactory> log;
  std::unique_ptr<streaming::Appender> appender;
  if (!options.dry_run) {
    auto opened = open_event_log(*config, false);
    if (!opened.ok()) return explain(opened.status());
    log = std::move(*opened);
    if (config->log.create_topics) {
      const Status made =
          log->ensure_topics({{options.topic,
                               config->log.partitions,
                               {{"cleanup.policy", "delete"}, {"replication.factor", std::to_string(config->log.replication)}}}});
      if (!made.ok()) return explain(made);
    }
    auto made = log->appender();
    if (!made.ok()) return explain(made.status());
    appender = std::move(*made);
  }

  ReplayWorld world = real_replay_world();
  world.stopped = [&signals] { return signals.stopped(); };
  std::unique_ptr<ProgressBar> bar;
  std::string phase;
  world.progress = [&](const char* now, std::uint64_t done, std::uint64_t total) {
    if (phase != now) {
      bar.reset();
      phase = now;
      bar = std::make_unique<ProgressBar>(phase, phase == "reading" ? "bytes" : "events");
    }
    bar->update(done, total);
  };
  ReplayReport report;
  const Status outcome = replay(*config->schema, options, appender.get(), world, report);
  bar.reset();
  standard_output() << format_report(report, options.dry_run ? "" : options.topic);
  const std::string nothing = signals.stopped() ? "" : explain_nothing(options, report);
  if (!nothing.empty()) std::fprintf(stderr, "lacuna replay: %s", nothing.c_str());
  if (!outcome.ok()) return explain(outcome);
  if (signals.stopped()) {
    std::fprintf(stderr, "stopped before the end\n");
    return 128 + signals.number();
  }
  return !nothing.empty() || (arguments.strict && !report.lossless()) ? kExitFailed : kExitOk;
}

}  // namespace

void add_replay(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  ReplayOptions& replay = arguments->replay;
  CLI::App* command = app.add_subcommand("replay", "Put the events of files on the configured log, at a chosen pace");
  command->footer(
      "Reads NDJSON (one event message a line), long CSV and wide CSV, as the configuration's `input` or "
      "--mapping says;\n"
      "*.ndjson and *.jsonl are always NDJSON. A folder holds one file a patient. With --order time (the "
      "default) all events\n"
      "are merged by clinical time in memory (600,000 take about 200 MB; at most 4 GB); --order patient "
      "needs none.\n"
      "The embedded log takes one process at a time: replay before `lacuna run`, not beside it.\n"
      "Files may be compressed (gzip, xz, zstd, bzip2) and in UTF-16. CSV rows of a patient that do not stand together are sorted in the "
      "folder\n"
      "for temporary files (TMPDIR).\n"
      "Ends with a report of everything read, sent and left out; with 1 where nothing could be read.\n\n"
      "Examples:\n"
      "  lacuna replay --config configs/physionet2012.yaml set-a\n"
      "  lacuna replay -c ward.yaml --speed-up 60 --shift-to-now e.ndjson\n"
      "  lacuna replay -c ward.yaml --dry-run --strict e.ndjson    # would all be read?");
  arguments->config.add_to(*command)->required();
  command->add_option("path", replay.paths, "Files, or folders of one file a patient")->required()->check(CLI::ExistingPath);
  command->add_option("--mapping", arguments->mapping, "Column mapping (YAML), instead of the configuration's `input`")
      ->check(CLI::ExistingFile);
  command->add_option("--topic", replay.topic, "Topic (default: the first of topics.events)");
  command->add_option("--rate", arguments->rate, "Events a second, such as 5000/s (default: as fast as the log takes them)");
  command->add_option("--speed-up", replay.speed_up, "Pace by clinical time, this many times as fast: 60 is an hour a minute")
      ->check(CLI::PositiveNumber);
  command->add_option("--start", arguments->start, "Clinical time of the first stay's start, for relative times (RFC 3339)");
  command->add_option("--stagger", arguments->stagger, "Each further stay starts this much later, such as 10m");
  command->add_flag("--shift-to-now", replay.shift_to_now,
                    "Move all clinical times together, so that the newest event is of now (reads the files twice)");
  command->add_option("--limit-patients", replay.patients_max, "Stop after this many patients")->check(CLI::PositiveNumber);
  command->add_option("--order", arguments->order, "time: merged by clinical time; patient: file after file")
      ->check(CLI::IsMember({"time", "patient"}))
      ->capture_default_str();
  command->add_flag("--raw", replay.raw, "NDJSON lines as they are, unread, wrong ones too, in file order");
  command->add_flag("--dry-run", replay.dry_run, "Read and count only");
  command->add_flag(
      "--strict", arguments->strict,
      "Exit 1 when anything was left out: unreadable, out of range, without mapping, named twice, in another unit; or is too far in the "
      "future for whoever reads the topic");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace lacuna::daemon
