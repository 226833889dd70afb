#include "tests/soak/producer.h"

#include <thread>

namespace lacuna::soak {

namespace {
constexpr Millis kTick{50};
/// Broker outages of a soak are well below this; then something else is wrong.
constexpr int kTriesMax = 20;
}  // namespace

Status Producer::run(const std::stop_token& stop, const Load& load, const std::function<std::int64_t()>& lag) {
  auto next = std::chrono::steady_clock::now();
  double owed = 0;
  while (!stop.stop_requested()) {
    if (lag() < load.lag_max) {
      owed += load.events_per_second * std::chrono::duration<double>(kTick).count();
      std::vector<Outgoing> batch;
      while (static_cast<double>(batch.size()) < owed) {
        for (Outgoing& one : traffic_.next()) batch.push_back(std::move(one));
      }
      owed -= static_cast<double>(batch.size());
      LACUNA_RETURN_IF_ERROR(send(std::move(batch)));
    }
    // What could not be sent while the broker was away is not made up for.
    next = std::max(next + kTick, std::chrono::steady_clock::now());
    std::this_thread::sleep_until(next);
  }
  return {};
}

Status Producer::send(std::vector<Outgoing> batch) {
  for (const Outgoing& one : batch) {
    Status appended = appender_.append(one.record);
    for (int tries = 1; appended.code() == Code::unavailable && tries < kTriesMax; ++tries) appended = appender_.append(one.record);
    LACUNA_RETURN_IF_ERROR(appended);
  }
  Status flushed = appender_.flush();
  for (int tries = 1; flushed.code() == Code::unavailable && tries < kTriesMax; ++tries) flushed = appender_.flush();
  LACUNA_RETURN_IF_ERROR(flushed);
  journal_.append(batch);
  return {};
}

}  // namespace lacuna::soak
