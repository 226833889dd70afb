#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "state/records/schema.h"
#include "streaming/messages/json_value.h"
#include "streaming/messages/json_writer.h"

// Payloads as messages carry them: {"dtype":"uint8","shape":[1,28,28],"data":"<base64>"}, and texts. Private to streaming/.

namespace lacuna::streaming {

/// The members of "payload" as written, before it is known which modality they belong to. Views as in RawValue.
struct RawPayload {
  std::optional<std::string_view> dtype, data;
  std::optional<std::vector<std::size_t>> shape;
  bool imputed = false;
  std::optional<ValueProblem> problem;
};
/// False: no JSON.
bool read_payload(ondemand::value value, RawPayload& out);

/// What of "payload" and "text" an event or a snapshot gave for one modality.
struct GivenPayload {
  std::optional<RawPayload> payload;
  std::optional<std::string_view> text;
};

/// The payload as it goes into a record, or why not: of another kind, shape or size than the modality's, values that are not
/// finite or outside its range, nothing that was observed. A NaN in floating-point data, and the modality's mark for missing, are values
/// that were not observed. `given` holds at least one of the two.
std::optional<ValueProblem> take_payload(const Modality& modality, const GivenPayload& given, std::size_t bytes_max, PayloadRef& out);

/// The shape of a modality's payloads; empty for text and tabular.
std::vector<std::uint32_t> payload_shape(const Modality& modality);
void write_shape(JsonWriter& json, const Modality& modality);
/// "payload":{...} or "text":"...". In the smallest dtype that holds all values exactly: whole numbers as uint8, int16 or uint16,
/// others, and payloads with gaps, as float32 with NaN where nothing was observed.
void write_payload(JsonWriter& json, const Modality& modality, const Payload& payload);
/// As text: base64 of the float32, little-endian.
void write_floats(JsonWriter& json, std::string_view key, const std::vector<float>& values);

}  // namespace lacuna::streaming
