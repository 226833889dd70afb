#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/hl7/code_map.h"
#include "streaming/hl7/decoded.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/obx_value.h"
#include "streaming/hl7/person.h"
#include "streaming/hl7/stamp.h"
#include "streaming/hl7/told_facts.h"
#include "streaming/hl7/trigger.h"
#include "streaming/hl7/unmapped_codes.h"
#include "streaming/messages/event_decoder.h"

namespace lacuna::streaming::hl7 {

/// What all of a message has in common.
struct MessageContext {
  const Message* message = nullptr;
  TextReader* text = nullptr;
  Zones zones{};
  std::string_view sent{};   ///< MSH-7
  std::string_view id{};     ///< of the message's bytes: what its events' ids begin with
  std::string_view label{};  ///< what refusals begin with: "", or "message 3: "
  Time now{};
};

/// Why an event at that time is not taken; empty: it is.
std::optional<ValueProblem> check_time(Time time, Time now, const CodecLimits& limits);
/// Why a moment could not be found.
ValueProblem moment_problem(const Moment& moment);

/// ORC, OBR and OBX to events. One a decoder; not thread-safe.
class Observations {
 public:
  Observations(const Schema& schema, const CodecLimits& limits, CodeMap& codes, UnmappedCodes& unmapped, const PersonReader& persons)
      : schema_(schema), limits_(limits), codes_(codes), unmapped_(unmapped), persons_(persons) {}

  /// Both live until the next call.
  void begin(const MessageContext& context, Decoded& out);
  void begin_person();
  /// ORC or OBR; `index`: of the segment in the message.
  void take_order(const Segment& segment, std::size_t index);
  /// OBX; `person` null: no PID stands before it.
  void take(const Segment& segment, PersonContext* person);
  /// An OBX that is not looked at.
  void pass(std::uint64_t FeedCounts::*fate);
  /// A text that several OBX tell is over.
  void flush();

 private:
  static constexpr std::size_t kObxFields = 19, kObrFields = 25;
  /// A text that several OBX tell.
  struct PendingText {
    const CodeRow* row = nullptr;  ///< null: there is none
    Event event{};
    std::string text{};
    std::uint64_t lines = 0, first = 0;
  };
  void refuse(const CodeRow* row, ValueProblem problem, std::uint64_t ordinal, std::uint64_t observations = 1);
  void refuse(const CodeRow* row, ValueProblem problem) { refuse(row, std::move(problem), ordinal_); }
  std::optional<ObxStatus> status_of(bool& told) const;
  CodeRow* find_row(std::string_view unit);
  void count_unmapped(std::string_view unit);
  Moment time_of(bool withdraws);
  Moment find_moment();
  std::string_view specimen_time();
  Revision revision();
  Revision revision_of(std::string_view stamp) const;
  void append_order();
  void new_group();
  std::string result_id(bool withdraws);
  void fill(Event& event, PersonContext& person, const Moment& moment, ResultStatus status);
  void withdraw(const CodeRow& row, ResultStatus status, PersonContext& person);
  void take_value(CodeRow& row, ResultStatus status, PersonContext& person);
  void take_text(const CodeRow& row, ResultStatus status, PersonContext& person, const ObxValue& value);
  bool find_time(const CodeRow& row, Moment& moment);
  void note_clock(const Moment& moment);

  const Schema& schema_;
  const CodecLimits& limits_;
  CodeMap& codes_;
  UnmappedCodes& unmapped_;
  const PersonReader& persons_;
  const MessageContext* context_ = nullptr;
  Decoded* out_ = nullptr;
  Fields<kObxFields> obx_;  // the one that is looked at
  Fields<kObrFields> obr_;  // of its group; empty: there is none
  Segment orc_;             // the last one
  std::size_t obr_index_ = 0;
  bool specimen_known_ = false;
  std::string_view specimen_time_;
  std::string order_;          // what begins the ids of the group's results; empty: not made yet, or there is no order
  std::string_view timed_by_;  // the OBX-14 of which moment_ is, of the same group
  std::optional<Moment> moment_;
  std::optional<Revision> reported_;  // by OBR-22, else MSH-7
  std::uint64_t ordinal_ = 0;         // of the OBX in the message
  PendingText pending_;
  ToldFacts told_;
  std::string code_;
};

}  // namespace lacuna::streaming::hl7
