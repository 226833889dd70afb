#include "streaming/log/log_sink.h"

#include <cstdio>
#include <memory>
#include <mutex>

namespace lacuna::streaming {
namespace {

constexpr int kWarning = 4;

void to_stderr(int level, const std::string& line) {
  if (level <= kWarning) std::fprintf(stderr, "%s\n", line.c_str());
}

struct Slot {
  std::mutex mutex;
  std::shared_ptr<const LogSink> sink = std::make_shared<const LogSink>(to_stderr);
};

// Never destroyed: librdkafka's threads may log while static objects are torn down.
Slot& slot() {
  static Slot* const instance = new Slot;
  return *instance;
}

}  // namespace

void set_log_sink(LogSink sink) {
  auto next = std::make_shared<const LogSink>(sink ? std::move(sink) : LogSink(to_stderr));
  const std::lock_guard lock(slot().mutex);
  slot().sink = std::move(next);
}

void log_line(int level, std::string_view line) {
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(slot().mutex);
    sink = slot().sink;
  }
  (*sink)(level, std::string(line));
}

}  // namespace lacuna::streaming
