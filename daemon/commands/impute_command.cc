#include "daemon/commands/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/course_plots.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/plot_files.h"
#include "daemon/commands/session.h"
#include "daemon/commands/shell_words.h"
#include "daemon/pipeline/stream_state.h"
#include "daemon/registry/newest_checkpoint.h"
#include "daemon/table_imputation/baselines.h"
#include "daemon/table_imputation/patient_table.h"
#include "daemon/table_imputation/table_imputer.h"
#include "daemon/table_imputation/table_learning.h"
#include "daemon/table_imputation/table_output.h"
#include "daemon/tables/progress_bar.h"
#include "daemon/tables/text_table.h"
#include "state/store.h"
#include "streaming/files/file_list.h"

namespace lacuna::daemon {

namespace {

struct ImputeOptions {
  ConfigOptions config;
  std::vector<std::string> paths;
  std::string output, model, plot;
  std::vector<std::string> plotted;  ///< patients' ids
  int epochs = 0;
  std::size_t draws = 0;
  bool causal = false, both_sides = false, long_form = false;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "lacuna impute: %s\n", why.c_str());
  return kExitConfiguration;
}

int fail(const Status& status) {
  std::fprintf(stderr, "lacuna impute: %s\n", status.message().c_str());
  if (status.code() == Code::not_found) return kExitNothingLearned;
  return status.code() == Code::invalid ? kExitConfiguration : kExitFailed;
}

/// What says of the table's cells.
struct Model {
  std::shared_ptr<const model::ModelVersion> version;
  model::Calibrator calibrator;
};

/// The form that the output has; wide where the input is.
TableForm form_of(const ImputeOptions& options, const streaming::FileMapping& mapping) {
  const std::string extension = std::filesystem::path(options.output).extension();
  if (extension == ".ndjson" || extension == ".jsonl") return TableForm::ndjson;
  const bool wide = std::ranges::all_of(
      options.paths, [&](const std::string& path) { return mapping_of(mapping, path).format == streaming::FileFormat::wide_csv; });
  return wide && !options.long_form ? TableForm::wide : TableForm::long_csv;
}

/// A file that is read is not written over, and one that is read twice is no pipe.
std::optional<std::string> problem_of(const ImputeOptions& options) {
  for (const std::string& path : options.paths) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored) && !std::filesystem::is_directory(path, ignored))
      return path + " can be read once only: save it to a file";
    const auto files = streaming::list_files(path);
    if (!files.ok()) return files.status().message();
    for (const streaming::InputFile& file : *files) {
      if (!options.output.empty() && std::filesystem::equivalent(file.path, options.output, ignored))
        return options.output + " is one of the files that are read";
    }
  }
  std::error_code ignored;
  for (const std::string& path : options.paths) {
    if (!options.plot.empty() && std::filesystem::equivalent(path, options.plot, ignored))
      return "--plot " + options.plot + " is the folder that is read";
  }
  if (!options.model.empty() && options.epochs > 0) return "--epochs is for learning, which --model does not";
  if (!options.model.empty() && options.both_sides)
    return "--both-sides needs a model that learned with what came later; one of --model looks back only: leave one of them out";
  return std::nullopt;
}

/// The folder that holds a `checkpoints` folder: data_dir, its `state`, or the checkpoints themselves.
std::string store_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (std::filesystem::is_directory(path + "/state/checkpoints")) return path + "/state";
  if (std::filesystem::path(path).filename() == "checkpoints") return std::filesystem::path(path).parent_path().string();
  return path;
}

Result<Model> open_model(Config config, const std::string& path) {
  config.data_dir = path;
  config.store.path = store_of(path);
  const auto version = open_newest_checkpoint(config);
  if (!version.ok()) return version.status();
  if ((*version)->steps() == 0) return Status(Code::not_found, "the model has learned from nothing yet");
  Model out{*version, model::Calibrator(*config.schema, config.predict.level)};
  if (!std::filesystem::exists(config.store.path + "/CURRENT")) {
    std::fprintf(stderr, "lacuna impute: no calibration beside the checkpoints: intervals are the model's own\n");
    return out;
  }
  const auto store = state::Store::open(*config.schema, config.store);
  if (!store.ok()) return store.status();
  StreamState state(config);
  LACUNA_RETURN_IF_ERROR(state.load(config, **store));
  out.calibrator = std::move(state.calibrator);
  return out;
}

void tell_read(const PatientTable& table) {
  const streaming::FileReport& r = table.report;
  std::size_t moments = 0;
  for (const TablePatient& patient : table.patients) moments += patient.moments.size();
  fmt::print(stderr, "{} patients, {} moments, {} values\n", table.patients.size(), moments, r.values);
  const std::uint64_t lost = total(r.out_of_range) + total(r.units) + total(r.unreadable) + total(r.unmapped) + total(r.repeated);
  if (lost > 0) fmt::print(stderr, "{} cells or rows cannot be taken: `{} replay --strict --dry-run` says which\n", lost, program());
}

void tell_learned(const LearnedTable& learned) {
  const FeatureScore mean = average(learned.scores);
  fmt::print(stderr, "learned from {} moments in {} passes, {} steps; the {} is used\n", learned.examples, learned.passes, learned.steps,
             learned.best_pass == learned.passes ? "last" : fmt::format("{}. pass", learned.best_pass));
  if (learned.scores.empty()) return;
  fmt::print(stderr,
             "{} cells were not learned from; they say: error {:.3f} ({:.1f} % below the mean's {:.3f}; last value {:.3f}), {:.1f} % "
             "inside their intervals\n",
             count(learned.held_out), mean.error, 100 * (1 - mean.error / mean.error_mean), mean.error_mean, mean.error_last,
             100 * mean.covered);
}

/// By feature: how many gaps, and how far to trust what is in them.
void tell_features(const Schema& schema, const OutputCounts& counts, const std::vector<FeatureScore>& scores) {
  std::vector<std::vector<std::string>> rows{{"feature", "gaps", "imputed", "checked", "error", "mean's", "last's", "inside"}};
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (counts.gaps[f] == 0) continue;
    std::vector<std::string> row{schema.qualified_name(f), std::to_string(counts.gaps[f]), std::to_string(counts.imputed[f])};
    const auto of = std::ranges::find(scores, f, &FeatureScore::feature);
    if (of == scores.end()) {
      row.insert(row.end(), 5, "-");
    } else {
      row.insert(row.end(), {std::to_string(of->count), fmt::format("{:.3f}", of->error), fmt::format("{:.3f}", of->error_mean),
                             fmt::format("{:.3f}", of->error_last), fmt::format("{:.1f} %", 100 * of->covered)});
    }
    rows.push_back(std::move(row));
  }
  std::fputs(text_table(std::move(rows), "lrrrrrrr").c_str(), stderr);
}

void tell_written(const ImputeOptions& options, const Schema& schema, const OutputCounts& counts) {
  std::uint64_t gaps = 0, imputed = 0;
  std::string warming_up;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    gaps += counts.gaps[f];
    imputed += counts.imputed[f];
    if (counts.imputed[f] < counts.gaps[f]) warming_up += (warming_up.empty() ? "" : ", ") + schema.qualified_name(f);
  }
  fmt::print(stderr, "{} rows, {} gaps, {} imputed{}{}\n", counts.rows, gaps, imputed,
             options.draws > 0 ? fmt::format(" in {} copies", options.draws) : "", options.output.empty() ? "" : ": " + options.output);
  if (!warming_up.empty()) fmt::print(stderr, "left empty, since too little was learned of them: {}\n", warming_up);
  if (counts.unplaced > 0) fmt::print(stderr, "{} rows have no patient or time that can be read: they are as they were\n", counts.unplaced);
  if (counts.broken > 0) fmt::print(stderr, "{} rows do not fit the header: they are left out\n", counts.broken);
}

Status write(const ImputeOptions& options, const TableOutput& what, OutputCounts& counts) {
  ProgressBar bar("imputing", what.form == TableForm::wide ? "rows" : "moments");
  const auto progress = [&bar](std::uint64_t done, std::uint64_t all) { bar.update(done, all); };
  CheckedOutput file(options.output.empty() ? "-" : options.output);
  Status done = write_table(what, file, progress, counts);
  if (!done.ok() && file) return done;  // a table that is not whole gets no name
  if (const Status finished = file.finish(); !finished.ok()) done = finished;
  return done;
}

/// How good the imputations of cells are that were held out.
Status draw_quality(const std::string& folder, const Config& config, const PatientTable& table, const LearnedTable& learned) {
  const Schema& schema = *config.schema;
  const bool chain = !learned.answers.empty() && is_quick_to_chain(schema, table);
  const std::vector<double> chained = chain ? chained_equations(schema, table, learned.held_out, learned.scales) : std::vector<double>();
  auto compared = compare(schema, table, learned.scales, learned.answers, chained, learned.calibrator);
  for (ComparedFeature& c : compared) {  // inside intervals that were not fitted on these cells
    const auto of = std::ranges::find(learned.scores, c.feature, &FeatureScore::feature);
    if (of != learned.scores.end()) c.covered = of->covered;
  }
  const std::string what = fmt::format("{} values that were measured, hidden, and not learned from.", learned.answers.size());
  LACUNA_RETURN_IF_ERROR(write_errors(folder, "", what, config.predict.level, error_sections(schema, compared, chain)));
  return write_calibration(folder, "", what, calibration_curve(schema, learned.answers));
}

/// Whatever --plot asks for. `learned` is null with --model.
Status draw(const ImputeOptions& options, const CoursesWanted& what, const std::vector<std::size_t>& patients,
            const LearnedTable* learned) {
  if (options.plot.empty()) return {};
  const auto drawn = write_courses(what, patients, options.plot);
  if (!drawn.ok()) return drawn.status();
  if (learned != nullptr) {
    LACUNA_RETURN_IF_ERROR(draw_quality(options.plot, what.config, what.table, *learned));
  } else {
    for (const char* name : {"errors.svg", "calibration.svg"}) remove_picture(options.plot, name);
  }
  std::vector<std::string> numbers;
  for (const std::size_t p : *drawn) numbers.push_back(std::to_string(p + 1));
  fmt::print(stderr, "pictures in {}: {}{}\n", options.plot,
             drawn->empty() ? "no patient has both values and imputations"
                            : fmt::format("patient-{}.svg of patient {} of the table", drawn->size() == 1 ? numbers[0] : "N",
                                          fmt::join(numbers, ", ")),
             learned == nullptr ? "; no errors and no calibration, since --model holds no value back" : ", errors.svg, calibration.svg");
  return {};
}

int impute(const ImputeOptions& options) {
  const std::optional<Config> config = options.config.load();
  if (!config || !set_up_logging(*config)) return kExitConfiguration;
  if (const auto problem = problem_of(options)) return refuse(*problem);
  streaming::FileMapping mapping = config->mapping.value_or(streaming::FileMapping());
  mapping.earliest = std::chrono::floor<Millis>(std::chrono::system_clock::now()) - config->limits.past_max;
  warn_of_slow_products(config->model);
  if (options.plot.empty() && !options.plotted.empty()) return refuse("--plot-patient needs --plot: the folder of the pictures");
  if (!options.plot.empty()) {
    if (const Status made = make_plot_folder(options.plot); !made.ok()) return fail(made);
  }

  ProgressBar reading("reading", "bytes");
  const auto table =
      read_table(*config->schema, mapping, options.paths, [&](std::uint64_t done, std::uint64_t all) { reading.update(done, all); });
  reading.finish();
  if (!table.ok()) return fail(table.status());
  tell_read(*table);
  const auto plotted = find_patients(*table, options.plotted);
  if (!plotted.ok()) return fail(plotted.status());

  std::optional<Model> model;
  std::optional<LearnedTable> learned;
  if (options.model.empty()) {
    ProgressBar learning("learning", "examples");
    auto out = learn_table(*config, *table, {options.epochs, options.both_sides},
                           [&](std::uint64_t done, std::uint64_t all) { learning.update(done, all); });
    learning.finish();
    if (!out.ok()) return fail(out.status());
    learned.emplace(std::move(*out));
    tell_learned(*learned);
    model.emplace(Model{learned->version, learned->calibrator});
  } else {
    auto opened = open_model(*config, options.model);
    if (!opened.ok()) return fail(opened.status());
    model.emplace(std::move(*opened));
  }
  const TableForm form = form_of(options, mapping);
  const TableImputer imputer(*config, *table, *model->version, model->calibrator,
                             {options.draws, options.both_sides, form == TableForm::wide});
  OutputCounts counts;
  const Status done = write(
      options, {*config->schema, mapping, options.paths, *table, imputer, form, options.draws, config->predict.level, model->version->id()},
      counts);
  if (!done.ok()) return fail(done);
  tell_features(*config->schema, counts, learned ? learned->scores : std::vector<FeatureScore>());
  tell_written(options, *config->schema, counts);
  const Status drawn = draw(options, {*config, mapping, *table, imputer, form}, *plotted, learned ? &*learned : nullptr);
  return drawn.ok() ? kExitOk : fail(drawn);
}

}  // namespace

void add_impute(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ImputeOptions>();
  CLI::App* command = app.add_subcommand("impute", "Learn from a table and impute it, in one go and without a log");
  command->footer(
      "Reads the files as the configuration's `input` says (lacuna init writes one), learns from them, and writes them again with what is\n"
      "imputed beside what is there. A tenth of the cells is not learned from: they say when to stop, calibrate the intervals, and show "
      "on\n"
      "standard error how far to trust each column. Each row is imputed from what was known of its patient by then, its own cells among\n"
      "it; with --both-sides from what came later, too. Nothing is kept, and data_dir is not touched.\n\n"
      "A table of a column a feature keeps its rows, columns and cells. Beside each feature's column x stand, of a cell that is empty,\n"
      "x_median, x_mean, x_low and x_high: low to high holds predict.level of such cells (90 %). Ordered classes have no mean; other\n"
      "classes have x_likeliest and x_probability.\n\n"
      "x_reason is observed, never_measured, stale, measured_before (by then, in this patient), or warming_up: too little was learned of "
      "x\n"
      "to say anything. The last column, based_on, names the modalities of which something was known. Other files, and --long, give a "
      "cell\n"
      "a row; -o x.ndjson a moment a line. There, what is not stale is taken as known.\n\n"
      "--draws N writes N completed copies instead, for multiple imputation: the gaps of a row are drawn together. Docs: docs/impute.md.\n"
      "What it writes is patient data. Ends with 4 when nothing was learned.\n\n"
      "Examples:\n"
      "  lacuna init visits.csv -o lacuna.yaml\n"
      "  lacuna impute visits.csv --config lacuna.yaml -o imputed.csv\n"
      "  lacuna impute visits.csv --config lacuna.yaml -o imputed.csv --plot pictures\n"
      "  lacuna impute visits.csv --config lacuna.yaml --draws 20 -o copies.csv\n"
      "  lacuna impute new.csv -c lacuna.yaml --model lacuna-data -o new.ndjson");
  options->config.add_to(*command)->required();
  command->add_option("table", options->paths, "Files, or folders of files")->required()->check(CLI::ExistingPath);
  command->add_option("-o,--output", options->output, "File to write: CSV, or NDJSON as *.ndjson (default: CSV on standard output)");
  command->add_option("--epochs", options->epochs, "Passes over the table at most (default: as many as make 4,000 steps, 60 at most)")
      ->check(CLI::Range(1, 100'000));
  command->add_option("--draws", options->draws, "Completed copies in place of medians and intervals")->check(CLI::Range(1, 1000));
  CLI::Option* causal = command->add_flag("--causal", options->causal, "Each row from what was known by then (the default)");
  command->add_flag("--both-sides", options->both_sides, "Each row from the patient's whole record")->excludes(causal);
  command->add_flag("--long", options->long_form, "A cell a row, whatever the table is like");
  command->add_option("--model", options->model, "Use what a daemon has learned: its data_dir, or a folder of checkpoints")
      ->check(CLI::ExistingDirectory);
  command->add_option(
      "--plot", options->plot,
      "Write pictures (SVG) to this folder: courses of 12 patients, errors, calibration; those of an earlier run are removed");
  command->add_option("--plot-patient", options->plotted,
                      "Draw this patient's course in place of the first 12; may be given several times");
  command->callback([options, &exit_code] { exit_code = impute(*options); });
}

}  // namespace lacuna::daemon
