#include "daemon/commands/commands.h"

#include <fmt/ostream.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/demo_report.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/session.h"
#include "daemon/commands/shell_words.h"
#include "daemon/commands/simulated_ward_yaml.h"
#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"
#include "daemon/tables/screen.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

struct DemoOptions {
  std::string directory = "lacuna-demo";
  std::size_t beds = 120;
  int hours = 120;
  std::uint64_t seed = 1;
  ConfigOptions config;
};

/// The folder is ours to empty only when an earlier demo made it.
Status prepare(const fs::path& directory) {
  const fs::path marker = directory / "this-is-a-lacuna-demo";
  std::error_code error;
  if (fs::exists(directory, error) && !fs::is_empty(directory, error) && !fs::exists(marker, error)) {
    return {Code::invalid, directory.string() + " exists and was not made by a demo: choose another with --dir"};
  }
  fs::remove_all(directory, error);
  fs::create_directories(directory, error);
  if (error) return {Code::invalid, directory.string() + ": " + error.message()};
  LACUNA_RETURN_IF_ERROR(write_file(marker, "Made by `lacuna demo`, emptied by the next one.\n"));
  // The same file serves `lacuna tail` afterwards: it must name the data by itself.
  return write_file(directory / "config.yaml",
                    fmt::format("{}\n\ndata_dir: {}/data\n", kSimulatedWardYaml, fs::absolute(directory, error).string()));
}

/// The ward with its two faults: the blood gas analyser stops, and a thermometer batch reads too high.
WardOptions faulty_ward(const DemoOptions& options) {
  WardOptions ward;
  ward.beds = options.beds;
  ward.duration = hours(options.hours);
  ward.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  ward.seed = options.seed;
  const auto at = [&options](double share) { return Millis(static_cast<std::int64_t>(share * options.hours * 3.6e6)); };
  ward.outages.push_back({"blood_gas", at(0.60), at(0.70)});
  ward.shifts.push_back({"vitals", "temp", 1.2, at(0.80), at(1.0)});
  return ward;
}

/// The ward's events, into the log that the daemon reads then.
Status simulate_into(streaming::LogFactory& log, const Config& config, const WardOptions& ward, DemoReport& report) {
  const std::string& topic = config.topics.events.front();
  LACUNA_RETURN_IF_ERROR(log.ensure_topics({{topic, config.log.partitions, {}}}));
  auto appender = log.appender();
  if (!appender.ok()) return appender.status();
  Status appended;
  simulate_ward(ward, [&](const Event& event, const WardTruth& truth) {
    report.expect(event, truth);
    appended = (*appender)->append({topic, std::nullopt, event.patient_id, streaming::encode_event(*config.schema, event), {}});
    return appended.ok();
  });
  return appended.ok() ? (*appender)->flush() : appended;
}

int demo(const DemoOptions& options) {
  if (Status s = prepare(options.directory); !s.ok()) return explain(s);
  std::vector<std::string> overrides{"data_dir=" + options.directory + "/data", "logging.level=warn", "http.enabled=false"};
  overrides.insert(overrides.end(), options.config.overrides.begin(), options.config.overrides.end());
  const std::string config_path = options.directory + "/config.yaml";
  const std::optional<Config> config = load_or_explain(config_path, overrides);
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;

  const WardOptions ward = faulty_ward(options);
  CheckedOutput& out = standard_output();
  DemoReport report(*config, ward, {&out, out.terminal(), screen_columns()});
  auto log = open_event_log(*config, false);
  if (!log.ok()) return explain(log.status());
  const std::size_t columns = screen_columns();
  out << wrapped(fmt::format("Simulating {} beds over {} h into {}/data/log ...\n", ward.beds, options.hours, options.directory), columns)
      << std::flush;
  if (const Status s = simulate_into(**log, *config, ward, report); !s.ok()) return explain(s);
  out << report.opening() << std::flush;

  Signals signals;
  std::unique_ptr<Pipeline> pipeline;
  Pipeline::Hooks hooks;
  hooks.after_batch = [&](const Progress& p) {
    report.show(p);
    if (!out) pipeline->stop();  // nobody sees it
  };
  hooks.on_alert = [&report](const Alert& a) { report.note(a); };
  hooks.on_imputations = [&report](const std::vector<Imputation>& i) { report.compare(i); };
  const Time end = ward.start + ward.duration;
  auto made = Pipeline::make(
      *config, **log, [end] { return end; }, hooks);
  if (!made.ok()) return explain(made.status());
  pipeline = std::move(*made);
  signals.on_stop([&pipeline] { pipeline->stop(); });
  const Status outcome = pipeline->run(true);
  if (!outcome.ok()) return explain(outcome);
  if (!out) return explain(out.finish());
  if (signals.stopped()) {
    fmt::print(out, "\nStopped before the end; run it again to see the summary.\n");
    return kExitFailed;
  }
  const bool kept = report.summary(pipeline->progress());
  fmt::print(out, "\nWhat was published lies in {}/data. Read it with\n{}{}", options.directory,
             typed_command({"tail", "--config", config_path, "imputations", "-n", "5"}, columns),
             typed_command({"tail", "--config", config_path, "alerts"}, columns));
  return kept ? kExitOk : kExitPromiseBroken;
}

}  // namespace

void add_demo(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = app.add_subcommand("demo", "Watch the whole job on a simulated ward: no Kafka, no data needed");
  command->footer(
      "Simulates a ward, writes its events to an embedded log and runs the daemon on it as fast as it goes. At 60 % of the\n"
      "time the blood gas analyser stops for a while; at 80 % the thermometers begin to read 1.2 Cel too high. The summary\n"
      "compares imputed with true values and gives the alerts' delays; exit status 3 when it is worse than it promises.\n"
      "A promise is made where the run has what it rests on: enough gradient steps and compared values, a detector that had\n"
      "learned what is normal before the fault began, enough results or patients for it to touch. A small or\n"
      "short ward promises less, and the summary says of each promise that is not made why.");
  command->add_option("-d,--dir", options->directory, "Folder for log, state and configuration; emptied first")->capture_default_str();
  command->add_option("--beds", options->beds, "Patients present at a time")->capture_default_str()->check(CLI::Range(20, 5000));
  command->add_option("--hours", options->hours, "Simulated hours")->capture_default_str()->check(CLI::Range(48, 2000));
  command->add_option("--seed", options->seed, "Another ward, other luck")->capture_default_str();
  options->config.add_overrides(*command);
  command->callback([options, &exit_code] { exit_code = demo(*options); });
}

}  // namespace lacuna::daemon
