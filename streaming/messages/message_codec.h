#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "state/records/status.h"
#include "streaming/log/event_log.h"

// The JSON messages of docs/messages.md, from and to records.

namespace lacuna::streaming {

/// Why something was refused; a small closed set, used as metric label and in dead-letter headers.
enum class Refusal : std::uint8_t {
  malformed,        ///< not JSON, wrong type, missing member, wrong schema_version, not UTF-8
  too_large,        ///< message, text or count over its limit
  unknown_modality,
  unknown_feature,
  out_of_range,     ///< not finite, outside the plausible range, not one of the categories, not a whole count, of another shape
  unit,             ///< a unit that cannot be converted to the schema's
  time,             ///< no zone, unreadable, or too far in the future
  imputed,          ///< an imputation that came back as observation
  late,             ///< older than the lateness limit allows (decided by the pipeline)
  poison,           ///< made later stages fail (decided by the pipeline)
};
std::string_view to_string(Refusal refusal);
inline constexpr std::size_t kRefusalCount = 10;

struct CodecLimits {
  std::size_t message_bytes_max = 1 << 20;
  std::size_t payload_bytes_max = 4 << 20;  ///< of a payload's numbers, or of a text
  std::size_t id_bytes_max = 128;      ///< event_id, patient_id, site
  std::size_t values_max = 4096;       ///< members of "values"
  Millis future_max{std::chrono::hours(1)};  ///< an event this far past `now` is refused
};

/// One part that was refused while the rest of the event lives on. `what` names the feature ("vitals.hr"), or is the
/// member's path ("chest_film.payload"); `message` never holds a value or an identifier.
struct RefusedPart {
  Refusal reason;
  std::string what;
  std::string message;
};

struct DecodedEvent {
  Event event;
  std::vector<RefusedPart> refused;  ///< bad features; the event holds the good ones. At least one good one, a payload, or attributes.
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

/// A snapshot as `POST /v1/impute` takes it:
/// {"patient_id":"x","time":"...","attributes":{...},"values":{"vitals":{"hr":{"value":73,"time":"..."} or 73}},
/// "payloads":{"chest_film":{"payload":{...},"time":"..."},"report":{"text":"..."}}}.
/// All problems at once, as one message.
Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now);

/// Joint samples that one request may ask for.
inline constexpr std::size_t kSamplesMax = 100;

/// A snapshot and what else `POST /v1/impute` takes: "samples": how many joint samples to add (0: none), "seed": for others,
/// "explain": whether to say how much each modality had to say.
struct ImputeRequest {
  Snapshot snapshot;
  std::size_t samples = 0;
  std::uint64_t seed = 0;
  bool explain = false;
};
Result<ImputeRequest> decode_impute_request(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now);

std::string encode_event(const Schema& schema, const Event& event);
/// {"payload":{...}} or {"text":"..."}, as an event of the modality carries it.
std::string encode_payload(const Modality& modality, const Payload& payload);
std::string encode_imputation(const Schema& schema, const Imputation& imputation);
std::string encode_alert(const Alert& alert);
/// For GET /v1/patients/{id}: what is known, with times and ages; of payloads not the data.
std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot, Time now);

/// The original bytes and the reason as headers (Kafka Connect's names: docs/messages.md). `part` is given when only a
/// part of the event was refused.
OutputRecord make_dead_letter(const std::string& topic, const Record& original, Refusal reason, std::string_view stage,
                              std::string_view message);

/// value x factor + offset takes a value in `from` to `to`; empty when the conversion is not known. UCUM codes,
/// case-sensitive. Amount-to-mass conversions depend on the substance and are known for named features only
/// (`feature` is e.g. "glucose").
struct UnitConversion {
  double factor = 1;
  double offset = 0;
};
std::optional<UnitConversion> unit_conversion(std::string_view feature, std::string_view from, std::string_view to);

}  // namespace lacuna::streaming
