#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "state/records/records.h"
#include "streaming/hl7/decoded.h"
#include "streaming/hl7/message_decoder.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/refusal.h"

namespace lacuna::daemon {

/// Records of the input topics to events, each in the format that its content-type or else topics.events tells. Not thread-safe.
class RecordDecoder {
 public:
  explicit RecordDecoder(const Config& config);

  struct Outcome {
    std::vector<Event> events;                  ///< of one person
    std::vector<streaming::RefusedPart> parts;  ///< what was refused while the rest lives on
    std::optional<streaming::Refused> refused;  ///< the whole record: then there are no events
    streaming::hl7::FeedCounts feed{};          ///< of HL7 v2
  };
  /// `record` has a value. Without events and without a refusal it held nothing that is asked for.
  Outcome decode(const streaming::Record& record, Time now);

 private:
  EventFormat format_of(const streaming::Record& record);
  void decode_hl7(const streaming::Record& record, Time now, Outcome& out);

  const Config& config_;
  streaming::EventDecoder json_;
  Result<streaming::hl7::MessageDecoder> hl7_;
  streaming::hl7::Decoded decoded_;
  std::map<std::string, EventFormat> formats_;  ///< by topic, of those that came
};

}  // namespace lacuna::daemon
