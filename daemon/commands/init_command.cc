#include "daemon/commands/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/session.h"
#include "daemon/commands/shell_words.h"
#include "daemon/guessing/guess_configuration.h"
#include "daemon/tables/progress_bar.h"
#include "daemon/tables/screen.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kDoubtsShown = 16;  // one screen

struct InitOptions {
  std::vector<std::string> paths;
  std::string out;
  bool force = false;
};

/// What comes next, to be typed as it stands.
std::string next_steps(const InitOptions& options, const GuessedConfiguration& guessed) {
  const auto command = [](std::vector<std::string> words, const std::vector<std::string>& more, const std::vector<std::string>& last = {}) {
    words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), last.begin(), last.end());
    return typed_command(words, screen_columns());
  };
  if (options.out.empty()) return "To write it to a file:\n" + command({"init"}, options.paths, {"-o", "lacuna.yaml"});
  const std::vector<std::string> config{"--config", options.out};
  std::vector<std::string> replay{"replay", "--config", options.out}, run{"--until-idle"};
  if (guessed.shift_to_now) replay.push_back("--shift-to-now");
  if (guessed.epochs > 1) run.insert(run.end(), {"--epochs", std::to_string(guessed.epochs)});
  return "Look it over, then:\n" + command({"check"}, config) +
         command({"impute"}, options.paths, {"--config", options.out, "-o", "imputed.csv"}) + "or, to follow it as a stream:\n" +
         command(replay, options.paths) + command({"run"}, config, run);
}

void tell(const InitOptions& options, const GuessedConfiguration& guessed) {
  std::string text = fmt::format("{} rows of {} patient{}: {} values, {} features in {} modalit{}, {} attribute{}\n", guessed.rows,
                                 guessed.patients, guessed.patients == 1 ? "" : "s", guessed.values, guessed.features, guessed.modalities,
                                 guessed.modalities == 1 ? "y" : "ies", guessed.attributes, guessed.attributes == 1 ? "" : "s");
  if (!guessed.doubts.empty()) text += "Not sure of:\n";
  for (std::size_t i = 0; i < std::min(guessed.doubts.size(), kDoubtsShown); ++i) text += "  " + guessed.doubts[i] + "\n";
  if (guessed.doubts.size() > kDoubtsShown)
    text += fmt::format("  and {} more: `missing` and comments in the file\n", guessed.doubts.size() - kDoubtsShown);
  text += next_steps(options, guessed);
  std::fputs(text.c_str(), stderr);
}

/// What is read is not written over, nor is a folder that is read written into.
std::optional<std::string> problem_of(const InitOptions& options) {
  namespace fs = std::filesystem;
  if (options.out.empty()) return std::nullopt;
  std::error_code ignored;
  const fs::path folder = fs::weakly_canonical(options.out, ignored).parent_path();
  for (const std::string& path : options.paths) {
    if (fs::equivalent(path, options.out, ignored)) return options.out + " is the table itself";
    if (fs::is_directory(path, ignored) && fs::equivalent(path, folder, ignored)) return options.out + " lies in the folder that is read";
  }
  if (!options.force && fs::exists(options.out, ignored)) return options.out + " is there already; --force overwrites it";
  return std::nullopt;
}

int init(const InitOptions& options) {
  if (const auto problem = problem_of(options)) {
    std::fprintf(stderr, "lacuna init: %s\n", problem->c_str());
    return kExitConfiguration;
  }
  ProgressBar bar("reading", "bytes");
  const auto guessed =
      guess_configuration(options.paths, system_clock()(), [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); });
  bar.finish();
  if (!guessed.ok()) {
    std::fprintf(stderr, "lacuna init: %s\n", guessed.status().message().c_str());
    return guessed.code() == Code::invalid || guessed.code() == Code::not_found ? kExitConfiguration : kExitFailed;
  }
  if (const Status written = write_file(options.out.empty() ? "-" : options.out, guessed->yaml); !written.ok()) {
    std::fprintf(stderr, "lacuna init: %s\n", written.message().c_str());
    return kExitFailed;
  }
  tell(options, *guessed);
  return kExitOk;
}

}  // namespace

void add_init(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command = app.add_subcommand("init", "Guess a configuration from a table, or from files of events");
  command->footer(
      "Reads CSV with a header (a value a row, or a column a feature; also ; and tabs, decimal commas, UTF-16, gzip, xz, zstd) and NDJSON "
      "events.\n"
      "Guesses who, when and what: patient, time, site, types, classes, units, plausible ranges, marks for missing, which columns are "
      "measured\n"
      "together and how long a value stays fresh. Writes a configuration with comments, in which every column is accounted for, and says "
      "on\n"
      "standard error what it was not sure of. The files are read three times, and nothing is sent anywhere.\n"
      "The configuration names columns, classes and marks for missing, which are contents of the table; no other value of a patient.\n"
      "Files of one call have one header, or are events. Exit status 2 where they are no table of patients, with what they are.\n\n"
      "Examples:\n"
      "  lacuna init patients.csv -o lacuna.yaml   # a row a patient, or a visit\n"
      "  lacuna init set-a -o lacuna.yaml          # a folder, a file a patient\n"
      "  lacuna check  --config lacuna.yaml\n"
      "  lacuna replay --config lacuna.yaml patients.csv\n"
      "  lacuna run    --config lacuna.yaml --until-idle --epochs 5");
  command->add_option("data", options->paths, "Files, or folders of files")->required()->check(CLI::ExistingPath);
  command->add_option("-o,--output", options->out, "Write to this file instead of standard output");
  command->add_flag("--force", options->force, "Overwrite it where it is there");
  command->callback([options, &exit_code] { exit_code = init(*options); });
}

}  // namespace lacuna::daemon
