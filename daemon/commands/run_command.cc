#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/commands/commands.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/run_log.h"
#include "daemon/commands/service_manager.h"
#include "daemon/commands/session.h"
#include "daemon/commands/stop_limit.h"
#include "daemon/config/config.h"
#include "daemon/http/server.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/store_quarantine.h"

namespace lacuna::daemon {

namespace {

/// Damaged stores set aside in one life of the process.
constexpr int kDamagesMax = 2;

struct RunOptions {
  ConfigOptions config;
  bool until_idle = false;
  int epochs = 1;
};

void tell_counts(const Progress& last) {
  const EventCounts& c = last.counts;
  spdlog::info(
      "stopped: consumed {} = applied {} + duplicate {} + late {} + refused {} + forwarded {}; {} imputations, {} alerts, {} dead letters; "
      "model {}",
      c.consumed, c.applied, c.duplicate, c.late, c.refused, c.forwarded, c.imputations, c.alerts, c.dead_letters, last.model_version);
  std::string stages;
  for (const auto& [stage, seconds] : last.stage_seconds) stages += fmt::format(" {} {:.1f} s", stage, seconds);
  spdlog::info("time went to:{}", stages);
}

/// Of a run that ended because all was read. A model that no example has ever changed is no result.
int judge(const Config& config, const Progress& last) {
  const model::LearnerStats& learner = last.learner;
  if (learner.steps > 0) {
    if (last.scores.count == 0) spdlog::info("nothing was scored: no patient had a value after the first moment once there was a model");
    return kExitOk;
  }
  std::string why = "nothing came to learn from";
  if (learner.examples > 0) {
    why = fmt::format("{} moments, too few for a step (train.examples_per_step: {})", learner.examples, config.train.examples_per_step);
  } else if (last.counts.consumed > 0) {
    why = fmt::format("{} events, and no value among them to learn from", last.counts.consumed);
  }
  std::fprintf(stderr, "lacuna run: nothing was learned: %s\n", why.c_str());
  return kExitNothingLearned;
}

/// `corrupt`: the local store is damaged; everything that has it open is gone when this returns. `code`: of the process, when it is ok.
Status run_once(const Config& config, streaming::LogFactory& log, Signals& signals, StopLimit& limit, const RunOptions& options,
                int& code) {
  ServiceManager manager;
  Pipeline::Hooks hooks;
  RunLog run_log;
  hooks.alive = [&](const Status& ready) {
    manager.alive(ready);
    run_log.alive(ready);
  };
  hooks.after_batch = [&run_log](const Progress& progress) { run_log.show(progress); };
  auto pipeline = Pipeline::make(config, log, system_clock(), std::move(hooks));
  if (!pipeline.ok()) return pipeline.status();
  signals.on_stop([&] {
    limit.start();
    manager.stopping();
    (*pipeline)->stop();
  });
  std::unique_ptr<HttpServer> http;
  if (config.http.enabled) {
    auto started = HttpServer::start(config, **pipeline, system_clock());
    if (!started.ok()) return started.status();
    http = std::move(*started);
    spdlog::info("http://{}:{}/ serves /metrics, /livez, /readyz and /v1", config.http.address, http->port());
  }
  const Status outcome = (*pipeline)->run(options.until_idle, options.epochs);
  signals.on_stop([] {});
  const Progress last = (*pipeline)->progress();
  run_log.finish(last);
  tell_counts(last);
  if (outcome.ok() && options.until_idle && !signals.stopped()) code = judge(config, last);
  return outcome;
}

int run(const RunOptions& options) {
  if (options.epochs > 1 && !options.until_idle) {
    std::fprintf(stderr, "lacuna run: --epochs needs --until-idle: only an input that ends can be gone over again\n");
    return kExitConfiguration;
  }
  const std::optional<Config> config = options.config.load();
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;
  // SIGTERM drains and commits; a second one leaves at once (what is not committed is read again).
  Signals signals;
  warn_of_slow_products(config->model);
  auto log = open_event_log(*config, false);
  if (!log.ok()) return explain(log.status());
  StopLimit limit(config->shutdown_timeout, "what was not committed is read again");
  for (int damages = 0;; ++damages) {
    int code = kExitOk;
    const Status outcome = run_once(*config, **log, signals, limit, options, code);
    if (outcome.ok()) return code;
    // A store that is damaged again and again has a disk beneath it that should not be written to.
    if (outcome.code() != Code::corrupt || damages == kDamagesMax || signals.stopped()) return explain(outcome);
    if (const Status aside = quarantine_store(*config, outcome); !aside.ok()) return explain(aside);
  }
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Consume events, learn, impute and watch for drift until told to stop");
  command->footer(
      "Stops on SIGTERM or Ctrl-C: the batch at hand is committed, the model checkpointed, the group left. A second signal\n"
      "leaves at once, and so does a stop that takes longer than shutdown.timeout; what was not committed is read again at the next\n"
      "start.\n\n"
      "With --until-idle it ends with 4 when nothing was learned.\n\n"
      "Examples:\n"
      "  lacuna run --config configs/physionet2012.yaml --set http.port=9500\n"
      "  lacuna run --config table.yaml --until-idle --epochs 20   # a small table");
  options->config.add_to(*command)->required();
  command->add_flag("--until-idle", options->until_idle, "Leave once everything there is has been consumed and learned");
  command
      ->add_option("--epochs", options->epochs,
                   "With --until-idle: passes over the input. Those after the first only learn, from the examples of the replay buffer "
                   "(all of a small input): nothing is published, scored or watched twice")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace lacuna::daemon
