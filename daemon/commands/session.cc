#include "daemon/commands/session.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daemon/tables/screen.h"
#include "model/device.h"

namespace lacuna::daemon {

namespace {

/// Where the handler writes the signal's number. Libraries make threads before main begins (OpenBLAS does), so signals cannot be
/// kept from all threads but one; a handler serves whichever thread they reach.
std::atomic<int> signal_pipe = -1;

void on_signal(int number) {
  const int saved = errno;
  const auto byte = static_cast<char>(number);
  if (const int fd = signal_pipe; fd >= 0 && write(fd, &byte, 1) != 1) _exit(128 + number);
  errno = saved;
}

void handle(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

namespace {

/// A full disk or a folder that may not be written is no fault of ours, whichever library tells of it.
bool refused_by_the_system(const std::string& message) {
  constexpr std::array kReasons{ENOSPC, EDQUOT, EFBIG, EROFS, EIO, EACCES, EPERM, EMFILE, ENFILE, ENOMEM, EAGAIN, ENOENT, ENOTDIR};
  const auto told = [&message](int reason) { return message.find(std::strerror(reason)) != std::string::npos; };
  return std::any_of(kReasons.begin(), kReasons.end(), told);
}

}  // namespace

std::optional<Config> load_or_explain(const std::string& path, const std::vector<std::string>& overrides) {
  ConfigOutcome outcome = load_config(path, overrides);
  for (const ConfigProblem& problem : outcome.problems) std::fprintf(stderr, "%s\n", format_problem(problem).c_str());
  if (const std::size_t count = outcome.problems.size(); count > 0) {
    std::fprintf(stderr, "%s; nothing was started\n", counted(count, "problem", "problems").c_str());
  }
  return std::move(outcome.config);
}

int explain(const Status& status) {
  // Of the codes only a fault of ours is news to the reader; what has another says itself what is wrong.
  const bool ours = status.code() == Code::internal && !refused_by_the_system(status.message());
  std::fprintf(stderr, "lacuna: %s%s\n", ours ? "internal: " : "", status.message().c_str());
  if (status.code() == Code::fenced) std::fprintf(stderr, "Another process runs with the same `instance` name; each needs its own.\n");
  if (status.code() == Code::unavailable && status.message().starts_with("kafka: ")) {
    std::fprintf(stderr, "Is the cluster reachable from here? log.kafka.bootstrap_servers says where it is asked for first.\n");
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

void warn_of_slow_products(const model::ModelOptions& options) {
  const model::ProductSpeed speed = model::measure_products(options);
  const std::string where = model::describe_device(options);
  if (speed.remedy.empty()) spdlog::info("matrix products run at {:.0f} GFLOP/s on {}", speed.gflops, where);
  else spdlog::warn("matrix products run at {:.0f} GFLOP/s on {}: {}", speed.gflops, where, speed.remedy);
}

Signals::Signals() {
  if (pipe2(ends_.data(), O_CLOEXEC) != 0) std::abort();
  signal_pipe = ends_[1];
  handle(on_signal);
  thread_ = std::thread([this] {
    char signal = 0;
    while (read(ends_[0], &signal, 1) == 1 && signal != 0) {
      if (number_.exchange(signal) != 0) _exit(128 + signal);
      const std::lock_guard lock(mutex_);
      if (action_) action_();
    }
  });
}

Signals::~Signals() {
  handle(SIG_DFL);
  signal_pipe = -1;
  const char done = 0;
  if (write(ends_[1], &done, 1) == 1) thread_.join();
  close(ends_[0]);
  close(ends_[1]);
}

void Signals::on_stop(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  action_ = std::move(action);
  if (stopped() && action_) action_();
}

}  // namespace lacuna::daemon
