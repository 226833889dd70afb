#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/daemon_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/session.h"
#include "daemon/registry/model_json.h"
#include "daemon/tables/model_table.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  DaemonOptions daemon;
  bool json = false;
};

/// Of a daemon, where it is said where; else of the data folder, whether a daemon runs on it or not.
int show(const Arguments& arguments) {
  Result<std::string> answer = std::string();
  if (!arguments.daemon.url.empty()) {
    const auto client = arguments.daemon.client();
    if (!client) return kExitConfiguration;
    answer = client->get("/v1/model");
    if (!answer.ok()) return explain_answer(answer.status());
  } else {
    if (arguments.daemon.config.path.empty()) {
      std::fprintf(stderr, "lacuna model: which model? Give the --config of its data_dir, or the --url of a daemon\n");
      return kExitConfiguration;
    }
    const std::optional<Config> config = arguments.daemon.config.load();
    if (!config || !set_up_logging(*config)) return kExitConfiguration;
    answer = newest_checkpoint_json(*config);
    if (!answer.ok()) return explain(answer.status());
  }
  const auto text = arguments.json ? Result<std::string>(*answer + "\n") : model_table(*answer);
  if (!text.ok()) return explain_answer(text.status());
  standard_output() << *text;
  return kExitOk;
}

}  // namespace

void add_model(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("model", "The model: what it is and what it has learned from");
  command->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  CLI::App* one = command->add_subcommand("show", "Version, size, age and what was learned of each feature");
  one->footer(
      "With --config: of the newest checkpoint in data_dir, beside a running daemon too (that serves what it has learned since). With "
      "--url: "
      "of the version that a daemon serves now, with its scores in --json.\n\n"
      "Examples:\n"
      "  lacuna model show --config ward.yaml\n"
      "  lacuna model show --url http://10.0.0.7:9464 --json | jq .version");
  arguments->daemon.add_to(*one, false);
  one->get_option("--config")->description("Configuration whose data_dir has the model (YAML)");
  one->add_flag("--json", arguments->json, "All of it, for programs");
  one->callback([arguments, &exit_code] { exit_code = show(*arguments); });
}

}  // namespace lacuna::daemon
