#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/daemon_options.h"
#include "daemon/commands/session.h"
#include "daemon/plots/missingness_plot.h"
#include "daemon/tables/alerts_table.h"
#include "daemon/tables/drift_table.h"
#include "daemon/tables/features_table.h"
#include "daemon/tables/missingness_table.h"
#include "daemon/tables/subgroup_table.h"
#include "state/records/nearest.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  DaemonOptions daemon;
  DriftTableOptions drift;
  bool json = false;
  std::string svg, site, modality, state;
  std::size_t weeks = 8;
};

int show(const std::string& text) {
  standard_output() << text;
  return kExitOk;
}

int inspect_drift(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/drift");
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.json) return show(*answer + "\n");
  const auto table = drift_table(*answer, arguments.drift);
  return table.ok() ? show(*table) : explain_answer(table.status());
}

int inspect_lag(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/lag");
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.json) return show(*answer + "\n");
  const auto table = lag_table(*answer);
  return table.ok() ? show(*table) : explain_answer(table.status());
}

int inspect_missingness(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/missingness");
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.json) return show(*answer + "\n");
  auto rows = read_missingness(*answer);
  if (!rows.ok()) return explain_answer(rows.status());
  std::vector<std::string> modalities, sites;
  for (const auto& row : *rows) {
    modalities.push_back(row.modality);
    sites.push_back(row.site);
  }
  if (!rows->empty()) {
    for (const auto& [option, name, known] :
         {std::tuple("--modality", &arguments.modality, &modalities), {"--site", &arguments.site, &sites}}) {
      if (name->empty() || std::find(known->begin(), known->end(), *name) != known->end()) continue;
      return explain_answer(
          {Code::not_found, std::string("nothing was counted of ") + option + " '" + *name + "'" + did_you_mean(*name, *known)});
    }
  }
  std::erase_if(*rows, [&](const auto& row) {
    return (!arguments.site.empty() && row.site != arguments.site) || (!arguments.modality.empty() && row.modality != arguments.modality);
  });
  if (!arguments.svg.empty()) {
    if (const Status written = write_file(arguments.svg, missingness_plot(*rows)); !written.ok()) return explain(written);
  }
  return show(missingness_table(*rows, arguments.weeks));
}

int inspect_features(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/features");
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.json) return show(*answer + "\n");
  const auto table = features_table(*answer, arguments.state);
  return table.ok() ? show(*table) : explain_answer(table.status());
}

int inspect_subgroups(const Arguments& arguments) {
  const auto client = arguments.daemon.client();
  if (!client) return kExitConfiguration;
  const auto answer = client->get("/v1/subgroups");
  if (!answer.ok()) return explain_answer(answer.status());
  if (arguments.json) return show(*answer + "\n");
  const auto table = subgroup_table(*answer);
  if (!table.ok()) return explain_answer(table.status());
  return show(table->empty() ? "no groups are declared: schema.attributes.<attribute>.subgroup, subgroups.together\n" : *table);
}

void add_inspect_drift(CLI::App& inspect, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = inspect.add_subcommand("drift", "Every subject that is watched, and how near it is to an alarm");
  command->footer(
      "A subject learns what is normal, is then armed, and alarmed while its alert is open. `expected` and `recent` are what is\n"
      "normal now and what is seen; `evidence` is its logarithm and that at which it alarms. Without --all: those that are\n"
      "alarmed or muted, and the ten nearest to an alarm.\n\n"
      "Examples:\n"
      "  lacuna inspect drift --config ward.yaml\n"
      "  lacuna inspect drift --config ward.yaml --kind coverage --state alarmed\n"
      "  lacuna inspect drift --url http://10.0.0.7:9464 --json | jq '.families'");
  arguments->daemon.add_to(*command, false);
  command->add_option("--kind", arguments->drift.kind, "Only this family: missingness, coverage, ...");
  command->add_option("--state", arguments->drift.state, "Only those in this state")
      ->check(CLI::IsMember({"learning", "armed", "alarmed", "muted"}));
  command->add_flag("--all", arguments->drift.all, "Every one");
  command->add_flag("--json", arguments->json, "What /v1/drift gives, as it is");
  command->callback([arguments, &exit_code] { exit_code = inspect_drift(*arguments); });
}

void add_inspect_missingness(CLI::App& inspect, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = inspect.add_subcommand("missingness", "Which modality arrives in how many patient-hours, by site and week");
  command->footer(
      "A patient-hour is an hour in which the patient was certainly there. 26 weeks are kept, 256 sites by name.\n\n"
      "Examples:\n"
      "  lacuna inspect missingness --config ward.yaml --modality blood_gas\n"
      "  lacuna inspect missingness --config ward.yaml --svg missingness.svg");
  arguments->daemon.add_to(*command, false);
  command->add_option("--modality", arguments->modality, "Only this modality");
  command->add_option("--site", arguments->site, "Only this site");
  command->add_option("--weeks", arguments->weeks, "The newest so many in the table")->check(CLI::Range(1, 26))->capture_default_str();
  command->add_option("--svg", arguments->svg, "Write a heat map of all weeks to this file as well");
  command->add_flag("--json", arguments->json, "What /v1/missingness gives, as it is");
  command->callback([arguments, &exit_code] { exit_code = inspect_missingness(*arguments); });
}

void add_inspect_lag(CLI::App& inspect, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = inspect.add_subcommand("lag", "How far behind the log this instance is, by partition");
  command->footer("Examples:\n  lacuna inspect lag --config ward.yaml\n  lacuna inspect lag --url http://10.0.0.7:9464 --json | jq .lag");
  arguments->daemon.add_to(*command, false);
  command->add_flag("--json", arguments->json, "What /v1/lag gives, as it is");
  command->callback([arguments, &exit_code] { exit_code = inspect_lag(*arguments); });
}

void add_inspect_features(CLI::App& inspect, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = inspect.add_subcommand("features", "What each feature is, how much of it was learned from, how well it is predicted");
  command->footer(
      "`warming up`: the serving model has learned from fewer than imputation.observations_min observations of it, so it is not imputed\n"
      "and not scored. `constant`: most of its values were the same. `patients`: those whose first observation was learned from. Errors\n"
      "are means since the beginning, in standard deviations; `of mean` is that of the population's mean.\n\n"
      "Examples:\n"
      "  lacuna inspect features --config ward.yaml\n"
      "  lacuna inspect features --config ward.yaml --state warming_up\n"
      "  lacuna inspect features -c ward.yaml --json | jq '.features[].state'");
  arguments->daemon.add_to(*command, false);
  command->add_option("--state", arguments->state, "Only those in this state")->check(CLI::IsMember({"warming_up", "ready", "constant"}));
  command->add_flag("--json", arguments->json, "What /v1/features gives, as it is");
  command
      ->add_option_function<std::string>(
          "--format", [arguments](const std::string& format) { arguments->json = format == "json"; }, "table | json, which is --json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([arguments, &exit_code] { exit_code = inspect_features(*arguments); });
}

void add_inspect_subgroups(CLI::App& inspect, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = inspect.add_subcommand("subgroups", "How good predictions were in each group of patients");
  command->footer(
      "Groups are declared: attributes with `subgroup: true`, and subgroups.together. A patient's values count in the groups of what is\n"
      "known of the patient by now. Of a group with fewer than subgroups.patients_min scored patients nothing but their number is told.\n\n"
      "Examples:\n"
      "  lacuna inspect subgroups --config ward.yaml\n"
      "  lacuna inspect subgroups -c ward.yaml --json | jq '.groups[].coverage'");
  arguments->daemon.add_to(*command, false);
  command->add_flag("--json", arguments->json, "What /v1/subgroups gives, as it is");
  command->callback([arguments, &exit_code] { exit_code = inspect_subgroups(*arguments); });
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("inspect", "Look into a running daemon: drift, features, lag, missingness, subgroups");
  command->require_subcommand(1);
  add_inspect_drift(*command, exit_code);
  add_inspect_features(*command, exit_code);
  add_inspect_lag(*command, exit_code);
  add_inspect_missingness(*command, exit_code);
  add_inspect_subgroups(*command, exit_code);
}

}  // namespace lacuna::daemon
