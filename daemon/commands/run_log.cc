#include "daemon/commands/run_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "daemon/tables/screen.h"

namespace lacuna::daemon {

namespace {

constexpr RunLog::Seconds kEvery{60};

RunLog::World real_world() {
  return {isatty(STDERR_FILENO) == 1,
          [] { return std::chrono::duration_cast<RunLog::Seconds>(std::chrono::steady_clock::now().time_since_epoch()); },
          [](bool warning, const std::string& line) { spdlog::log(warning ? spdlog::level::warn : spdlog::level::info, "{}", line); }};
}

}  // namespace

std::string in_words(const std::map<streaming::TopicPartition, std::int64_t>& partitions) {
  std::string out, topic;
  std::int32_t first = 0, last = 0;
  const auto close = [&] {
    if (!topic.empty() && last > first) out += "-" + std::to_string(last);
  };
  for (const auto& [p, lag] : partitions) {
    if (p.topic == topic && p.partition == last + 1) {
      last = p.partition;
      continue;
    }
    close();
    out += (out.empty() ? "" : ", ") + (p.topic == topic ? "" : p.topic + " ") + std::to_string(p.partition);
    topic = p.topic;
    first = last = p.partition;
  }
  close();
  return out;
}

RunLog::RunLog() : RunLog(real_world()) {}
RunLog::RunLog(World world) : world_(std::move(world)), line_at_(world_.now()) {}

void RunLog::show(const Progress& p) {
  if (ready_) {
    const std::string partitions = in_words(p.lags);
    if (!partitions.empty() && std::exchange(partitions_, partitions) != partitions) {
      world_.say(false, fmt::format("ready: {}; {} behind", partitions, counted(static_cast<std::uint64_t>(p.lag), "record", "records")));
    }
  } else {
    partitions_.clear();
  }
  const Seconds now = world_.now();
  if (now - refused_at_ >= kEvery && p.counts.refused_by != told_.refused_by) {
    refused_at_ = now;
    tell_refused(p.counts);
  }
  if (!world_.terminal || now - line_at_ < kEvery) return;
  const double rate = static_cast<double>(p.counts.consumed - consumed_) / (now - line_at_).count();
  world_.say(false, fmt::format("{} events, {:.0f}/s, {} behind, model {}, {} refused", p.counts.consumed, rate, p.lag,
                                p.model_version.empty() ? "-" : p.model_version, p.counts.refused));
  line_at_ = now;
  consumed_ = p.counts.consumed;
}

void RunLog::finish(const Progress& last) {
  if (last.counts.refused_by != told_.refused_by) tell_refused(last.counts);
}

void RunLog::tell_refused(const EventCounts& counts) {
  std::uint64_t all = 0;
  std::string reasons;
  for (std::size_t i = 0; i < counts.refused_by.size(); ++i) {
    const std::uint64_t more = counts.refused_by[i] - told_.refused_by[i];
    if (more == 0) continue;
    all += more;
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", more, to_string(static_cast<streaming::Refusal>(i)));
  }
  world_.say(true, fmt::format("refused {}: {} (`lacuna tail dead-letters` shows them)",
                               counted(all, "event or part of one", "events or parts of events"), reasons));
  told_ = counts;
}

}  // namespace lacuna::daemon
