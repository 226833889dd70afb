// Goal: what a program gets of a record holds all that a person is shown. Method: the records that the daemon writes, as lines.
#include "daemon/commands/json_record.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "daemon/commands/pretty_record.h"
#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/transfers.h"
#include "state/patient.h"
#include "state/person_records.h"
#include "state/store.h"
#include "streaming/messages/dead_letter.h"
#include "tests/unit/daemon/http/fixtures.h"

namespace lacuna::daemon {
namespace {

using nlohmann::json;
using streaming::Record;

class JsonRecord : public ::testing::Test {
 protected:
  static Record record(std::string key, std::optional<std::string> value) {
    Record r;
    r.position = {"any", 2, 41};
    r.timestamp = testing::at("2026-01-01T00:07:00Z");
    r.key = std::move(key);
    r.value = std::move(value);
    return r;
  }
  json state(const std::string& key, const std::string& value) {
    return json::parse(json_record(config_, config_.topics.state, record(key, value)));
  }
  static json whole(const Record& r) {
    const std::string line = whole_record("t", r);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    return json::parse(line);
  }
  const Config config_ = testing::small_config();
};

// confluentinc/kafka-rest#698 and #1133: a dead letter's reason stands in its headers, and they were not given. Nor were key and time
// (provectus/kafka-ui#407, confluentinc/kafka-rest#935).
TEST_F(JsonRecord, AWholeDeadLetterSaysWhy) {
  const std::string broken = "{\"broken\n";
  const streaming::OutputRecord letter = streaming::make_dead_letter("d", {"lacuna", "lacuna-0"}, record("132539", broken),
                                                                     streaming::Refusal::malformed, "decode", "not JSON");
  Record r = record("132539", *letter.value);
  r.headers = letter.headers;
  const json out = whole(r);
  EXPECT_EQ(out.at("topic"), "t");
  EXPECT_EQ(out.at("partition"), 2);
  EXPECT_EQ(out.at("offset"), 41);
  EXPECT_EQ(out.at("time"), "2026-01-01T00:07:00Z");
  EXPECT_EQ(out.at("key"), "132539");
  EXPECT_EQ(out.at("value"), broken) << "as it came";
  std::map<std::string, std::string> headers;
  for (const json& h : out.at("headers")) headers[h.at("name")] = h.at("value");
  EXPECT_EQ(headers.at("__connect.errors.exception.message"), "not JSON");
  EXPECT_EQ(headers.at("__connect.errors.topic"), "any");
  EXPECT_EQ(headers.size(), letter.headers.size());
}

// edenhill/kcat#52: a tombstone must not look like an empty value. provectus/kafka-ui#4352: of two headers of one name both are told.
// tchiotludo/akhq#1342, redpanda-data/console#610: headers and values that are no text are not left out.
TEST_F(JsonRecord, NothingOfARecordIsLeftOut) {
  EXPECT_TRUE(whole(record("k", std::nullopt)).at("value").is_null());
  EXPECT_EQ(whole(record("k", "")).at("value"), "");
  Record r = record("\xff\x01", "a\xff");
  r.headers = {{"h", "1"}, {"h", "2"}, {"binary", std::string("\x00\xfe", 2)}, {"empty", ""}};
  const json out = whole(r);
  EXPECT_EQ(out.at("key_base64"), "/wE=");
  EXPECT_EQ(out.at("value_base64"), "Yf8=");
  EXPECT_EQ(out.at("headers"), json::parse(R"([{"name":"h","value":"1"},{"name":"h","value":"2"},{"name":"binary","value_base64":"AP4="},)"
                                           R"({"name":"empty","value":""}])"));
}

// kafbat/kafka-ui#407: of a topic that a program keeps for itself only bytes are shown, and one asks what they say.
TEST_F(JsonRecord, TheChangelogSaysWhatItHolds) {
  const Schema& schema = *config_.schema;
  Snapshot s = state::new_snapshot(schema, "132539");
  s.event_count = 3;
  s.features[0].count = 2;
  s.last_time = testing::at("2026-01-01T00:07:00Z");
  const json snapshot = state("132539", state::encode_snapshot(schema, s));
  EXPECT_EQ(snapshot.at("snapshot").at("events"), 3);
  EXPECT_EQ(snapshot.at("snapshot").at("last_time"), "2026-01-01T00:07:00Z");
  EXPECT_EQ(snapshot.at("snapshot").at("known"), 1);
  EXPECT_EQ(snapshot.at("snapshot").at("features"), schema.feature_count());
  EXPECT_EQ(snapshot.at("key"), "132539");
  EXPECT_TRUE(snapshot.contains("bytes"));

  state::PartitionPosition position{"lacuna.events", 3, {}};
  position.position.input_next = 42;
  EXPECT_EQ(state("lacuna.events#partition", state::encode_position(position)).at("position").at("next"), 42);
  EXPECT_EQ(state(state::person_record_key("132539", state::PersonRecordKind::history, 16), "x").at("person"), "results");
  EXPECT_EQ(state(state::schema_key(schema.fingerprint()), "x").at("schema"), "present");
  EXPECT_EQ(state(state::schema_key(schema.fingerprint() + 1), "x").at("schema"), "another");
  EXPECT_TRUE(state("132539", "\xff\x01").contains("problem"));
  EXPECT_TRUE(json::parse(json_record(config_, config_.topics.state, record("132539", std::nullopt))).at("tombstone"));
}

// redpanda-data/console#987, apache/kafka#8903: what a program puts into a topic for itself, its users want to look at. A piece of a model
// says of which checkpoint it is, and what is on its way of a merged person says whose it is.
TEST_F(JsonRecord, PiecesOfACheckpointAndMergedPersonsAreNamed) {
  const auto both = [this](const std::string& topic, const Record& r) {
    return std::pair(json::parse(json_record(config_, topic, r)), pretty_record(config_, topic, r));
  };
  const Record piece = record("ward/1", state::encode_model_chunk({"ward", 17, 1, 4, 0, "weights"}));
  const auto [model, model_line] = both(config_.topics.model, piece);
  EXPECT_EQ(model.at("checkpoint"), json::parse(R"({"instance":"ward","number":17,"chunk":1,"chunks":4})"));
  EXPECT_EQ(model_line, "2@41 ward/1: " + std::to_string(piece.value->size()) + " bytes, checkpoint 17 of ward, piece 2 of 4\n");
  EXPECT_TRUE(both(config_.topics.model, record("ward/1", "\xff")).first.contains("problem"));

  Transfer moved{Transfer::Kind::state, "b", {"a"}, {}, {}};
  moved.original.value = "\x01\x02";
  const streaming::OutputRecord sent = to_record(config_, moved);
  Record r = record(sent.key, *sent.value);
  r.headers = sent.headers;
  const auto [transfer, transfer_line] = both(config_.topics.transfers, r);
  EXPECT_EQ(transfer.at("key"), "b");
  EXPECT_EQ(transfer.at("merged"), json::parse(R"(["a"])"));
  EXPECT_EQ(transfer_line, "2@41 b: 2 bytes, what is known of a\n");
  r.headers.clear();
  EXPECT_FALSE(both(config_.topics.transfers, r).first.contains("merged")) << "nobody's word";
}

}  // namespace
}  // namespace lacuna::daemon
