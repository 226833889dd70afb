#include "tests/soak/fleet.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>

#include "tests/soak/process.h"

namespace lacuna::soak {

namespace {

/// Before an instance that ended by itself is started again.
constexpr Millis kRestartPause{1'000};
/// For what lies outside the daemon's own limit: the process ends, two cores are shared.
constexpr Millis kStopGrace{3'000};
constexpr std::size_t kLastLines = 6;

std::uintmax_t size_of(const std::string& path) {
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(path, absent);
  return absent ? 0 : size;
}

std::string last_lines(const std::string& path) {
  std::deque<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > kLastLines) lines.pop_front();
  }
  std::string out;
  for (const std::string& line : lines) out += "      " + line + "\n";
  return out;
}

}  // namespace

Fleet::~Fleet() {
  for (const auto& [number, instance] : instances_) {
    if (instance.pid == 0) continue;
    ::kill(instance.pid, SIGKILL);
    wait_for(instance.pid);
  }
}

void Fleet::tick() {
  const std::lock_guard lock(mutex_);
  for (auto& [number, instance] : instances_) {
    if (instance.pid != 0) reap(number, instance);
    if (instance.pid == 0 && instance.start && Clock::now() >= *instance.start) start(number, instance);
  }
}

void Fleet::reap(int number, Instance& instance) {
  if (instance.expect == Expect::leave && Clock::now() > instance.deadline) {
    bad_stops_.push_back(name(number) + ": did not leave within " + format_duration(options_.shutdown_timeout));
    ::kill(instance.pid, SIGKILL);
    instance.expect = Expect::death;
  }
  int status = 0;
  if (waitpid(instance.pid, &status, WNOHANG) != instance.pid) return;
  const int code = exit_code(status);
  instance.pid = 0;
  if (instance.expect == Expect::to_run) {
    exits_.push_back({name(number), code, last_lines(log_of(number))});
    instance.pause = kRestartPause;
  } else if (instance.expect == Expect::leave && code != 0) {
    // SIGTERM ends a process that is still loading its libraries, before it has begun anything: the system does that.
    const bool loading = WIFSIGNALED(status) && code == 128 + SIGTERM && size_of(log_of(number)) == instance.log_size;
    if (!loading) {
      bad_stops_.push_back(name(number) + ": left with " + std::to_string(code) + "\n" + last_lines(log_of(number)));
    }
  }
  if (instance.pause) instance.start = Clock::now() + *instance.pause;
}

void Fleet::start(int number, Instance& instance) {
  const std::string data = options_.folder + "/" + name(number);
  if (instance.wipe) std::filesystem::remove_all(data + "/state");
  std::vector<std::string> arguments{options_.binary, "run", "--config", options_.config};
  for (const std::string& one : options_.overrides) arguments.insert(arguments.end(), {"--set", one});
  arguments.insert(arguments.end(), {"--set", "instance=" + name(number), "--set", "data_dir=" + data});
  instance = Instance{};
  instance.log_size = size_of(log_of(number));
  instance.pid = spawn(arguments, log_of(number));
}

void Fleet::add(int number) {
  const std::lock_guard lock(mutex_);
  instances_[number].start = Clock::now();
}

void Fleet::kill(int number, Millis pause, bool wipe) {
  const std::lock_guard lock(mutex_);
  Instance& instance = instances_.at(number);
  if (instance.pid == 0) return;
  ::kill(instance.pid, SIGKILL);
  instance.expect = Expect::death;
  instance.pause = pause;
  instance.wipe = wipe;
}

void Fleet::stop(int number, std::optional<Millis> pause) {
  const std::lock_guard lock(mutex_);
  Instance& instance = instances_.at(number);
  instance.pause = pause;
  if (instance.pid == 0) {
    if (!pause) instance.start.reset();
    return;
  }
  // One that is on its way out is let go: a second signal would tell it to leave at once, with another code.
  if (instance.expect == Expect::leave) return;
  ::kill(instance.pid, SIGTERM);
  instance.expect = Expect::leave;
  instance.deadline = Clock::now() + options_.shutdown_timeout + kStopGrace;
}

void Fleet::stop_all() {
  std::vector<int> numbers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, instance] : instances_) numbers.push_back(number);
  }
  for (const int number : numbers) stop(number, std::nullopt);
}

void Fleet::signal(int number, int signal) {
  const std::lock_guard lock(mutex_);
  if (const pid_t pid = instances_.at(number).pid; pid != 0) ::kill(pid, signal);
}

std::vector<int> Fleet::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<int> out;
  for (const auto& [number, instance] : instances_) {
    if (instance.pid != 0 && instance.expect == Expect::to_run) out.push_back(number);
  }
  return out;
}

bool Fleet::is_running(int number) const {
  const std::vector<int> all = running();
  return std::find(all.begin(), all.end(), number) != all.end();
}

bool Fleet::all_gone() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(instances_.begin(), instances_.end(), [](const auto& entry) { return entry.second.pid == 0; });
}

std::vector<Fleet::Exit> Fleet::exits() const {
  const std::lock_guard lock(mutex_);
  return exits_;
}

std::vector<std::string> Fleet::bad_stops() const {
  const std::lock_guard lock(mutex_);
  return bad_stops_;
}

}  // namespace lacuna::soak
