#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/feed_listener.h"
#include "daemon/commands/session.h"
#include "daemon/tables/feed_table.h"
#include "streaming/hl7/dry_run.h"

namespace lacuna::daemon {

namespace {

struct FeedArguments {
  ConfigOptions config;
  std::vector<std::string> files;
  std::string draft;
  bool dry_run = false, mllp = false;
};

int run_dry(const FeedArguments& arguments, const Config& config) {
  auto run = streaming::hl7::DryRun::make(*config.schema, config.hl7, config.limits, system_clock()());
  if (!run.ok()) return explain(run.status());
  for (const std::string& file : arguments.files) {
    const Status read = add_files(*run, file);
    if (!read.ok()) return explain(read);
  }
  standard_output() << feed_table(*run, *config.schema, config.hl7);
  if (arguments.draft.empty()) return kExitOk;
  const Status written = write_file(arguments.draft, codes_draft(*run, *config.schema));
  return written.ok() ? kExitOk : explain(written);
}

int feed(const FeedArguments& arguments) {
  if (arguments.mllp == arguments.dry_run || arguments.dry_run == arguments.files.empty()) {
    std::fprintf(stderr, "lacuna feed: either --dry-run with FILES, or --mllp without\n");
    return kExitConfiguration;
  }
  std::optional<Config> config = arguments.config.load();
  if (!config) return kExitConfiguration;
  if (arguments.dry_run) return run_dry(arguments, *config);
  const auto listener = load_listener(arguments.config.path, arguments.config.overrides);
  return listener.ok() ? listen_for_messages(std::move(*config), *listener) : explain(listener.status());
}

}  // namespace

void add_feed(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("feed", "Hospital feeds: listen for HL7 v2 messages, or say what would become of them");
  auto arguments = std::make_shared<FeedArguments>();
  arguments->config.add_to(*command)->required();
  CLI::Option* const mllp =
      command->add_flag("--mllp", arguments->mllp,
                        "Listen for messages (mllp.address, mllp.port), write them to the log, and acknowledge them once it has them");
  CLI::Option* const dry_run =
      command->add_flag("--dry-run", arguments->dry_run, "Read files, and say what would become of their messages");
  command->add_option("FILES", arguments->files, "With --dry-run: files of messages, or folders of such files")
      ->check(CLI::ExistingPath)
      ->excludes(mllp);
  command->add_option("--draft", arguments->draft, "Write the codes that lead nowhere as a CSV for hl7.codes_file, to be filled in")
      ->needs(dry_run);
  command->footer(
      "--mllp is a process beside `lacuna run`, over Kafka. A message is written as it came, once for each person it tells of, keyed by "
      "that person, and answered with AA (CA) once all brokers that count have it; AR says that it is never taken as it is, AE that the "
      "log did not take it. While the log is slow nothing more is read. It stops on SIGTERM or Ctrl-C: what came is answered first.\n\n"
      "--dry-run connects to nothing and keeps nothing. What is shown holds no value and no identifier of a patient: kinds of messages and "
      "senders, where values would go, results that are told again or taken back, refusals with segment, field and reason, codes that "
      "lead nowhere with their names, types and units, and the draft of a configuration.\n\n"
      "docs/hospital-feeds.md says what is taken and what is not.\n\n"
      "Examples:\n"
      "  lacuna feed --dry-run messages/ --config hospital.yaml\n"
      "  lacuna feed --dry-run day.hl7 --draft codes.csv -c hospital.yaml\n"
      "  lacuna feed --mllp -c hospital.yaml --set mllp.address=0.0.0.0");
  command->callback([arguments, &exit_code] { exit_code = feed(*arguments); });
}

}  // namespace lacuna::daemon
