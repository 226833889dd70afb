#include "daemon/session.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "model/learner.h"

namespace lacuna::daemon {

namespace {

/// Below this a 512^3 product runs on the reference BLAS: OpenBLAS reaches 50 and more on one core of any current machine.
constexpr double kSlowGflops = 20;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

std::optional<Config> load_or_explain(const std::string& path, const std::vector<std::string>& overrides) {
  ConfigOutcome outcome = load_config(path, overrides);
  for (const ConfigProblem& problem : outcome.problems) std::fprintf(stderr, "%s\n", format_problem(problem).c_str());
  if (!outcome.problems.empty()) std::fprintf(stderr, "%zu problems; nothing was started\n", outcome.problems.size());
  return std::move(outcome.config);
}

int explain(const Status& status) {
  std::fprintf(stderr, "lacuna: %s\n", status.to_string().c_str());
  switch (status.code()) {
    case Code::fenced:
      std::fprintf(stderr, "Another process runs with the same `instance` name; each needs its own.\n");
      break;
    case Code::unavailable:
      std::fprintf(stderr, "Is the event log reachable, and is no other process using data_dir?\n");
      break;
    default: break;
  }
  return status.code() == Code::invalid ? kExitConfiguration : kExitFailed;
}

Result<std::unique_ptr<streaming::LogFactory>> open_event_log(const Config& config, bool read_only) {
  if (config.log.kind == LogKind::kafka) return streaming::make_kafka_log(config.log.kafka);
  streaming::EmbeddedOptions options = config.log.embedded;
  if (options.path.empty()) options.path = config.data_dir + "/log";
  options.default_partitions = config.log.partitions;
  options.read_only = read_only;
  return streaming::make_embedded_log(options);
}

void warn_of_slow_products() {
  const double gflops = model::matrix_product_gflops();
  if (gflops < kSlowGflops) {
    spdlog::warn("matrix products run at {:.0f} GFLOP/s: that is the reference BLAS; install OpenBLAS (Debian: libopenblas0-pthread)",
                 gflops);
  } else {
    spdlog::info("matrix products run at {:.0f} GFLOP/s on one thread", gflops);
  }
}

Signals::Signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] {
    const sigset_t waited = stop_signals();
    for (;;) {
      int signal = 0;
      sigwait(&waited, &signal);
      if (leaving_) return;
      if (stopped_.exchange(true)) _exit(128 + signal);
      const std::lock_guard lock(mutex_);
      if (action_) action_();
    }
  });
}

Signals::~Signals() {
  leaving_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Signals::on_stop(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  action_ = std::move(action);
  if (stopped_ && action_) action_();
}

}  // namespace lacuna::daemon
