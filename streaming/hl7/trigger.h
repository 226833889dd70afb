#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "state/records/records.h"

// HL7's tables that say what a message or a result means to us.

namespace lacuna::streaming::hl7 {

/// What an event of a patient administration (ADT) says beside the patient's attributes.
enum class Trigger : std::uint8_t {
  none,         ///< not one that is known: its OBX alone count
  attributes,   ///< nothing more
  arrives,      ///< the patient is at PV1-3: admitted, registered, transferred, or back
  leaves,       ///< the stay ends
  merges,       ///< MRG-1 goes on as PID-3
  unsupported,  ///< says something that nothing can be done about: trigger_problem() says what
};
struct TriggerRule {
  Trigger trigger = Trigger::none;
  bool cancels = false;         ///< its EVN-6 is the time of what it cancels
  std::string_view own_time{};  ///< "PV1-44": the field that tells the same time as EVN-6
  std::string_view problem{};   ///< unsupported: why
};
/// `code`: "A01".
TriggerRule trigger_rule(std::string_view code);

/// OBX-11, HL7's table 0085. `no_result`: there is none, or none yet, or it stays as it was sent. Empty: not in the table.
struct ObxStatus {
  bool no_result = false;
  ResultStatus status = ResultStatus::final;
};
std::optional<ObxStatus> obx_status(std::string_view code);

}  // namespace lacuna::streaming::hl7
