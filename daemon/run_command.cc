#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "daemon/commands.h"
#include "daemon/config.h"
#include "daemon/http.h"
#include "daemon/logging.h"
#include "daemon/pipeline.h"
#include "daemon/session.h"

namespace lacuna::daemon {

namespace {

struct RunOptions {
  std::string config;
  std::vector<std::string> overrides;
  bool until_idle = false;
};

int run(const RunOptions& options) {
  const std::optional<Config> config = load_or_explain(options.config, options.overrides);
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;
  warn_of_slow_products();
  auto log = open_event_log(*config, false);
  if (!log.ok()) return explain(log.status());

  // SIGTERM drains and commits; a second one leaves at once (what is not committed is read again).
  Signals signals;
  auto pipeline = Pipeline::make(*config, **log, system_clock(), {});
  if (!pipeline.ok()) return explain(pipeline.status());
  signals.on_stop([&pipeline] { (*pipeline)->stop(); });

  std::unique_ptr<HttpServer> http;
  if (config->http.enabled) {
    auto started = HttpServer::start(*config, **pipeline, system_clock());
    if (!started.ok()) return explain(started.status());
    http = std::move(*started);
    spdlog::info("http://{}:{}/ serves /metrics, /livez, /readyz and /v1", config->http.address, http->port());
  }
  const Status outcome = (*pipeline)->run(options.until_idle);
  const Progress last = (*pipeline)->progress();
  spdlog::info("stopped: consumed {} = applied {} + duplicate {} + late {} + refused {}; {} imputations, {} alerts, {} dead letters; model {}",
               last.counts.consumed, last.counts.applied, last.counts.duplicate, last.counts.late, last.counts.refused,
               last.counts.imputations, last.counts.alerts, last.counts.dead_letters, last.model_version);
  std::string stages;
  for (const auto& [stage, seconds] : last.stage_seconds) stages += fmt::format(" {} {:.1f} s", stage, seconds);
  spdlog::info("time went to:{}", stages);
  return outcome.ok() ? kExitOk : explain(outcome);
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Consume events, learn, impute and watch for drift until told to stop");
  command->footer(
      "Stops on SIGTERM or Ctrl-C: the batch at hand is committed, the model checkpointed, the group left. A second signal\n"
      "leaves at once; what was not committed is read again at the next start.\n\n"
      "Example:\n  lacuna run --config configs/physionet2012.yaml --set http.port=9500");
  command->add_option("-c,--config", options->config, "Configuration file (YAML)")->required()->check(CLI::ExistingFile);
  command->add_option("-s,--set", options->overrides, "Override a key: --set batch.max_events=500 (repeatable)");
  command->add_flag("--until-idle", options->until_idle, "Leave once everything there is has been consumed and learned");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace lacuna::daemon
