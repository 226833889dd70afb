#include "streaming/messages/payload_check.h"

#include <cstddef>
#include <string>
#include <utility>

namespace lacuna::streaming {

namespace {

ValueProblem outside(std::string message) { return {Refusal::out_of_range, std::move(message)}; }

}  // namespace

std::optional<ValueProblem> hold_against(const Modality& modality, Payload& payload) {
  const bool has_mark = modality.missing.has_value();
  const auto mark = static_cast<float>(modality.missing.value_or(0));
  const auto is_gap = [&payload](std::size_t i) { return !payload.observed.empty() && payload.observed[i] == 0; };
  bool inside = true, any = false;
  for (std::size_t i = 0; i < payload.values.size(); ++i) {
    if (is_gap(i)) continue;
    const auto value = static_cast<double>(payload.values[i]);
    if (has_mark && payload.values[i] == mark) {
      if (payload.observed.empty()) payload.observed.assign(payload.values.size(), 1);
      payload.observed[i] = 0;
      payload.values[i] = 0;
      continue;
    }
    any = true;
    inside = inside && value >= modality.low && value <= modality.high;
  }
  if (!any) return outside("nothing of it was observed: all its values are gaps");
  if (!inside) return outside("a value is outside the schema's range");
  return std::nullopt;
}

}  // namespace lacuna::streaming
