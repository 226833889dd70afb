#pragma once

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Numbers as Prometheus text. Private to this folder, the home of prometheus-cpp.

namespace lacuna::daemon {

/// Builds families in the order in which they are named. A family without samples is left out.
class Exposition {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  /// Begins a family, named without `lacuna_`; the next add() calls go into it.
  Exposition& counter(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), prometheus::MetricType::Counter);
  }
  Exposition& gauge(std::string name, std::string help) { return begin(std::move(name), std::move(help), prometheus::MetricType::Gauge); }

  template <typename T>
  Exposition& add(T value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    const bool counts = families_.back().type == prometheus::MetricType::Counter;
    (counts ? metric.counter.value : metric.gauge.value) = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }

  /// A histogram. `counts`: one for each bound, and one for what is above them all.
  template <std::size_t N>
  void durations(std::string name, std::string help, const std::array<double, N>& bounds, const std::array<std::uint64_t, N + 1>& counts,
                 double sum) {
    begin(std::move(name), std::move(help), prometheus::MetricType::Histogram);
    prometheus::ClientMetric metric;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      below += counts[i];
      if (i < N) metric.histogram.bucket.push_back({below, bounds[i]});
    }
    // The serializer adds the +Inf bucket.
    metric.histogram.sample_count = below;
    metric.histogram.sample_sum = sum;
    families_.back().metric.push_back(std::move(metric));
  }

  std::string text() {
    std::erase_if(families_, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer().prometheus::Serializer::Serialize(families_);
  }

 private:
  Exposition& begin(std::string name, std::string help, prometheus::MetricType type) {
    families_.push_back({"lacuna_" + std::move(name), std::move(help), type, {}});
    return *this;
  }
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace lacuna::daemon
