#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/session.h"
#include "daemon/tables/feed_table.h"
#include "streaming/hl7/dry_run.h"

namespace lacuna::daemon {

namespace {

struct FeedArguments {
  ConfigOptions config;
  std::vector<std::string> files;
  std::string draft;
  bool dry_run = false;
};

int run_dry(const FeedArguments& arguments) {
  const std::optional<Config> config = arguments.config.load();
  if (!config) return kExitConfiguration;
  auto run = streaming::hl7::DryRun::make(*config->schema, config->hl7, config->limits, system_clock()());
  if (!run.ok()) return explain(run.status());
  for (const std::string& file : arguments.files) {
    const Status read = add_files(*run, file);
    if (!read.ok()) return explain(read);
  }
  standard_output() << feed_table(*run, *config->schema, config->hl7);
  if (arguments.draft.empty()) return kExitOk;
  const Status written = write_file(arguments.draft, codes_draft(*run, *config->schema));
  return written.ok() ? kExitOk : explain(written);
}

}  // namespace

void add_feed(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("feed", "Hospital feeds: what would become of HL7 v2 messages");
  auto arguments = std::make_shared<FeedArguments>();
  arguments->config.add_to(*command)->required();
  command->add_flag("--dry-run", arguments->dry_run, "Read files, and say what would become of their messages")->required();
  command->add_option("FILES", arguments->files, "Files of messages, or folders of such files")->required()->check(CLI::ExistingPath);
  command->add_option("--draft", arguments->draft, "Write the codes that lead nowhere as a CSV for hl7.codes_file, to be filled in");
  command->footer(
      "Nothing is connected to and nothing is kept. What is shown holds no value and no identifier of a patient: kinds of messages and "
      "senders, "
      "where values would go, results that are told again or taken back, refusals with segment, field and reason, codes that lead nowhere "
      "with "
      "their names, types and units, and the draft of a configuration. docs/hospital-feeds.md says what is taken and what is not.\n\n"
      "Examples:\n"
      "  lacuna feed --dry-run messages/ --config hospital.yaml\n"
      "  lacuna feed --dry-run day.hl7 --draft codes.csv -c hospital.yaml");
  command->callback([arguments, &exit_code] { exit_code = run_dry(*arguments); });
}

}  // namespace lacuna::daemon
