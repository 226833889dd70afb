#include "state/records/records.h"

#include <algorithm>
#include <array>

namespace lacuna {

namespace {
constexpr std::array<std::string_view, 5> kResultStatusNames{"final", "preliminary", "corrected", "entered_in_error", "cancelled"};
}  // namespace

std::string_view to_string(ResultStatus status) { return kResultStatusNames.at(static_cast<std::size_t>(status)); }

std::optional<ResultStatus> parse_result_status(std::string_view name) {
  const auto at = std::find(kResultStatusNames.begin(), kResultStatusNames.end(), name);
  if (at == kResultStatusNames.end()) return std::nullopt;
  return static_cast<ResultStatus>(at - kResultStatusNames.begin());
}

std::string_view to_string(ImputationReason reason) {
  switch (reason) {
    case ImputationReason::never_measured: return "never_measured";
    case ImputationReason::stale: return "stale";
  }
  return "unknown";
}

std::string_view to_string(AlertState state) {
  switch (state) {
    case AlertState::raised: return "raised";
    case AlertState::updated: return "updated";
    case AlertState::resolved: return "resolved";
  }
  return "unknown";
}

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::critical: return "critical";
  }
  return "unknown";
}

std::string_view to_string(Resolution resolution) {
  switch (resolution) {
    case Resolution::open: return "open";
    case Resolution::returned: return "returned";
    case Resolution::accepted: return "accepted";
  }
  return "unknown";
}

}  // namespace lacuna
