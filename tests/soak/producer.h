#pragma once

#include <functional>
#include <stop_token>

#include "state/records/status.h"
#include "streaming/log/event_log.h"
#include "tests/soak/traffic.h"

namespace lacuna::soak {

/// Sends traffic at an even rate and keeps the journal. One thread.
class Producer {
 public:
  struct Load {
    double events_per_second = 500;
    std::int64_t lag_max = 10'000;  ///< sends nothing while more than this waits to be consumed
  };
  Producer(streaming::Appender& appender, Traffic& traffic, Journal& journal) : appender_(appender), traffic_(traffic), journal_(journal) {}

  /// An event of each patient.
  Status send_one_each() { return send(traffic_.one_each()); }
  /// Until told to stop. While the broker is away it waits: what was handed over is sent once, when it is
  /// back.
  Status run(const std::stop_token& stop, const Load& load, const std::function<std::int64_t()>& lag);

 private:
  Status send(std::vector<Outgoing> batch);

  streaming::Appender& appender_;
  Traffic& traffic_;
  Journal& journal_;
};

}  // namespace lacuna::soak
