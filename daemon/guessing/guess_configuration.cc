#include "daemon/guessing/guess_configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "daemon/config/config.h"
#include "daemon/guessing/configuration_text.h"
#include "daemon/guessing/event_survey.h"
#include "daemon/guessing/plan.h"
#include "daemon/guessing/roles.h"
#include "daemon/guessing/table_sample.h"
#include "streaming/files/input_files.h"

namespace lacuna::daemon {

namespace {

/// "support2.csv", "set-a", "a.csv and 3 more".
std::string name_of(const std::vector<std::string>& paths) {
  std::filesystem::path first(paths.front());
  if (!first.has_filename()) first = first.parent_path();
  const std::string name = first.filename().string();
  return paths.size() == 1 ? name : fmt::format("{} and {} more", name, paths.size() - 1);
}

/// Of the first path, in letters that a folder can have without quotes.
std::string data_dir_of(const std::vector<std::string>& paths) {
  std::filesystem::path first(streaming::without_packing(paths.front()));
  if (!first.has_filename()) first = first.parent_path();
  std::string stem = std::filesystem::is_directory(first) ? first.filename().string() : first.stem().string();
  std::ranges::replace_if(
      stem, [](unsigned char c) { return c >= 0x80 || (!std::isalnum(c) && c != '-' && c != '_'); }, '-');
  return "lacuna-data/" + (stem.empty() ? "table" : stem);
}

std::string losses_of(const streaming::Losses& losses) {
  std::string out;
  for (const auto& [name, loss] : losses) {
    if (out.size() < 120) out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", name.empty() ? "rows" : name, loss.count);
  }
  return out;
}

/// Reads everything as `lacuna replay --strict --dry-run` does.
Status read_again(const Config& config, const std::vector<std::string>& paths, Time now, const Progress& progress,
                  GuessedConfiguration& out) {
  streaming::FileMapping mapping = config.mapping.value_or(streaming::FileMapping());
  mapping.earliest = now - config.limits.past_max;
  streaming::FileReport report;
  for (const std::string& path : paths) {
    streaming::FileReport part;
    LACUNA_RETURN_IF_ERROR(streaming::read_events(
        *config.schema, mapping, path, 0, [](const std::vector<Event>&) { return Status(); }, progress, part));
    report.add(part);
  }
  out.values = report.values;
  out.lossless = report.lossless();
  const std::pair<const char*, const streaming::Losses*> kinds[] = {{"not in the range or among the classes", &report.out_of_range},
                                                                    {"in a unit that does not convert", &report.units},
                                                                    {"not readable", &report.unreadable},
                                                                    {"without a place", &report.unmapped},
                                                                    {"named twice", &report.repeated}};
  for (const auto& [what, losses] : kinds) {
    if (!losses->empty()) out.doubts.insert(out.doubts.begin(), fmt::format("lost, since {}: {}", what, losses_of(*losses)));
  }
  return {};
}

}  // namespace

Result<GuessedConfiguration> guess_configuration(const std::vector<std::string>& paths, Time now, const Progress& progress) {
  const auto table = sample_table(paths);
  if (!table.ok()) return table.status();
  Roles roles;
  if (!table->ndjson) {
    auto guessed = guess_roles(*table);
    if (!guessed.ok()) return guessed.status();
    roles = std::move(*guessed);
  }
  auto survey = table->ndjson ? survey_events(*table, progress) : survey_csv(*table, roles, progress);
  if (!survey.ok()) return survey.status();
  const auto plan = make_plan(std::move(roles), std::move(*survey), table->ndjson, now);
  if (!plan.ok()) return {plan.status().code(), table->files.front().path + ": " + plan.status().message()};

  GuessedConfiguration out;
  out.yaml = configuration_text(*plan, name_of(paths), data_dir_of(paths));
  out.doubts = plan->doubts;
  out.rows = plan->rows;
  out.patients = plan->patients;
  out.epochs = plan->epochs;
  out.shift_to_now = plan->shift_to_now;
  const ConfigOutcome config = parse_config(out.yaml, "the guessed configuration");
  if (!config.config) return {Code::internal, format_problem(config.problems.front())};
  out.features = config.config->schema->feature_count();
  out.modalities = config.config->schema->modality_count();
  out.attributes = config.config->schema->attributes().size();
  LACUNA_RETURN_IF_ERROR(read_again(*config.config, paths, now, progress, out));
  return out;
}

}  // namespace lacuna::daemon
