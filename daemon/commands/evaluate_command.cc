#include "daemon/commands/commands.h"

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/evaluate_mask.h"
#include "daemon/commands/evaluate_outcomes.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/plot_files.h"
#include "daemon/commands/session.h"
#include "daemon/config/config.h"
#include "daemon/evaluation/coverage.h"
#include "daemon/evaluation/protocols.h"
#include "daemon/http/subgroups_json.h"
#include "daemon/pipeline/stream_state.h"
#include "daemon/registry/newest_checkpoint.h"
#include "daemon/tables/progress_bar.h"
#include "daemon/tables/subgroup_table.h"
#include "daemon/tables/text_table.h"
#include "state/store.h"
#include "streaming/files/input_files.h"

namespace lacuna::daemon {

namespace {

struct EvaluateOptions {
  ConfigOptions config;
  std::string protocol = "stream";
  std::string data;
  std::string train;
  std::string mapping;
  std::string json;
  std::string outcomes, outcomes_mapping;
  std::string mask;
  std::string plot;
  int epochs = 0;
  std::size_t limit = 0;
  int every = 10;
};

/// All stays of a folder or file, in memory: 4,000 ICU stays with 600,000 events take about 200 MB.
Result<std::vector<Stay>> read_stays(const Config& config, const EvaluateOptions& options, const std::string& path, const char* title) {
  streaming::FileReport report;
  std::vector<Stay> stays;
  ProgressBar bar(title, "bytes");
  streaming::FileMapping mapping = *config.mapping;
  mapping.earliest = std::chrono::floor<Millis>(std::chrono::system_clock::now()) - config.limits.past_max;
  const Status s = streaming::read_patients(
      *config.schema, mapping, path, options.limit,
      [&stays](std::vector<Event> events) {
        stays.push_back(std::move(events));
        return Status();
      },
      [&bar](std::uint64_t done, std::uint64_t all) { bar.update(done, all); }, report);
  bar.finish();
  if (!s.ok()) return s;
  std::fprintf(stderr, "%s: %zu stays, %llu values, %llu out of range, %llu unreadable\n", title, stays.size(),
               static_cast<unsigned long long>(report.values), static_cast<unsigned long long>(total(report.out_of_range)),
               static_cast<unsigned long long>(total(report.unreadable)));
  return stays;
}

void say(const std::string& text) { standard_output() << wrapped(text, screen_columns(), 2); }

void show_subgroups(const nlohmann::ordered_json& groups) {
  const Result<std::string> table = subgroup_table(groups.dump());
  if (table.ok() && !table->empty()) standard_output() << '\n' << *table;
}

/// Cells that were hidden although they had been measured, so that there is feedback for what never is.
void show_hidden(const Schema& schema, const model::ScoreBoard& scores) {
  std::uint64_t count = 0, features = 0;
  double error = 0, coverage = 0, width = 0;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const model::ScoreBoard::Row& r = scores.row(f);
    if (r.hidden_count == 0) continue;
    const double n = static_cast<double>(r.hidden_count);
    count += r.hidden_count;
    features += 1;
    error += r.hidden_error_model / n;
    coverage += r.hidden_coverage();
    width += r.hidden_width / n;
  }
  if (features == 0) return;
  const double n = static_cast<double>(features);
  say(fmt::format(
      "\nHidden as if never measured: {} values of {} features; means over features: error {:.3f}, coverage {:.1f} %, width {:.3f}\n",
      count, features, error / n, 100 * coverage / n, width / n));
}

int nothing_scored(const char* why) {
  std::fprintf(stderr, "lacuna evaluate: nothing was scored: %s\n", why);
  return kExitNothingLearned;
}

int write_figures(const EvaluateOptions& options, const std::string& json) {
  if (options.json.empty()) return kExitOk;
  const Status written = write_file(options.json, json + "\n");
  return written.ok() ? kExitOk : explain(written);
}

/// Limits are none of the values that errors are told of.
void show_limits(const Schema& schema, const model::ScoreBoard& scores) {
  std::uint64_t count = 0;
  std::vector<std::string> features;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (scores.row(f).censored == 0) continue;
    count += scores.row(f).censored;
    features.push_back(fmt::format("{} {}", schema.qualified_name(f), scores.row(f).censored));
  }
  if (count == 0) return;
  say(fmt::format("Not among these: {} told as a limit (\"<5\"), of which coverage alone is told: {}\n", counted(count, "value", "values"),
                  fmt::join(features, ", ")));
}

constexpr const char* kErrorTitle = "Mean error, in standard deviations of the feature";

/// What the daemon keeps of its scores is of one level: there is no curve.
Status draw_stream(const Config& config, const std::string& folder, const model::ScoreBoard& scores) {
  ErrorSection section{kErrorTitle, {}};
  std::uint64_t count = 0;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    const model::ScoreBoard::Row& r = scores.row(f);
    if (r.count == 0) continue;
    const auto n = static_cast<double>(r.count);
    count += r.count;
    section.rows.push_back(
        {config.schema->qualified_name(f), r.count, r.error_model / n, r.error_mean / n, r.error_last / n, std::nullopt, r.coverage()});
  }
  std::fprintf(stderr, "calibration.svg is not drawn: of the stream, what intervals held is kept at one level\n");
  remove_picture(folder, "calibration.svg");
  return write_errors(folder, "", fmt::format("{} values, each predicted just before it was known.", count), config.predict.level,
                      {std::move(section)});
}

Status draw_protocols(const Schema& schema, const std::string& folder, const std::vector<ProtocolResult>& results) {
  for (const ProtocolResult& result : results) {
    ErrorSection section{kErrorTitle, {}};
    std::uint64_t count = 0;
    for (const FeatureResult& r : result.features) {
      section.rows.push_back({schema.qualified_name(r.feature), r.count, r.mae, r.mae_mean, r.mae_last, std::nullopt, r.coverage});
      count += r.count;
    }
    const bool unseen = result.protocol.find(',') != std::string::npos;
    const std::string suffix = "-" + (unseen ? "next-unseen" : result.protocol);
    const std::string what = fmt::format("{} values of {} stays, by the protocol: {}.", count, result.stays, result.protocol);
    LACUNA_RETURN_IF_ERROR(write_errors(folder, suffix, what, result.level, {std::move(section)}));
    LACUNA_RETURN_IF_ERROR(write_calibration(folder, suffix, what, result.curve));
  }
  return {};
}

/// What the daemon scored as the stream went by.
int show_stream(const Config& config, const EvaluateOptions& options, const StreamState& state) {
  bool any = false;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f)
    any |= state.scores.row(f).intervals.count > 0 || state.scores.row(f).count > 0;
  if (!any) return nothing_scored("no value came after its patient's first moment while there was a model to predict it");
  nlohmann::ordered_json json;
  std::vector<CoverageRow> rows;
  std::vector<std::string> constant;
  std::vector<std::vector<std::string>> table{{"feature", "scored", "error", "last", "mean", "rmse", "CRPS", "coverage", "unseen"}};
  const auto line = [&](const std::string& name, std::uint64_t count, double error, double last, double mean, double rmse, double crps,
                        double coverage, std::optional<double> unseen) {
    std::vector<std::string> row{name, std::to_string(count)};
    for (const double figure : {error, last, mean, rmse, crps}) row.push_back(fmt::format("{:.3f}", figure));
    row.push_back(fmt::format("{:.1f}%", 100 * coverage));
    row.push_back(unseen ? fmt::format("{:.3f}", *unseen) : "-");
    table.push_back(std::move(row));
    json[name] = {{"count", count}, {"mae", error}, {"mae_last_value", last}, {"mae_mean", mean},
                  {"rmse", rmse},   {"crps", crps}, {"coverage", coverage}};
    if (unseen) json[name]["mae_never_seen_before"] = *unseen;
  };
  bool any_unseen = false;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    const model::ScoreBoard::Row& r = state.scores.row(f);
    const double n = static_cast<double>(std::max<std::uint64_t>(r.count, 1));
    if (r.constant()) constant.push_back(config.schema->qualified_name(f));
    if (r.intervals.count > 0) rows.push_back({f, r.intervals, r.width / n, r.crps / n});
    if (r.count == 0) continue;
    line(config.schema->qualified_name(f), r.count, r.error_model / n, r.error_last / n, r.error_mean / n, std::sqrt(r.squared_model / n),
         r.crps / n, r.coverage(),
         r.unseen_count > 0 ? std::optional(r.unseen_error_model / static_cast<double>(r.unseen_count)) : std::nullopt);
    any_unseen |= r.unseen_count > 0;
    nlohmann::ordered_json& feature = json[config.schema->qualified_name(f)];
    add_coverage(feature, r.intervals);
    if (r.censored > 0) feature["censored"] = r.censored;
    if (r.hidden_count == 0) continue;
    const double hidden = static_cast<double>(r.hidden_count);
    feature["hidden"] = {{"count", r.hidden_count},
                         {"mae", r.hidden_error_model / hidden},
                         {"coverage", r.hidden_coverage()},
                         {"width", r.hidden_width / hidden}};
  }
  const auto s = state.scores.summary();
  if (s.features > 0) {
    line("all features, equally", s.count, s.error_model, s.error_last, s.error_mean, s.rmse, s.crps, s.coverage,
         any_unseen ? std::optional(s.unseen_error_model) : std::nullopt);
  }
  standard_output() << text_table(std::move(table), "lr");
  if (!constant.empty()) {
    say(fmt::format("Left out of these means, since their values are all the same: {}\n", fmt::join(constant, ", ")));
    json["constant_features"] = constant;
  }
  show_limits(*config.schema, state.scores);
  show_hidden(*config.schema, state.scores);
  say(fmt::format("\n{}", format_coverage(*config.schema, rows, config.predict.level)));
  json["coverage"] = coverage_json(*config.schema, rows, config.predict.level);
  json["subgroups"] = subgroups_json(state.subgroups.figures(), config.subgroup_patients_min, config.predict.level);
  show_subgroups(json["subgroups"]);
  if (!options.plot.empty()) {
    if (const Status drawn = draw_stream(config, options.plot, state.scores); !drawn.ok()) return explain(drawn);
  }
  return write_figures(options, json.dump(2));
}

/// What the daemon would not impute is no part of how good its imputations are.
void leave_out_uninformed(const Config& config, const model::ModelVersion& version, std::vector<ProtocolResult>& results) {
  std::set<std::string> names;
  for (ProtocolResult& result : results) {
    std::erase_if(result.features, [&](const FeatureResult& r) {
      const bool little = version.learned_from(r.feature).observations < config.observations_min;
      if (little) names.insert(config.schema->qualified_name(r.feature));
      return little;
    });
  }
  if (!names.empty()) say(fmt::format("Left out, since the model has learned too little of them: {}\n", fmt::join(names, ", ")));
}

/// Asked first, since to open a store is to make it.
bool no_store(const Config& config) {
  std::error_code error;
  return !std::filesystem::exists(config.store.path, error);
}

int masked(const Config& config, const EvaluateOptions& options) {
  if (!options.data.empty()) return evaluate_mask(config, {options.data}, options.mask, options.epochs, options.plot);
  std::fprintf(stderr, "lacuna evaluate: --mask needs --data: the table\n");
  return kExitConfiguration;
}

/// Empty: what is wrong has been said.
std::optional<streaming::FileMapping> read_mapping(const std::string& path, const Schema& schema) {
  MappingOutcome mapping = load_mapping(path, schema);
  for (const ConfigProblem& p : mapping.problems) std::fprintf(stderr, "%s\n", format_problem(p).c_str());
  return mapping.mapping;
}

bool take_mapping(const EvaluateOptions& options, Config& config) {
  if (options.mapping.empty()) return true;
  config.mapping = read_mapping(options.mapping, *config.schema);
  return config.mapping.has_value();
}

/// What became of the stays, where a file tells it.
int take_outcomes(const Config& config, const EvaluateOptions& options, std::vector<Stay>& stays) {
  if (options.outcomes.empty()) return kExitOk;
  const auto mapping = options.outcomes_mapping.empty() ? config.mapping : read_mapping(options.outcomes_mapping, *config.schema);
  if (!mapping) return kExitConfiguration;
  const Status added = add_outcomes(config, options.outcomes, *mapping, stays);
  return added.ok() ? kExitOk : explain(added);
}

/// The protocols but the stream's own.
int run_protocols(const Config& config, const EvaluateOptions& options, const state::Store& store, StreamState& state) {
  const Schema& schema = *config.schema;
  if (options.data.empty()) {
    std::fprintf(stderr, "lacuna evaluate: --protocol %s needs --data\n", options.protocol.c_str());
    return kExitConfiguration;
  }
  if (!config.mapping) {
    std::fprintf(stderr, "%s has no `input` section and no --mapping was given: how are the files to be read?\n",
                 options.config.path.c_str());
    return kExitConfiguration;
  }
  const auto found = open_newest_checkpoint(config);
  if (!found.ok()) return explain(found.status());
  const auto& version = *found;

  if (version->steps() == 0) return nothing_scored("the model has learned from nothing yet");

  Moments moments;
  if (!options.train.empty()) {
    auto train = read_stays(config, options, options.train, "training data");
    if (!train.ok()) return explain(train.status());
    moments = training_moments(schema, *train);
  }
  auto stays = read_stays(config, options, options.data, "test data");
  if (!stays.ok()) return explain(stays.status());
  if (const int code = take_outcomes(config, options, *stays); code != kExitOk) return code;
  say(fmt::format("model {} ({} steps), {} stays; errors in standard deviations of the {}\n", version->id(), version->steps(),
                  stays->size(), options.train.empty() ? "stream so far" : "training data"));

  std::vector<ProtocolResult> results;
  const auto progress = [&stays](const char* title) {
    auto bar = std::make_shared<ProgressBar>(title, "stays");
    return [bar, all = stays->size()](std::size_t done) { bar->update(done, all); };
  };
  const bool all = options.protocol == "all";
  if (all || options.protocol == "next") {
    model::Calibrator calibrator = std::move(state.calibrator);
    auto next = evaluate_next(schema, *version, calibrator, moments, *stays, options.every, progress("next"), !options.plot.empty(),
                              subgroups_of(config));
    if (!next.ok()) return explain(next.status());
    for (ProtocolResult& r : *next) results.push_back(std::move(r));
    if (Status s = state.load(config, store); !s.ok()) return explain(s);
  }
  if (all || options.protocol == "cross") {
    auto cross =
        evaluate_cross(schema, *version, state.calibrator, moments, *stays, progress("cross"), !options.plot.empty(), subgroups_of(config));
    if (!cross.ok()) return explain(cross.status());
    results.push_back(std::move(*cross));
  }
  leave_out_uninformed(config, *version, results);
  nlohmann::ordered_json json = results_json(schema, results);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const ProtocolResult& r = results[i];
    json[i]["subgroups"] = subgroups_json(r.subgroups, config.subgroup_patients_min, r.level);
    say(fmt::format("\n{}\n{}", format_table(schema, r), format_coverage(schema, coverage_rows(r), r.level)));
    show_subgroups(json[i]["subgroups"]);
  }
  if (!options.plot.empty()) {
    if (const Status drawn = draw_protocols(schema, options.plot, results); !drawn.ok()) return explain(drawn);
  }
  if (const int code = write_figures(options, json.dump(2)); code != kExitOk) return code;
  const bool scored = std::ranges::any_of(results, [](const ProtocolResult& r) { return !r.features.empty(); });
  return scored ? kExitOk : nothing_scored("these stays have no value that the protocol predicts");
}

int evaluate(const EvaluateOptions& options) {
  const std::optional<Config> loaded = options.config.load();
  if (!loaded || !set_up_logging(*loaded)) return kExitConfiguration;
  Config config = *loaded;
  const Schema& schema = *config.schema;
  if (!take_mapping(options, config)) return kExitConfiguration;
  if (!options.plot.empty()) {
    if (const Status made = make_plot_folder(options.plot); !made.ok()) return explain(made);
  }
  if (!options.mask.empty()) return masked(config, options);
  if (no_store(config)) return nothing_scored("data_dir has no store yet: `lacuna run` makes it");
  auto store = state::Store::open(schema, config.store);
  if (!store.ok()) return explain(store.status());
  StreamState state(config);
  if (Status s = state.load(config, **store); !s.ok()) return explain(s);
  if (options.protocol == "stream") return show_stream(config, options, state);
  return run_protocols(config, options, **store, state);
}

}  // namespace

void add_evaluate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand("evaluate", "How good are the predictions: test-then-train scores, and fixed protocols");
  command->footer(
      "  stream  what the daemon scored as the stream went by: each value predicted just before it was known\n"
      "  next    the same for a frozen model on stays it has never seen (--data), by the rules of docs/quality.md\n"
      "  cross   each modality hidden in turn at the end of the stay, predicted from the others\n"
      "  all     next and cross\n\n"
      "--mask FILE --data TABLE learns from the table without the cells that the mask names, as lacuna impute does, and prints the errors "
      "of these cells beside the column's mean, the last value and linear chained equations; nothing else is read or written. The mask is "
      "a "
      "CSV of the table's header and rows, true or 1 where a cell is hidden, or of a cell a row: patient, time and feature.\n\n"
      "What does not exist is shown as -. Ends with 4 when nothing was scored.\n"
      "The daemon must not be running on the same data_dir.\n\nExamples:\n"
      "  lacuna evaluate --config configs/physionet2012.yaml\n"
      "  lacuna evaluate -c physionet2012.yaml -p all --train set-a --data set-b\n"
      "  lacuna evaluate -c lacuna.yaml --data visits.csv --mask mask.csv --plot out");
  options->config.add_to(*command)->required();
  command->add_option("-p,--protocol", options->protocol, "stream | next | cross | all")
      ->capture_default_str()
      ->check(CLI::IsMember({"stream", "next", "cross", "all"}));
  command->add_option("--data", options->data, "Test stays: a file, or a folder of one file a patient")->check(CLI::ExistingPath);
  command->add_option("--train", options->train, "Training stays, for the units of the errors; default: the stream's own")
      ->check(CLI::ExistingPath);
  command->add_option("--mapping", options->mapping, "How to read them (default: the configuration's `input`)")->check(CLI::ExistingFile);
  command
      ->add_option("--outcomes", options->outcomes, "What became of the test stays: attributes declared `outcome`, for groups of patients")
      ->check(CLI::ExistingFile);
  command->add_option("--outcomes-mapping", options->outcomes_mapping, "How to read that file (default: as the stays)")
      ->check(CLI::ExistingFile);
  command->add_option("--every", options->every, "next: score one moment in so many")->capture_default_str()->check(CLI::Range(1, 1000));
  command->add_option("--limit-patients", options->limit, "Only the first so many (0: all)")->capture_default_str();
  command->add_option("--mask", options->mask, "Cells of --data to hide and compare")->check(CLI::ExistingFile);
  command->add_option("--epochs", options->epochs, "With --mask: passes over the table at most (default: as lacuna impute)")
      ->check(CLI::Range(1, 100'000));
  command->add_option(
      "--plot", options->plot,
      "Write pictures (SVG) to this folder: errors by feature, calibration; those of an earlier run are removed or written over");
  command->add_option("--json", options->json, "Write every figure to this file");
  command->callback([options, &exit_code] { exit_code = evaluate(*options); });
}

}  // namespace lacuna::daemon
