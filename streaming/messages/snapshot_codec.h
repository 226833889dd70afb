#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "state/records/records.h"
#include "state/records/status.h"
#include "streaming/messages/event_decoder.h"

// Snapshots as HTTP takes and gives them (docs/messages.md).

namespace lacuna::streaming {

/// A snapshot as `POST /v1/impute` takes it:
/// {"patient_id":"x","time":"...","attributes":{...},"values":{"vitals":{"hr":{"value":73,"time":"..."} or 73}},
/// "payloads":{"chest_film":{"payload":{...},"time":"..."},"report":{"text":"..."}}}.
/// All problems at once, as one message.
Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now);

/// Joint samples that one request may ask for.
inline constexpr std::size_t kSamplesMax = 100;

/// A snapshot and what else `POST /v1/impute` takes: "samples": how many joint samples to add (0: none), "seed": for others,
/// "explain": whether to say how much each modality had to say, "latent": whether to say what the patient is taken for.
struct ImputeRequest {
  Snapshot snapshot;
  std::size_t samples = 0;
  std::uint64_t seed = 0;
  bool explain = false;
  bool latent = false;
};
Result<ImputeRequest> decode_impute_request(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now);
/// For GET /v1/patients/{id}: what is known, with times and ages; of payloads not the data.
std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot, Time now);

}  // namespace lacuna::streaming
