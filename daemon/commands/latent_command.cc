#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/session.h"
#include "daemon/generation/latent_states.h"
#include "daemon/registry/newest_checkpoint.h"
#include "state/patient.h"
#include "state/store_inspection.h"
#include "streaming/files/input_files.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  ConfigOptions config;
  std::string data, mapping, output = "-";
};

/// Of patients in files: as each is known at the end.
Status read_stays(const Config& config, const streaming::FileMapping& mapping, const std::string& path, LatentRows& rows) {
  streaming::FileReport report;
  return streaming::read_patients(
      *config.schema, mapping, path, 0,
      [&](const std::vector<Event>& events) -> Status {
        if (events.empty()) return {};
        Snapshot patient = state::new_snapshot(*config.schema, events.front().patient_id);
        for (const Event& event : events) (void)state::apply(*config.schema, patient, event, {}, Millis::max());
        return rows.add(std::move(patient));
      },
      nullptr, report);
}

int run(const Arguments& arguments) {
  const std::optional<Config> config = arguments.config.load();
  if (!config || !set_up_logging(*config)) return kExitConfiguration;
  std::optional<streaming::FileMapping> mapping = config->mapping;
  if (!arguments.mapping.empty()) {
    MappingOutcome read = load_mapping(arguments.mapping, *config->schema);
    for (const ConfigProblem& p : read.problems) std::fprintf(stderr, "%s\n", format_problem(p).c_str());
    if (!read.mapping) return kExitConfiguration;
    mapping = std::move(read.mapping);
  }
  const auto version = open_newest_checkpoint(*config);
  if (!version.ok()) return explain(version.status());
  std::optional<CheckedOutput> file;
  if (arguments.output != "-") file.emplace(arguments.output);
  CheckedOutput& out = file ? *file : standard_output();
  LatentRows rows(**version, out);
  const auto visit = [&](Snapshot patient) { return rows.add(std::move(patient)); };
  Status done = arguments.data.empty() ? state::read_snapshots(*config->schema, config->store.path, visit)
                                       : read_stays(*config, mapping.value_or(streaming::FileMapping()), arguments.data, rows);
  if (done.ok()) done = rows.finish();
  if (done.ok() && rows.rows() == 0) done = {Code::not_found, "there is no patient"};
  if (done.ok()) done = out.finish();
  return done.ok() ? kExitOk : explain(done);
}

}  // namespace

void add_latent(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("latent", "What the model takes each patient for: its latent state, as CSV");
  command->footer(
      "One row a patient of the store in data_dir, as known at the patient's newest time, by the newest model there: the mean of its\n"
      "posterior in each dimension, then the standard deviations. Works beside a running daemon and writes nothing into data_dir. With\n"
      "--data the rows are of the patients in files, each as known at the end.\n\n"
      "The dimensions are those of the version in `model_version`: states of two versions are not to be compared number by number\n"
      "(docs/model.md). The output is patient data.\n\n"
      "Examples:\n"
      "  lacuna latent -c ward.yaml -o states.csv\n"
      "  lacuna latent -c physionet2012.yaml --data set-b -o set-b.csv");
  arguments->config.add_to(*command)->required();
  command->add_option("--data", arguments->data, "Patients from a file, or a folder of one file a patient")->check(CLI::ExistingPath);
  command->add_option("--mapping", arguments->mapping, "How to read them (default: the configuration's `input`)")->check(CLI::ExistingFile);
  command->add_option("-o,--output", arguments->output, "File to write; - is standard output")->capture_default_str();
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace lacuna::daemon
