#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "state/person_records.h"
#include "state/records/schema_bytes.h"
#include "state/stored_records.h"
#include "tests/unit/state/workload.h"

// One record of each stored form. tests/fixtures/formats-vN holds them as version N wrote them; the values here never change, so that
// every later version can be held against them.

namespace lacuna::state::testing {

inline Snapshot documented_snapshot(const Schema& schema) {
  Snapshot s = new_snapshot(schema, "132539");
  s.site = "icu-4";
  s.first_time = at_minutes(0);
  s.last_time = at_minutes(7);
  s.event_count = 2;
  s.features[0] = {73, at_minutes(7), 2, 73.5F, 73.25F, -1, 74};
  s.modalities[0] = {at_minutes(7), 2};
  s.attributes[0] = 54.0F;
  s.recent_ids = {0x0123456789abcdef};
  s.source = {"lacuna.events", 3, 88'121};
  return s;
}

/// As the changelog holds it: without changelog_next and written.
inline PartitionPosition documented_position() { return {"lacuna.events", 3, {88'122, 0, {88'122, 88'000, 100, 12, 10, 5}, {}}}; }

inline NamedBlob documented_checkpoint() { return {"000412-9f3c21aa", "weights"}; }

/// With every field in use, and more than one entry in each array.
inline Snapshot full_snapshot(const Schema& schema) {
  Snapshot s = documented_snapshot(schema);
  s.features[4] = {1e-3, at_minutes(-90), 4'000'000'000, 0.5F, -0.25F, 1e-20F, 0.125F};
  s.features[8] = {-7, at_minutes(3), 1, -7, -7, 0, -7};
  s.modalities[1] = {at_minutes(-90), 4'000'000'000};
  s.modalities[2] = {at_minutes(3), 1};
  s.attributes[1] = 1.0F;
  s.recent_ids.push_back(0xfedcba9876543210);
  return s;
}

inline Example full_example(const Schema& schema) {
  Example e{full_snapshot(schema), at_minutes(9), {{7, 12.5}, {2, 0}}};
  e.before.recent_ids.clear();
  e.before.source = {};
  return e;
}

/// With a payload of every kind, some with gaps. Written in the schema payload_schema(), as is the example below.
inline Snapshot payload_snapshot(const Schema& schema) {
  Snapshot s = new_snapshot(schema, "132539");
  s.first_time = at_minutes(0);
  s.last_time = at_minutes(7);
  s.event_count = 4;
  s.modalities[1] = {at_minutes(0), 1, PayloadRef(Payload{{0, 0.5F, 1, 254, 255, -1, 1e-3F, 2, 3, 4, 5, 6}, {}, ""})};
  s.modalities[2] = {at_minutes(1), 2, PayloadRef(Payload{{}, {}, "no acute disease, \xc2\xb5"})};
  s.modalities[3] = {at_minutes(7), 1, PayloadRef(Payload{{1, -2, 0, 4, 5, 6, 7, 0}, {1, 1, 0, 1, 1, 1, 1, 0}, ""})};
  s.recent_ids = {1, 2, 3, 4};
  s.source = {"lacuna.events", 3, 88'121};
  return s;
}

inline Example payload_example(const Schema& schema) {
  Example e{payload_snapshot(schema), at_minutes(9), {{1, 12.5}}};
  e.before.recent_ids.clear();
  e.before.source = {};
  e.arrived_payloads = {{4, PayloadRef(Payload{{0.25F, -0.5F, 0.75F, 1}, {}, ""})}, {2, PayloadRef(Payload{{}, {}, "effusion"})}};
  return e;
}

/// An ordinary event, one of a result with a revision and its id, and a result that was withdrawn.
inline PersonJournal documented_journal() {
  constexpr std::uint64_t kEvent = 0x1122334455667788, kReport = 0x99aabbccddeeff00, kResult = 0x0102030405060708;
  constexpr std::uint32_t kHour = 490'896;  // 2026-01-01T00:00Z
  const Revision second{Revision::Kind::number, 2};
  PersonJournal out;
  out.state = {88'000, 88'003, 88'001, 1204, 5, kHour - 1, kHour};
  const auto insert = [&out](PartKey part, std::uint64_t fact, Time time, double value) {
    out.changes.push_back({part, {HistoryChange::Kind::insert, fact, time, value}});
    return DeliveredPart{part, value_tag(value, time), false, {}};
  };
  DeliveryRow event{kEvent, {kHour, {}}};
  event.delivery.parts.push_back(insert(0x012345, kEvent, at_minutes(5), 36.8));
  event.delivery.parts.push_back(insert(0x6789ab, kEvent, at_minutes(5), 73));
  DeliveryRow report{kReport, {kHour + 1, {}}};
  report.delivery.parts.push_back(insert(0x012345, kResult, at_minutes(61), 1.0 / 3));
  report.delivery.parts.back().revision = second;
  DeliveryRow result = report;
  result.id = kResult;
  out.rows = {event, report, result, {7, {kHour + 1, {{0x012345, 0, true, {}}}}}};
  out.changes.push_back({0x012345, {HistoryChange::Kind::withdraw, 7, at_minutes(60), 0}});
  return out;
}

inline StoredHistory documented_history() {
  StoredHistory out{88'000, 88'001, {{73, at_minutes(0), 2, 73.5F, 73.25F, -1, 74}, {}}};
  out.history.window = {{at_minutes(5), 36.8, 0x1122334455667788}, {at_minutes(61), 1.0 / 3, 0x0102030405060708}};
  return out;
}

/// A result below what can be measured after one that was, and one above of which there is no other.
inline Snapshot censored_snapshot(const Schema& schema) {
  Snapshot s = documented_snapshot(schema);
  s.features[0] = {5, at_minutes(7), 2, 73.5F, 73.25F, -1, 74, Comparator::less};
  s.features[4] = {1000, at_minutes(7), 1, 6.9F, 6.9F, 0, 6.9F, Comparator::at_least, true};
  s.modalities[1] = {at_minutes(7), 1};
  return s;
}

inline Example censored_example(const Schema& schema) {
  Example e{censored_snapshot(schema), at_minutes(9), {{7, 12.5, Comparator::greater}, {2, 0}}};
  e.before.recent_ids.clear();
  e.before.source = {};
  return e;
}

inline PersonJournal censored_journal() {
  PersonJournal out = documented_journal();
  out.changes.front().change.comparator = Comparator::less;
  out.rows.front().delivery.parts.front().tag = value_tag(36.8, at_minutes(5), Comparator::less);
  return out;
}

inline StoredHistory censored_history() {
  StoredHistory out = documented_history();
  out.history.base.comparator = Comparator::at_most;
  out.history.base.unmeasured = true;
  out.history.window.back().comparator = Comparator::greater;
  return out;
}

struct Fixture {
  int since = 1;  ///< version that began to write it
  int until = 1;  ///< version that writes it still: what is not censored is as the version before has it
  std::string file;
  std::string bytes;                                         ///< as this version writes it
  std::function<Result<bool>(std::string_view bytes)> same;  ///< decodes, and compares with the record
};

template <typename Record, typename Encode, typename Decode>
Fixture fixture(std::string file, Record record, const Encode& encode, Decode decode, int since = 1, int until = 0) {
  std::string bytes = encode(record);
  return {since, until, std::move(file), std::move(bytes), [record, decode](std::string_view b) -> Result<bool> {
            const Result<Record> decoded = decode(b);
            if (!decoded.ok()) return decoded.status();
            return *decoded == record;
          }};
}

inline std::vector<Fixture> fixtures(const Schema& schema) {
  static const Schema every_kind = payload_schema();
  std::vector<Fixture> out{
      fixture(
          "snapshot_payloads.bin", payload_snapshot(every_kind), [](const Snapshot& s) { return encode_snapshot(every_kind, s); },
          [](std::string_view b) { return decode_snapshot(every_kind, b); }),
      fixture(
          "example_payloads.bin", payload_example(every_kind), [](const Example& e) { return encode_example(every_kind, e); },
          [](std::string_view b) { return decode_example(every_kind, b); }),
      fixture(
          "snapshot.bin", full_snapshot(schema), [&](const Snapshot& s) { return encode_snapshot(schema, s); },
          [&](std::string_view b) { return decode_snapshot(schema, b); }),
      fixture(
          "example.bin", full_example(schema), [&](const Example& e) { return encode_example(schema, e); },
          [&](std::string_view b) { return decode_example(schema, b); }),
      fixture("position.bin", PartitionPosition{"lacuna.events", 3, {88'122, 91'007, {88'122, 88'000, 100, 12, 10, 5}, at_minutes(11)}},
              encode_position, decode_position),
      fixture("stratum.bin", ReplayStratum{0xfedcba9876543210, 1'000'000'000'000, 781}, encode_stratum, decode_stratum),
      fixture("store.bin", StoreHeader{0x0123456789abcdef, 40'000, 0x0123456789abcdef}, encode_header, decode_header),
      fixture("named.bin", NamedBlob{"scores", std::string("\x00\xff any bytes", 12)}, encode_named_blob, decode_named_blob),
      fixture("model_chunk.bin", ModelChunk{"lacuna-0", 412, 1, 3, 0xcbf43926, "456"}, encode_model_chunk, decode_model_chunk),
      fixture("model_checkpoint.bin", PublishedModel{"weights", {{"calibration", "c"}, {"scores", std::string("\0s", 2)}}},
              encode_published_model, decode_published_model),
      fixture(
          "checkpoint.bin", documented_checkpoint(), [](const NamedBlob& c) { return encode_checkpoint_file(c.name, c.content); },
          decode_checkpoint_file),
      fixture("schema.bin", SchemaRecord{encode_schema(every_kind), true}, encode_schema_record, decode_schema_record, 2),
      fixture("store_grown.bin", StoreHeader{0xfedcba9876543210, 40'000, 0x0123456789abcdef}, encode_header, decode_header, 2),
      fixture("named_grown.bin", NamedBlob{"scores", "s", 0xfedcba9876543210}, encode_named_blob, decode_named_blob, 2),
      fixture("model_checkpoint_grown.bin", PublishedModel{"weights", {{"scores", "s"}}, encode_schema(schema)}, encode_published_model,
              decode_published_model, 2),
  };
  for (Fixture& plain : out) plain.until = kPlainFormatVersion;
  out.push_back(fixture(
      "snapshot_censored.bin", censored_snapshot(schema), [&](const Snapshot& s) { return encode_snapshot(schema, s); },
      [&](std::string_view b) { return decode_snapshot(schema, b); }, 3, 3));
  out.push_back(fixture(
      "example_censored.bin", censored_example(schema), [&](const Example& e) { return encode_example(schema, e); },
      [&](std::string_view b) { return decode_example(schema, b); }, 3, 3));
  return out;
}

/// Records of persons, which have a version of their own: tests/fixtures/persons-vN.
inline std::vector<Fixture> person_fixtures() {
  std::vector<Fixture> out{
      fixture("journal.bin", documented_journal(), encode_journal, decode_journal),
      fixture("ids.bin", DeliveryChunk{88'000, 88'003, documented_journal().rows}, encode_chunk, decode_chunk),
      fixture("history.bin", documented_history(), encode_history, decode_history),
      fixture("delivery.bin", documented_journal().rows[2].delivery, encode_delivery,
              [](std::string_view b) { return decode_delivery(b, 490'000); }),
      fixture(
          "payload.bin", Delivery{490'000, {{0x012345, 0x1122334455667788, false, {}}}}, encode_delivery,
          [](std::string_view b) { return decode_delivery(b, 490'000); }, 3),
  };
  for (Fixture& plain : out) plain.until = 3;
  out.push_back(fixture("journal_censored.bin", censored_journal(), encode_journal, decode_journal, 4, 4));
  out.push_back(fixture("history_censored.bin", censored_history(), encode_history, decode_history, 4, 4));
  return out;
}

}  // namespace lacuna::state::testing
