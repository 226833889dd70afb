#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"

// Messages a second on one core: events of six values in, events and imputations of thirty values out.

namespace {

using lacuna::Feature;
using lacuna::Schema;

Schema make_schema() {
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "vitals";
  for (const char* name : {"hr", "resp_rate", "temp", "spo2", "sys_bp", "dia_bp"}) {
    specs[0].features.push_back({name, "/min", lacuna::Likelihood::normal, 0, 400, {}, {}, 0});
  }
  specs[1].modality.name = "laboratory";
  for (int i = 0; i < 30; ++i) {
    specs[1].features.push_back({"test_" + std::to_string(i), "mg/dL", lacuna::Likelihood::log_normal, 0, 1e6, {}, {}, 0});
  }
  return *Schema::make(std::move(specs), {});
}

template <typename Work>
void measure(const char* what, Work work) {
  double best = 0;
  std::size_t bytes = 0;
  for (int round = 0; round < 5; ++round) {
    constexpr int kCount = 100'000;
    // Processor time: what else the machine does is not what is asked.
    const std::clock_t start = std::clock();
    for (int i = 0; i < kCount; ++i) bytes = work();
    best = std::max(best, kCount * static_cast<double>(CLOCKS_PER_SEC) / static_cast<double>(std::clock() - start));
  }
  std::printf("%-34s %9.0f a second  (%zu bytes)\n", what, best, bytes);
}

}  // namespace

int main() {
  const Schema schema = make_schema();
  const lacuna::Time now = *lacuna::parse_rfc3339("2026-01-02T00:00:00Z");
  lacuna::Event event{"132539-7-vitals", "132539", "icu-4", 0, *lacuna::parse_rfc3339("2026-01-01T00:07:00Z"), {}, {}};
  for (lacuna::FeatureId f = 0; f < 6; ++f) event.values.push_back({f, 36.0 + 12.25 * f});
  const std::string message = lacuna::streaming::encode_event(schema, event);
  std::string with_units = message;
  with_units.replace(with_units.find("36"), 2, R"({"value":0.6,"unit":"/s"})");

  lacuna::Imputation imputation;
  imputation.patient_id = event.patient_id;
  imputation.time = event.time;
  imputation.model_version = "000412-9f3c21aa";
  imputation.source = {"lacuna.events", 3, 88121};
  imputation.based_on = {0};
  imputation.effective_samples = 37.25;
  for (lacuna::FeatureId f = 6; f < 36; ++f) {
    imputation.values.push_back({f, lacuna::ImputationReason::stale, 31.2347 * f, 29.114 * f, 22.81, 9.1 * f, 88.04 * f, {}});
  }
  lacuna::streaming::EventDecoder decoder(schema, {});
  const auto decode = [&](const std::string& text) {
    const auto outcome = decoder.decode(text, now);
    return outcome.decoded && outcome.decoded->refused.empty() ? text.size() : std::size_t{0};
  };
  measure("decode, 6 values", [&] { return decode(message); });
  measure("decode, one unit to convert", [&] { return decode(with_units); });
  measure("encode an event of 6 values", [&] { return lacuna::streaming::encode_event(schema, event).size(); });
  measure("encode an imputation of 30 values", [&] { return lacuna::streaming::encode_imputation(schema, imputation).size(); });
}
