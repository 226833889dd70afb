#include "daemon/commands/commands.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/session.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_faults.h"
#include "daemon/simulator/ward_schema.h"
#include "daemon/tables/progress_bar.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  ConfigOptions config;
  std::string output = "-", topic, truth;
  std::vector<std::string> outages, shifts;
  std::string duration = "96h", start = "2026-01-01T00:00:00Z";
  WardOptions ward;
};

int refuse(const std::string& message) {
  std::fprintf(stderr, "lacuna simulate: %s\n", message.c_str());
  return kExitConfiguration;
}

/// Where the events go: a stream of lines or a log.
class Destination {
 public:
  virtual ~Destination() = default;
  virtual Status write(const Event& event, std::string message) = 0;
  virtual Status finish() = 0;
};

class Lines : public Destination {
 public:
  /// "-": standard output.
  explicit Lines(const std::string& path) : out_(path) {}
  Status write(const Event&, std::string message) override {
    out_ << message << '\n';
    return state();
  }
  Status finish() override { return out_.finish(); }
  Status state() { return out_ ? Status() : out_.finish(); }

 private:
  CheckedOutput out_;
};

class Log : public Destination {
 public:
  static Result<std::unique_ptr<Destination>> open(const Config& config, const std::string& topic) {
    auto factory = open_event_log(config, false);
    if (!factory.ok()) return factory.status();
    if (config.log.create_topics) {
      const Status made = (*factory)->ensure_topics(
          {{topic, config.log.partitions, {{"cleanup.policy", "delete"}, {"replication.factor", std::to_string(config.log.replication)}}}});
      if (!made.ok()) return made;
    }
    auto appender = (*factory)->appender();
    if (!appender.ok()) return appender.status();
    return std::unique_ptr<Destination>(new Log(std::move(*factory), std::move(*appender), topic));
  }
  Status write(const Event& event, std::string message) override {
    return appender_->append({topic_, std::nullopt, event.patient_id, std::move(message), {}});
  }
  Status finish() override { return appender_->flush(); }

 private:
  Log(std::unique_ptr<streaming::LogFactory> factory, std::unique_ptr<streaming::Appender> appender, std::string topic)
      : factory_(std::move(factory)), appender_(std::move(appender)), topic_(std::move(topic)) {}
  std::unique_ptr<streaming::LogFactory> factory_;  // outlives what it made
  std::unique_ptr<streaming::Appender> appender_;
  std::string topic_;
};

/// {"patient_id":...,"time":...,"values":{modality:{feature:value}}}: every feature, measured or not.
std::string encode_truth(const Schema& schema, const WardTruth& truth) {
  nlohmann::ordered_json values;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const Feature& feature = schema.features()[f];
    auto& value = values[schema.modality_of(f).name][feature.name];
    if (has_categories(feature.likelihood)) {
      value = feature.categories[static_cast<std::size_t>(truth.truth[f])];
    } else {
      value = truth.truth[f];
    }
  }
  return nlohmann::ordered_json{{"patient_id", truth.patient_id}, {"time", format_rfc3339(truth.time)}, {"values", std::move(values)}}
      .dump();
}

/// Everything that can be wrong with the arguments, before anything is written.
std::optional<std::string> read_arguments(Arguments& arguments) {
  const std::optional<Millis> duration = parse_duration(arguments.duration);
  if (!duration || *duration <= Millis(0)) return "--duration: expected a duration such as 96h";
  arguments.ward.duration = *duration;
  const std::optional<Time> start = parse_rfc3339(arguments.start);
  if (!start) return "--start: expected a time with its zone, such as 2026-01-01T00:00:00Z";
  arguments.ward.start = *start;
  for (const std::string& text : arguments.outages) {
    auto outage = parse_outage(text);
    if (!outage.ok()) return "--outage " + outage.status().message();
    arguments.ward.outages.push_back(std::move(*outage));
  }
  for (const std::string& text : arguments.shifts) {
    auto shift = parse_shift(text);
    if (!shift.ok()) return "--shift " + shift.status().message();
    arguments.ward.shifts.push_back(std::move(*shift));
  }
  return std::nullopt;
}

/// The log of the configuration, or lines; nothing, with `code` set, when that cannot be.
std::unique_ptr<Destination> open_destination(const Arguments& arguments, const Schema& schema, int& code) {
  code = kExitConfiguration;
  if (arguments.config.path.empty()) {
    auto lines = std::make_unique<Lines>(arguments.output);
    const Status state = lines->state();
    if (state.ok()) return lines;
    code = explain(state);
    return nullptr;
  }
  const std::optional<Config> config = arguments.config.load();
  if (!config) return nullptr;
  if (config->schema->fingerprint() != schema.fingerprint()) {
    refuse(arguments.config.path + " declares another schema than the simulated ward's: see configs/simulated-ward.yaml");
    return nullptr;
  }
  const std::string topic = arguments.topic.empty() ? config->topics.events.front() : arguments.topic;
  if (topic.starts_with('^')) {
    refuse("topics.events begins with a pattern: name the topic with --topic");
    return nullptr;
  }
  if (!config->topics.holds_json(topic)) {
    refuse("topic " + topic + " holds no JSON: name one that does with --topic");
    return nullptr;
  }
  auto log = Log::open(*config, topic);
  if (log.ok()) return std::move(*log);
  code = explain(log.status());
  return nullptr;
}

int simulate(Arguments& arguments) {
  if (const std::optional<std::string> wrong = read_arguments(arguments)) return refuse(*wrong);
  const Schema schema = ward_schema();
  Signals signals;
  int code = kExitOk;
  const std::unique_ptr<Destination> destination = open_destination(arguments, schema, code);
  if (!destination) return code;
  std::unique_ptr<Lines> truths;
  if (!arguments.truth.empty()) {
    truths = std::make_unique<Lines>(arguments.truth);
    if (const Status state = truths->state(); !state.ok()) return explain(state);
  }

  const WardOptions& ward = arguments.ward;
  std::uint64_t events = 0, values = 0, admissions = 0;
  Status outcome;
  {
    ProgressBar bar("simulating", "minutes");
    const auto minutes = [](Millis m) { return static_cast<std::uint64_t>(m / std::chrono::minutes(1)); };
    simulate_ward(ward, [&](const Event& event, const WardTruth& truth) {
      outcome = destination->write(event, streaming::encode_event(schema, event));
      if (outcome.ok() && truths) outcome = truths->write(event, encode_truth(schema, truth));
      events += 1;
      values += event.values.size();
      admissions += event.modality == kNoModality ? 1 : 0;
      if (events % 1024 == 0) bar.update(minutes(event.time - ward.start), minutes(ward.duration));
      return outcome.ok() && !signals.stopped();
    });
  }
  if (outcome.ok()) outcome = destination->finish();
  if (outcome.ok() && truths) outcome = truths->finish();
  if (!outcome.ok()) return explain(outcome);
  // Standard output may be the events themselves.
  fmt::print(stderr, "{} events with {} values of {} patients over {}{}\n", events, values, admissions, format_duration(ward.duration),
             signals.stopped() ? "; stopped before the end" : "");
  return signals.stopped() ? kExitFailed : kExitOk;
}

}  // namespace

void add_simulate(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  WardOptions& ward = arguments->ward;
  CLI::App* command = app.add_subcommand("simulate", "Make the events of a ward with known truth");
  command->footer(
      "Writes event messages, one a line, or appends them to the log of a configuration with the ward's schema\n"
      "(configs/simulated-ward.yaml). The same seed gives the same patients, whatever fails on the way: an outage takes events\n"
      "away and a shift changes reported values, and nothing else differs. Times of faults count from the start.\n\n"
      "Examples:\n"
      "  lacuna simulate --beds 40 --duration 48h > events.ndjson\n"
      "  lacuna simulate -c configs/simulated-ward.yaml --outage blood_gas:36h:48h\n"
      "  lacuna simulate --shift vitals.temp:+1.2:60h:96h -o e.ndjson --truth t.ndjson");
  auto* output = command->add_option("-o,--output", arguments->output, "File for the events; - is standard output")->capture_default_str();
  auto* config = arguments->config.add_to(*command, "Append to this configuration's log instead")->excludes(output);
  command->get_option("--set")->needs(config);
  add_old_name(*command, "-f", "-o", [arguments](const std::string& path) { arguments->output = path; });
  command->add_option("--topic", arguments->topic, "Topic (default: the first of topics.events)")->needs(config);
  command->add_option("--truth", arguments->truth, "File for the true value of every feature at each event, NDJSON");
  command->add_option("--beds", ward.beds, "Patients present at a time")->capture_default_str()->check(CLI::Range(1, 99'999));
  command->add_option("--duration", arguments->duration, "Simulated time")->capture_default_str();
  command->add_option("--start", arguments->start, "Clinical time of the beginning (RFC 3339)")->capture_default_str();
  command->add_option("--seed", ward.seed, "Another ward, other luck")->capture_default_str();
  command->add_option("--outage", arguments->outages, "modality:from:until: none of its events in this time (repeatable)");
  command->add_option("--shift", arguments->shifts,
                      "modality.feature:amount:from:until: the instrument reads this much too high (repeatable)");
  command->callback([arguments, &exit_code] { exit_code = simulate(*arguments); });
}

}  // namespace lacuna::daemon
