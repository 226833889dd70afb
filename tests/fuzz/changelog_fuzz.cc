#include <cstdint>
#include <string_view>

#include "tests/fuzz/state_records.h"

// The values of lacuna.state, and the examples of the replay buffer, which hold a snapshot too.

namespace {

using namespace lacuna::state;

void check_shape(const lacuna::Schema& schema, const lacuna::Snapshot& s) {
  fuzz::require(s.features.size() == schema.feature_count() && s.modalities.size() == schema.modality_count() &&
                    s.attributes.size() == schema.attributes().size() && s.recent_ids.size() <= lacuna::kRecentIdsMax,
                "a snapshot has the schema's shape");
  for (std::size_t m = 0; m < s.modalities.size(); ++m) {
    const lacuna::Modality& modality = schema.modalities()[m];
    const lacuna::PayloadRef& payload = s.modalities[m].payload;
    fuzz::require(!payload || check_payload(modality.kind, modality.payload, *payload).ok(), "a payload fits the schema");
  }
}

void check_schema(const lacuna::Schema& schema, std::string_view bytes) {
  const auto decode = [&](std::string_view b) { return decode_snapshot(schema, b); };
  fuzz::check(bytes, decode, [&](const lacuna::Snapshot& s) { return encode_snapshot(schema, s); });
  if (const auto snapshot = decode(bytes); snapshot.ok()) check_shape(schema, *snapshot);

  const auto example = [&](std::string_view b) { return decode_example(schema, b); };
  fuzz::check(bytes, example, [&](const lacuna::Example& e) { return encode_example(schema, e); });
  if (const auto decoded = example(bytes); decoded.ok()) check_shape(schema, decoded->before);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lacuna::Schema tabular = testing::test_schema();
  static const lacuna::Schema every_kind = testing::payload_schema();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_schema(tabular, bytes);
  check_schema(every_kind, bytes);
  fuzz::check(bytes, decode_position, encode_position);
  return 0;
}
