#include <cstdint>
#include <string_view>

#include "tests/fuzz/state_records.h"

// The values of lacuna.state, and the examples of the replay buffer, which hold a snapshot too.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lacuna::state;
  static const lacuna::Schema schema = testing::test_schema();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto check_shape = [](const lacuna::Snapshot& s) {
    fuzz::require(s.features.size() == schema.feature_count() && s.modalities.size() == schema.modality_count() &&
                      s.attributes.size() == schema.attributes().size() && s.recent_ids.size() <= lacuna::kRecentIdsMax,
                  "a snapshot has the schema's shape");
  };
  const auto decode = [](std::string_view b) { return decode_snapshot(schema, b); };
  fuzz::check(bytes, decode, [](const lacuna::Snapshot& s) { return encode_snapshot(schema, s); });
  if (const auto snapshot = decode(bytes); snapshot.ok()) check_shape(*snapshot);

  const auto example = [](std::string_view b) { return decode_example(schema, b); };
  fuzz::check(bytes, example, [](const lacuna::Example& e) { return encode_example(schema, e); });
  if (const auto decoded = example(bytes); decoded.ok()) check_shape(decoded->before);

  fuzz::check(bytes, decode_position, encode_position);
  return 0;
}
