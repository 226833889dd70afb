#include "state/records/records.h"

namespace lacuna {

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
