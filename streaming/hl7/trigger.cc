#include "streaming/hl7/trigger.h"

#include <algorithm>
#include <iterator>

namespace lacuna::streaming::hl7 {

namespace {

struct Row {
  std::string_view code;
  TriggerRule rule;
};

constexpr TriggerRule kAttributes{Trigger::attributes};
constexpr TriggerRule kMerges{Trigger::merges};
constexpr TriggerRule kAdmitted{Trigger::arrives, false, "PV1-44"};
constexpr TriggerRule kArrives{Trigger::arrives};
constexpr TriggerRule unsupported(std::string_view why) { return {Trigger::unsupported, false, {}, why}; }
constexpr TriggerRule kPending = kAttributes;  // what is planned changes nothing yet
constexpr TriggerRule kOfVisits = unsupported("it joins, moves or renames accounts or visits: what they hold stays the patient's");
constexpr TriggerRule kMoves = unsupported("it moves what is known from one patient to another: no single result can be moved");

// HL7 2.9, chapter 3; those of earlier versions mean the same.
constexpr Row kRows[] = {
    {"A01", kAdmitted},
    {"A02", kArrives},
    {"A03", {Trigger::leaves, false, "PV1-45"}},
    {"A04", kAdmitted},
    {"A05", kPending},
    {"A06", kArrives},
    {"A07", kArrives},
    {"A08", kAttributes},
    {"A09", kAttributes},  // on the way to a place, and there for a while: PV1-3 stays the patient's
    {"A10", kAttributes},
    {"A11", {Trigger::leaves, true}},
    {"A12", {Trigger::arrives, true}},
    {"A13", {Trigger::arrives, true}},
    {"A14", kPending},
    {"A15", kPending},
    {"A16", kPending},
    {"A17", kArrives},
    {"A18", kMerges},
    {"A21", kAttributes},  // a leave of absence: the stay goes on
    {"A22", kAttributes},
    {"A23", unsupported("it deletes a visit: its results are withdrawn one by one, or the patient is forgotten")},
    {"A24", unsupported("it links two patients without saying who goes on")},
    {"A25", kPending},
    {"A26", kPending},
    {"A27", kPending},
    {"A28", kAttributes},
    {"A29", unsupported("it deletes a person: `lacuna patient forget` does, and says first what that reaches")},
    {"A30", kMerges},
    {"A31", kAttributes},
    {"A34", kMerges},
    {"A35", kOfVisits},
    {"A36", kMerges},
    {"A37", unsupported("a merge cannot be undone yet")},
    {"A38", kPending},
    {"A39", kMerges},
    {"A40", kMerges},
    {"A41", kOfVisits},
    {"A42", kOfVisits},
    {"A43", kMoves},
    {"A44", kMoves},
    {"A45", kMoves},
    {"A46", kMerges},
    {"A47", kMerges},
    {"A48", kAttributes},
    {"A49", kOfVisits},
    {"A50", kOfVisits},
    {"A51", kOfVisits},
    {"A52", kAttributes},
    {"A53", kAttributes},
    {"A54", kAttributes},
    {"A55", kAttributes},
    {"A60", kAttributes},
    {"A61", kAttributes},
    {"A62", kAttributes},
};

}  // namespace

TriggerRule trigger_rule(std::string_view code) {
  const auto* const found = std::find_if(std::begin(kRows), std::end(kRows), [code](const Row& row) { return row.code == code; });
  return found == std::end(kRows) ? TriggerRule{} : found->rule;
}

std::optional<ObxStatus> obx_status(std::string_view code) {
  if (code.size() != 1) return std::nullopt;
  switch (code.front()) {
    case 'F':                                                      // final
    case 'V':                                                      // verified
    case 'U': return ObxStatus{false, ResultStatus::final};        // final now, as it was sent before: with the value again, or without
    case 'P':                                                      // preliminary
    case 'R':                                                      // entered, not verified
    case 'S': return ObxStatus{false, ResultStatus::preliminary};  // partial
    case 'C':                                                      // a correction
    case 'A':                                                      // amended
    case 'B': return ObxStatus{false, ResultStatus::corrected};    // appended to
    case 'D':                                                      // deletes it
    case 'W': return ObxStatus{false, ResultStatus::entered_in_error};  // was wrong, such as of another patient
    case 'X': return ObxStatus{false, ResultStatus::cancelled};         // cannot be obtained
    case 'I':                                                           // the specimen is in the laboratory
    case 'N':                                                           // was not asked for
    case 'O': return ObxStatus{true, ResultStatus::final};              // describes the order
    default: return std::nullopt;
  }
}

}  // namespace lacuna::streaming::hl7
