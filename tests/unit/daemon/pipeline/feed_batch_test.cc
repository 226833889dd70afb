// HL7 v2 records through a batch: which format a record has, that a message of many results is one record in every count, that what is
// refused of it is one dead letter, and that results are corrected, withdrawn and merged whatever message says so. No model: what is
// imputed is not asked here.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/record_decoder.h"
#include "state/store.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

std::shared_ptr<const Schema> schema() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "lab";
  for (const char* name : {"glucose", "sodium", "potassium"}) {
    Feature f;
    f.name = name;
    f.unit = std::string(name) == "glucose" ? "mg/dL" : "mmol/L";
    f.low = 0;
    f.high = 1000;
    specs[0].features.push_back(f);
  }
  return std::make_shared<const Schema>(*Schema::make(std::move(specs), {}));
}

class FeedBatch : public ::testing::Test {
 protected:
  FeedBatch() {
    state::StoreOptions options;
    options.path = folder_.path() + "/state";
    auto opened = state::Store::open(*config_.schema, options);
    if (opened.ok()) store_ = std::move(*opened);
  }
  static Config config() {
    Config out;
    out.schema = schema();
    out.late_max = std::chrono::hours(1000);
    out.topics.formats["lacuna.events"] = EventFormat::hl7v2;
    out.hl7.codes["GLU"] = {"lab.glucose", "", {}, {}};
    out.hl7.codes["NA"] = {"lab.sodium", "", {}, {}};
    out.hl7.codes["K"] = {"lab.potassium", "", {}, {}};
    return out;
  }
  static Time now() { return *parse_rfc3339("2026-01-03T00:00:00Z"); }
  static std::string oru(const std::string& patient, const std::vector<std::string>& obx, const std::string& sent = "20260102100000") {
    std::string out = "MSH|^~\\&|LIS||||" + sent + "+0000||ORU^R01|1|P|2.5\rPID|1||" + patient + "\rOBR|1||L7|CHEM|||20260102080000\r";
    for (const std::string& one : obx) out += "OBX|1|" + one + "\r";
    return out;
  }
  streaming::Record record(const std::string& key, std::string value, streaming::Headers headers = {}) {
    streaming::Record r;
    r.position = {"lacuna.events", 0, offset_++};
    r.key = key;
    r.value = std::move(value);
    r.headers = std::move(headers);
    return r;
  }
  /// The whole way but for the model; the store has what the batch wrote when it returns.
  EventCounts run(std::vector<streaming::Record> records) {
    Batch batch(config_, std::move(records));
    batch.decode(decoder_, now(), {});
    EXPECT_TRUE(batch.load(*store_, nullptr).ok());
    StreamState state(config_);
    batch.advance(state.monitor);
    EXPECT_TRUE(batch.settle(*store_).ok());
    Tallies tallies;
    transaction_ = batch.encode({}, tallies, store_->schemas(), {});
    EXPECT_TRUE(store_->apply(batch.change(state, tallies, now())).ok());
    const EventCounts& c = batch.counts();
    EXPECT_EQ(c.consumed, c.applied + c.duplicate + c.late + c.refused + c.forwarded);
    return c;
  }
  std::vector<streaming::OutputRecord> outputs(const std::string& topic) const {
    std::vector<streaming::OutputRecord> out;
    std::copy_if(transaction_.outputs.begin(), transaction_.outputs.end(), std::back_inserter(out),
                 [&](const auto& one) { return one.topic == topic; });
    return out;
  }
  std::string letter(const char* header) const {
    const auto letters = outputs(config_.topics.dead_letters);
    if (letters.size() != 1) return std::to_string(letters.size()) + " letters";
    for (const auto& [name, value] : letters[0].headers) {
      if (name == std::string("__connect.errors.") + header) return value;
    }
    return "";
  }
  FeatureState state_of(const std::string& patient, FeatureId feature) { return store_->snapshot(patient).value().features.at(feature); }

  Config config_ = config();  // before the decoder, which reads it
  lacuna::testing::ScratchFolder folder_;
  std::unique_ptr<state::Store> store_;
  RecordDecoder decoder_{config_};
  std::int64_t offset_ = 0;
  streaming::Transaction transaction_;
};

TEST_F(FeedBatch, AMessageOfManyResultsIsOneRecord) {
  const std::string message = oru("p", {"NM|GLU||90|mg/dL|||||F", "NM|NA||140|mmol/L|||||F", "NM|K||oops|mmol/L|||||F", "NM|XX||1|"});
  const EventCounts first = run({record("p", message)});
  EXPECT_EQ(first.consumed, 1U);
  EXPECT_EQ(first.applied, 1U);
  EXPECT_EQ(first.partial, 1U);
  EXPECT_EQ(first.feed.taken, 2U);
  EXPECT_EQ(first.feed.refused, 1U);
  EXPECT_EQ(first.feed.unmapped, 1U);
  EXPECT_EQ(letter("exception.class.name"), "malformed");
  EXPECT_EQ(letter("exception.message"), "OBX[3] (lab.potassium): OBX-5 is not a number");
  EXPECT_EQ(outputs(config_.topics.dead_letters)[0].value, message) << "as it came";
  EXPECT_EQ(state_of("p", 0).last, 90);
  EXPECT_EQ(state_of("p", 1).last, 140);
  EXPECT_EQ(state_of("p", 2).count, 0U);
  const EventCounts again = run({record("p", message)});
  EXPECT_EQ(again.duplicate, 1U);
  EXPECT_EQ(again.applied, 0U);
  EXPECT_EQ(state_of("p", 0).count, 1U);
}

TEST_F(FeedBatch, WhatHoldsNothingIsTakenAndWhatIsRefusedSaysWhy) {
  const EventCounts counts = run({record("p", oru("p", {"NM|XX||1|"})), record("p", oru("p", {"NM|GLU||5|furlong"})),
                                  record("p", "no message"), record("p", oru("p", {"NM|GLU||90|mg/dL"}))});
  EXPECT_EQ(counts.consumed, 4U);
  EXPECT_EQ(counts.applied, 2U);
  EXPECT_EQ(counts.refused, 2U);
  EXPECT_EQ(counts.refused_by[static_cast<std::size_t>(streaming::Refusal::unit)], 1U);
  EXPECT_EQ(outputs(config_.topics.dead_letters).size(), 2U);
}

TEST_F(FeedBatch, ResultsAreCorrectedAndWithdrawnInWhateverOrder) {
  run({record("p", oru("p", {"NM|GLU||90|mg/dL|||||P||||||||20260102090000", "NM|NA||140|mmol/L|||||F||||||||20260102090000"}))});
  const EventCounts corrected = run({record("p", oru("p", {"NM|GLU||95|mg/dL|||||C||||||||20260102110000"}, "20260102110000"))});
  EXPECT_EQ(corrected.corrected, 1U);
  EXPECT_EQ(state_of("p", 0).last, 95);
  EXPECT_EQ(state_of("p", 0).count, 1U);
  run({record("p", oru("p", {"NM|GLU||92|mg/dL|||||F||||||||20260102100000"}, "20260102120000"))});
  EXPECT_EQ(state_of("p", 0).last, 95) << "the correction came first";
  const EventCounts withdrawn = run({record("p", oru("p", {"NM|GLU|||mg/dL|||||W||||||||20260102130000"}, "20260102130000"))});
  EXPECT_EQ(withdrawn.withdrawn, 1U);
  EXPECT_EQ(state_of("p", 0).count, 0U);
  EXPECT_EQ(state_of("p", 1).last, 140) << "another result of the order stays";
}

TEST_F(FeedBatch, AMergeIsARecordOfItsOwn) {
  run({record("old", oru("old", {"NM|GLU||90|mg/dL|||||F"}))});
  const std::string merge = "MSH|^~\\&|ADT||||20260102100000+0000||ADT^A40|1|P|2.5\rEVN||20260102090000\rPID|1||new\rMRG|old\r";
  const EventCounts counts = run({record("old", merge)});
  EXPECT_EQ(counts.merged, 1U);
  EXPECT_EQ(counts.applied, 1U);
  EXPECT_FALSE(outputs(config_.topics.transfers).empty());
  EXPECT_EQ(store_->snapshot("old").value().merged_into, "new");
  const EventCounts later = run({record("old", oru("old", {"NM|GLU||91|mg/dL|||||F", "NM|NA||140|mmol/L|||||F"}, "20260102120000"))});
  EXPECT_EQ(later.forwarded, 1U) << "all of the record goes on, once";
  EXPECT_EQ(outputs(config_.topics.transfers).size(), 1U);
}

TEST_F(FeedBatch, OfSeveralPersonsTheKeysIsTaken) {
  const std::string both = oru("p", {"NM|GLU||90|mg/dL"}) + oru("q", {"NM|GLU||80|mg/dL"});
  const EventCounts by_key = run({record("p", both)});
  EXPECT_EQ(by_key.applied, 1U);
  EXPECT_EQ(by_key.partial, 1U);
  EXPECT_EQ(letter("exception.class.name"), "malformed");
  EXPECT_EQ(state_of("p", 0).last, 90);
  const EventCounts by_header = run({record("q", both, {{"lacuna-person", "q"}})});
  EXPECT_EQ(by_header.applied, 1U);
  EXPECT_TRUE(outputs(config_.topics.dead_letters).empty());
  EXPECT_EQ(state_of("q", 0).last, 80);
  EXPECT_EQ(run({record("x", both)}).refused, 1U);
}

TEST_F(FeedBatch, ARecordsOwnWordOrItsTopicsSaysTheFormat) {
  const std::string json =
      R"({"schema_version":1,"event_id":"e","patient_id":"j","modality":"lab","time":"2026-01-02T00:00:00Z","values":{"glucose":70}})";
  EXPECT_EQ(run({record("j", json)}).refused, 1U);
  EXPECT_EQ(run({record("j", json, {{"content-type", "application/json"}})}).applied, 1U);
  config_.topics.formats = {{"^lacuna[.]ev.*", EventFormat::hl7v2}, {"other", EventFormat::json}};
  RecordDecoder by_pattern(config_);
  EXPECT_EQ(by_pattern.decode(record("p", oru("p", {"NM|GLU||90|mg/dL"})), now()).events.size(), 1U);
  config_.topics.formats.clear();
  RecordDecoder plain(config_);
  const auto read = [&](streaming::Headers headers) {
    return plain.decode(record("p", oru("p", {"NM|GLU||90|mg/dL"}), std::move(headers)), now()).events.size();
  };
  EXPECT_EQ(read({}), 0U);
  EXPECT_EQ(read({{"content-type", "application/hl7-v2; charset=UTF-8"}}), 1U);
  EXPECT_EQ(read({{"content-type", "text/plain"}}), 0U);
}

TEST_F(FeedBatch, AMergeBesideOtherEventsIsRefused) {
  const std::string merge = "MSH|^~\\&|ADT||||20260102100000+0000||ADT^A40|1|P|2.5\rEVN||20260102090000\rPID|1||new\rMRG|p\r";
  EXPECT_EQ(run({record("p", merge + oru("p", {"NM|GLU||90|mg/dL"}))}).refused, 1U);
}

}  // namespace
}  // namespace lacuna::daemon
