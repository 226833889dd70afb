// Protects: stored and published state. What is encoded comes back; bytes once written stay readable; damaged bytes are
// refused or give a record of the right shape, and never harm the reader.

#include "state/stored_records.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/unit/state/fixture_records.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

std::string unhex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}
std::string to_hex(std::string_view bytes) {
  std::string out;
  for (unsigned char c : bytes) {
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

Example random_example(const Schema& schema, Random& random) {
  Example example;
  example.before = testing::random_snapshot(schema, random, static_cast<int>(random.below(30)));
  example.time = at_minutes(6000);
  example.arrived = testing::random_event(schema, random, "x", example.time).values;
  for (ModalityId m = static_cast<ModalityId>(schema.modality_count()); m-- > 0;) {  // any order is kept
    const Modality& modality = schema.modalities()[m];
    if (modality.kind == ModalityKind::tabular || random.chance(0.4)) continue;
    example.arrived_payloads.push_back({m, testing::random_payload(modality, random)});
  }
  std::reverse(example.arrived.begin(), example.arrived.end());  // any order is kept
  return example;
}

class FormatsOfSchema : public ::testing::TestWithParam<const char*> {
 protected:
  const Schema schema = std::string(GetParam()) == "Tabular" ? testing::test_schema(5, 8) : testing::payload_schema();
};
INSTANTIATE_TEST_SUITE_P(Formats, FormatsOfSchema, ::testing::Values("Tabular", "EveryKind"), [](const auto& one) { return one.param; });

TEST_P(FormatsOfSchema, SnapshotsRoundTrip) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Snapshot snapshot = testing::random_snapshot(schema, random, static_cast<int>(random.below(100)));
    const Result<Snapshot> decoded = decode_snapshot(schema, encode_snapshot(schema, snapshot));
    ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
    ASSERT_EQ(*decoded, snapshot);
  }
}

TEST_P(FormatsOfSchema, ExamplesRoundTripWithoutIdsAndSource) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Example example = random_example(schema, random);
    const Result<Example> decoded = decode_example(schema, encode_example(schema, example));
    ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
    example.before.recent_ids.clear();
    example.before.source = {};
    ASSERT_EQ(*decoded, example);
  }
}

TEST(Formats, IdentifiersMayBeAnyBytes) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, std::string("\xff\x00 z\xc3", 5));
  snapshot.site = "\xfe";
  snapshot.first_time = snapshot.last_time = Time(Millis(-1));
  const Result<Snapshot> decoded = decode_snapshot(schema, encode_snapshot(schema, snapshot));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, snapshot);
}

TEST(Formats, SmallRecordsRoundTrip) {
  const PartitionPosition position{"lacuna.events", 7, {88'121, 5}};
  const auto p = decode_position(encode_position(position));
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(p->topic, position.topic);
  EXPECT_EQ(p->partition, position.partition);
  EXPECT_EQ(p->position, position.position);
  const NamedBlob named{"", std::string("\0\xff", 2)};
  EXPECT_EQ(*decode_named_blob(encode_named_blob(named)), named);
  EXPECT_EQ(*decode_checkpoint_file(encode_checkpoint_file("n", named.content)), (NamedBlob{"n", named.content}));
  const ReplayStratum stratum{0xfedcba9876543210, 1'000'000'000'000, 781};
  EXPECT_EQ(*decode_stratum(encode_stratum(stratum)), stratum);
  const auto h = decode_header(encode_header({42, 43}));
  ASSERT_TRUE(h.ok());
  EXPECT_EQ(h->schema_fingerprint, 42u);
  EXPECT_EQ(h->patients, 43u);
}

// The records of docs/formats.md. If this fails, stores and changelogs in the field are no longer readable.
constexpr std::string_view kDocumentedSnapshot =
    "080212063133323533391a056963752d342080d0eab6b73328a0a184b7b73330023a0100420800000000004052404a06a0a1"
    "84b7b7335201025a04000093426204008092426a04000080bf7204000094427a0100820106a0a184b7b7338a010102920101"
    "009a010400005842a20108efcdab8967452301aa010d6c6163756e612e6576656e7473b00103b801b9b005c901c233324a5a16f0c5";

constexpr std::string_view kDocumentedPosition = "0802120d6c6163756e612e6576656e7473180320bab00530bab00538c0af054064480c500a5805";
constexpr std::string_view kDocumentedCheckpoint = "080215f165964d1a0f3030303431322d3966336332316161220777656967687473";

// The same as format version 1 had them.
constexpr std::string_view kFirstSnapshot =
    "080112063133323533391a056963752d342080d0eab6b73328a0a184b7b73330023a0100420800000000004052404a06a0a1"
    "84b7b7335201025a04000093426204008092426a04000080bf7204000094427a0100820106a0a184b7b7338a010102920101"
    "009a010400005842a20108efcdab8967452301aa010d6c6163756e612e6576656e7473b00103b801b9b005";

constexpr std::string_view kFirstPosition = "0801120d6c6163756e612e6576656e7473180320bab00530bab00538c0af054064480c500a5805";
constexpr std::string_view kFirstCheckpoint = "080115e94037091a0f3030303431322d3966336332316161220777656967687473";

TEST(Formats, BytesOnceWrittenStayReadable) {
  const Schema schema = testing::test_schema();
  const Snapshot snapshot = testing::documented_snapshot(schema);
  const Result<Snapshot> decoded = decode_snapshot(schema, unhex(kDocumentedSnapshot));
  ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
  EXPECT_EQ(*decoded, snapshot);
  EXPECT_EQ(to_hex(encode_snapshot(schema, snapshot)), kDocumentedSnapshot);
  EXPECT_EQ(decode_snapshot(schema, unhex(kFirstSnapshot)).value(), snapshot);

  const Result<PartitionPosition> position = decode_position(unhex(kDocumentedPosition));
  ASSERT_TRUE(position.ok()) << position.status().to_string();
  EXPECT_EQ(*position, testing::documented_position());
  EXPECT_EQ(to_hex(encode_position(testing::documented_position())), kDocumentedPosition);
  EXPECT_EQ(decode_position(unhex(kFirstPosition)).value(), testing::documented_position());

  const NamedBlob file = testing::documented_checkpoint();
  const Result<NamedBlob> checkpoint = decode_checkpoint_file(unhex(kDocumentedCheckpoint));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().to_string();
  EXPECT_EQ(*checkpoint, file);
  EXPECT_EQ(to_hex(encode_checkpoint_file(file.name, file.content)), kDocumentedCheckpoint);
  EXPECT_EQ(decode_checkpoint_file(unhex(kFirstCheckpoint)).value(), file);
}

TEST(Formats, NewerVersionsAreUnsupportedAndNoneIsCorrupt) {
  const Schema schema = testing::test_schema();
  Random random(1);
  // In every record field 1 is the version; of a field that comes twice the later one counts.
  const std::string newer("\x08\x04", 2), none("\x08\x00", 2);
  const std::string snapshot = encode_snapshot(schema, testing::random_snapshot(schema, random, 10));
  const std::string example = encode_example(schema, random_example(schema, random));
  EXPECT_EQ(decode_snapshot(schema, snapshot + newer).code(), Code::unsupported);
  EXPECT_EQ(decode_example(schema, example + newer).code(), Code::unsupported);
  EXPECT_EQ(decode_position(encode_position({}) + newer).code(), Code::unsupported);
  EXPECT_EQ(decode_stratum(encode_stratum({}) + newer).code(), Code::unsupported);
  EXPECT_EQ(decode_header(encode_header({}) + newer).code(), Code::unsupported);
  EXPECT_EQ(decode_snapshot(schema, snapshot + none).code(), Code::corrupt);
  EXPECT_EQ(decode_snapshot(schema, "").code(), Code::corrupt);
}

TEST(Formats, WrongShapesAreCorrupt) {
  const Schema schema = testing::test_schema();
  Random random(2);
  const Snapshot good = testing::random_snapshot(schema, random, 50);
  const std::string bytes = encode_snapshot(schema, good);
  // One entry more in each parallel array of 4 or 8 byte numbers, and of varints.
  for (const char* more : {"4208"
                           "000000000000f03f",
                           "5a04"
                           "0000803f",
                           "6204"
                           "0000803f",
                           "6a04"
                           "0000803f",
                           "7204"
                           "0000803f",
                           "3a01"
                           "7f",
                           "4a01"
                           "05",
                           "5201"
                           "05",
                           "7a01"
                           "7f",
                           "820101"
                           "05",
                           "8a0101"
                           "05",
                           "920101"
                           "05",
                           "9a0104"
                           "0000803f"}) {
    EXPECT_EQ(decode_snapshot(schema, bytes + unhex(more)).code(), Code::corrupt) << more;
  }
  const Schema smaller = testing::test_schema(2, 2);
  EXPECT_EQ(decode_snapshot(smaller, bytes).code(), Code::unsupported) << "another schema's";
  std::string claims = bytes + "\xc9\x01";  // of a field that comes twice the later one counts
  for (int shift = 0; shift < 64; shift += 8) claims.push_back(static_cast<char>(smaller.fingerprint() >> shift & 0xff));
  EXPECT_EQ(decode_snapshot(smaller, claims).code(), Code::corrupt) << "features the schema does not have";

  const std::vector<std::function<void(Snapshot&)>> breaks{
      [](Snapshot& s) { s.features[0] = {std::nan(""), s.last_time, 1, 0, 0, 0, 0}; },
      [](Snapshot& s) { s.features[0] = {1, s.last_time, 1, 0, 0, std::numeric_limits<float>::infinity(), 0}; },
      [](Snapshot& s) { s.features[0] = {1, Time::max(), 1, 0, 0, 0, 0}; },
      [](Snapshot& s) {
        s.modalities[0] = {Time::min(), 1};
      },
      [](Snapshot& s) { s.last_time = Time::max(); },
      [](Snapshot& s) { s.attributes[1] = std::numeric_limits<float>::quiet_NaN(); },
      [](Snapshot& s) { s.recent_ids.assign(kRecentIdsMax + 1, 5); },
  };
  for (std::size_t i = 0; i < breaks.size(); ++i) {
    Snapshot bad = good;
    breaks[i](bad);
    EXPECT_EQ(decode_snapshot(schema, encode_snapshot(schema, bad)).code(), Code::corrupt) << i;
  }
  Example twice;
  twice.before = good;
  twice.arrived = {{1, 2.0}, {1, 3.0}};
  EXPECT_EQ(decode_example(schema, encode_example(schema, twice)).code(), Code::corrupt);
  EXPECT_EQ(decode_stratum(encode_stratum({1, 2, 3})).code(), Code::corrupt) << "more stored than offered";
  EXPECT_EQ(decode_position(encode_position({"t", -1, {}})).code(), Code::corrupt);
}

TEST(Formats, PayloadsThatDoNotFitTheSchemaAreCorrupt) {
  const Schema schema = testing::payload_schema();
  Snapshot good = new_snapshot(schema, "p");
  Random random(3);
  for (ModalityId m = 1; m < 5; ++m) good.modalities[m] = {at_minutes(1), 1, testing::random_payload(schema.modalities()[m], random)};
  ASSERT_TRUE(decode_snapshot(schema, encode_snapshot(schema, good)).ok());
  const auto change = [](ModalityState& state, auto edit) {
    Payload payload = *state.payload;
    edit(payload);
    state.payload = PayloadRef(std::move(payload));
  };
  const std::vector<std::function<void(Snapshot&)>> breaks{
      [&](Snapshot& s) { change(s.modalities[1], [](Payload& p) { p.values.pop_back(), p.observed.clear(); }); },
      [&](Snapshot& s) { change(s.modalities[3], [](Payload& p) { p.values[0] = std::nanf(""); }); },
      [&](Snapshot& s) { change(s.modalities[4], [](Payload& p) { p.observed = {1}; }); },
      [&](Snapshot& s) { change(s.modalities[4], [](Payload& p) {
                           p.observed = {1, 1, 1, 2};
                         }); },
      [&](Snapshot& s) { change(s.modalities[2], [](Payload& p) { p.text.clear(); }); },
      [&](Snapshot& s) { change(s.modalities[3], [](Payload& p) { p.text = "x"; }); },
      [&](Snapshot& s) {
        s.modalities[0] = {at_minutes(1), 1, s.modalities[1].payload};
      },
      [&](Snapshot& s) { std::swap(s.modalities[1].payload, s.modalities[2].payload); },
  };
  Example example{good, at_minutes(2), {}};
  for (std::size_t i = 0; i < breaks.size(); ++i) {
    Snapshot bad = good;
    breaks[i](bad);
    EXPECT_EQ(decode_snapshot(schema, encode_snapshot(schema, bad)).code(), Code::corrupt) << i;
    example.arrived_payloads.clear();
    for (ModalityId m = 0; m < 5; ++m) {
      if (bad.modalities[m].payload) example.arrived_payloads.push_back({m, bad.modalities[m].payload});
    }
    EXPECT_EQ(decode_example(schema, encode_example(schema, example)).code(), Code::corrupt) << i;
  }
  example.arrived_payloads.assign(2, {1, good.modalities[1].payload});
  EXPECT_EQ(decode_example(schema, encode_example(schema, example)).code(), Code::corrupt) << "one modality twice";

  // Field 24 of a snapshot: modality 2 with the text "x", after the ones that are there; numbers cut short; a modality that the
  // schema does not have; one without events.
  const std::string bytes = encode_snapshot(schema, good);
  for (const char* more : {"c201050802220178",
                           "c2010908041205"
                           "0000000000",
                           "c201050805220178"}) {
    EXPECT_EQ(decode_snapshot(schema, bytes + unhex(more)).code(), Code::corrupt) << more;
  }
  const std::string empty = encode_snapshot(schema, new_snapshot(schema, "p"));
  EXPECT_EQ(decode_snapshot(schema, empty + unhex("c201050802220178")).code(), Code::corrupt);
}

void mutate(std::string& bytes, Random& random) {
  for (std::uint64_t edits = 1 + random.below(4); edits > 0 && !bytes.empty(); --edits) {
    const std::size_t at = random.below(bytes.size());
    switch (random.below(5)) {
      case 0: bytes[at] = static_cast<char>(random.below(256)); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
      case 2: bytes.erase(at, 1 + random.below(9)); break;
      case 3: bytes.insert(at, std::string(1 + random.below(9), static_cast<char>(random.below(256)))); break;
      default: bytes.resize(at); break;
    }
  }
}

void expect_sound(const Schema& schema, const Snapshot& s) {
  ASSERT_EQ(s.features.size(), schema.feature_count());
  ASSERT_EQ(s.modalities.size(), schema.modality_count());
  ASSERT_EQ(s.attributes.size(), schema.attributes().size());
  ASSERT_LE(s.recent_ids.size(), kRecentIdsMax);
  for (const FeatureState& f : s.features) {
    ASSERT_TRUE(std::isfinite(f.last) && std::isfinite(f.mean_short) && std::isfinite(f.slope));
    ASSERT_TRUE(std::isfinite(hours_between(f.time, s.last_time)));  // and does not overflow
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    const PayloadRef& payload = s.modalities[m].payload;
    ASSERT_TRUE(!payload || check_payload(modality.kind, modality.payload, *payload).ok());
  }
  const Result<Snapshot> again = decode_snapshot(schema, encode_snapshot(schema, s));
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(*again, s);
}

TEST_P(FormatsOfSchema, DamagedBytesNeverHarmTheReader) {
  const std::uint64_t seed = 77;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  int accepted = 0, refused = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string snapshot = encode_snapshot(schema, testing::random_snapshot(schema, random, 8));
    mutate(snapshot, random);
    const Result<Snapshot> decoded = decode_snapshot(schema, snapshot);
    (decoded.ok() ? accepted : refused) += 1;
    if (decoded.ok()) expect_sound(schema, *decoded);
    if (i % 4 == 0) {
      std::string example = encode_example(schema, random_example(schema, random));
      mutate(example, random);
      const Result<Example> e = decode_example(schema, example);
      if (e.ok()) {
        expect_sound(schema, e->before);
        for (const FeatureValue& v : e->arrived) ASSERT_LT(v.feature, schema.feature_count());
      }
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace lacuna::state
