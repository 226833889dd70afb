#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "streaming/messages/refusal.h"

// Event messages (docs/messages.md) to records.

namespace lacuna::streaming {

struct CodecLimits {
  std::size_t message_bytes_max = 1 << 20;
  std::size_t payload_bytes_max = 4 << 20;          ///< of a payload's numbers, or of a text
  std::size_t id_bytes_max = 128;                   ///< event_id, patient_id, site, result.id
  std::size_t values_max = 4096;                    ///< members of "values"
  Millis past_max{std::chrono::hours(24 * 36500)};  ///< an event further back than this is refused; a century
  Millis future_max{std::chrono::hours(1)};         ///< an event this far past `now` is refused
};

struct DecodedEvent {
  Event event;
  /// Bad features; the event holds the good ones. At least one good one, a payload, attributes, or something said of the result, the
  /// person or the stay.
  std::vector<RefusedPart> refused;
};

/// Why a whole event was refused.
struct Refused {
  Refusal reason;
  std::string message;
};

/// Decodes events. Not thread-safe (reuses its parser's buffers): one per thread. The schema must outlive it.
class EventDecoder {
 public:
  EventDecoder(const Schema& schema, CodecLimits limits);
  ~EventDecoder();
  EventDecoder(EventDecoder&&) noexcept;

  struct Outcome {
    std::optional<DecodedEvent> decoded;
    std::optional<Refused> refused;  ///< exactly one of the two is set
  };
  Outcome decode(std::string_view json, Time now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::streaming
