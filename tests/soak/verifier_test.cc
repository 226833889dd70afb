#include "tests/soak/verifier.h"
#include "streaming/messages/dead_letter.h"
#include "streaming/messages/encoders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "daemon/config/config.h"
#include "state/patient.h"
#include "state/records/schema_bytes.h"
#include "state/stored_records.h"

// The soak is worth what its verifier sees. Goal: it finds nothing in what an undisturbed daemon would write,
// and finds each kind of fault when one is put in. Method: seeded traffic, a plain daemon that handles one
// record at a time, one change.

namespace lacuna::soak {
namespace {

constexpr std::int32_t kPartitions = 3;
constexpr Time kNow{std::chrono::sys_days{std::chrono::year{2026} / 6 / 1}};

/// What the topics hold, in order; tests spoil it.
struct Topics {
  std::vector<streaming::Record> input, letters, imputations, changelog;
  std::map<std::int32_t, std::int64_t> committed;
};

streaming::Record make_record(const std::string& topic, std::int32_t partition, std::int64_t offset,
                              const streaming::OutputRecord& content) {
  streaming::Record out;
  out.position = {topic, partition, offset};
  out.key = content.key;
  out.value = content.value;
  out.headers = content.headers;
  return out;
}

streaming::Record make_record(std::int32_t partition, const std::string& key, const std::string& value) {
  streaming::OutputRecord content;
  content.key = key;
  content.value = value;
  return make_record("out", partition, 0, content);
}

class VerifierTest : public testing::Test {
 protected:
  VerifierTest() : config_(*daemon::load_config("tests/soak/soak.yaml").config), journal_(kPartitions) {
    Traffic traffic(*config_.schema, "lacuna.events", kPartitions, 9, 11);
    send(traffic.one_each());
    for (int i = 0; i < 2'000; ++i) send(traffic.next());
    send(traffic.one_each());
    consume();
  }

  void send(const std::vector<Outgoing>& batch) {
    for (const Outgoing& one : batch) {
      const std::int32_t p = *one.record.partition;
      topics_.input.push_back(make_record("lacuna.events", p, topics_.committed[p]++, one.record));
      fates_.insert(one.sent.fate);
    }
    journal_.append(batch);
  }

  /// As the daemon would, a record at a time.
  void consume() {
    const Schema& schema = *config_.schema;
    streaming::EventDecoder decoder(schema, config_.limits);
    std::map<std::string, Snapshot> patients;
    std::map<std::int32_t, state::StoredPosition> positions;
    for (const streaming::Record& record : topics_.input) {
      state::StoredPosition& position = positions[record.position.partition];
      position.input_next = record.position.offset + 1;
      position.counts.consumed += 1;
      const auto refuse = [&](streaming::Refusal reason) {
        auto letter = streaming::make_dead_letter("d", {"lacuna", "lacuna-0"}, record, reason, "decode", "");
        topics_.letters.push_back(make_record("letters", 0, 0, letter));
      };
      auto outcome =
          record.value ? decoder.decode(*record.value, kNow) : streaming::EventDecoder::Outcome{{}, {{streaming::Refusal::malformed, ""}}};
      if (outcome.refused) {
        position.counts.refused += 1;
        refuse(outcome.refused->reason);
        continue;
      }
      if (!outcome.decoded->refused.empty()) {
        position.counts.partial += 1;
        refuse(outcome.decoded->refused.front().reason);
      }
      Snapshot& snapshot = patients.try_emplace(record.key, state::new_snapshot(schema, record.key)).first->second;
      switch (state::apply(schema, snapshot, outcome.decoded->event, record.position, config_.late_max)) {
        case state::Applied::duplicate: position.counts.duplicate += 1; continue;
        case state::Applied::late:
          position.counts.late += 1;
          refuse(streaming::Refusal::late);
          continue;
        case state::Applied::applied: position.counts.applied += 1;
      }
      const std::int32_t p = record.position.partition;
      Imputation imputation;
      imputation.patient_id = record.key;
      imputation.source = record.position;
      topics_.imputations.push_back(make_record(p, record.key, streaming::encode_imputation(schema, imputation)));
      topics_.changelog.push_back(make_record(p, record.key + "/tabular", state::encode_snapshot(schema, snapshot)));
    }
    for (const auto& [p, position] : positions) {
      topics_.changelog.push_back(make_record(p, "lacuna.events#partition", state::encode_position({"lacuna.events", p, position})));
    }
  }

  Verdict verdict() const {
    Verifier verifier(*config_.schema, journal_, "lacuna.events");
    for (const auto& record : topics_.input) verifier.input(record);
    for (const auto& record : topics_.letters) verifier.dead_letter(record);
    for (const auto& record : topics_.imputations) verifier.imputation(record);
    for (const auto& record : topics_.changelog) verifier.changelog(record);
    for (const auto& [p, next] : topics_.committed) verifier.committed(p, next);
    return verifier.verdict();
  }

  /// The newest changelog record with that key.
  streaming::Record& newest(const std::string& key) {
    return *std::find_if(topics_.changelog.rbegin(), topics_.changelog.rend(), [&](const auto& r) { return r.key == key; });
  }
  void spoil(const std::string& key, const std::function<void(Snapshot&)>& change) {
    streaming::Record& record = newest(key);
    Snapshot snapshot = *state::decode_snapshot(*config_.schema, *record.value);
    change(snapshot);
    record.value = state::encode_snapshot(*config_.schema, snapshot);
  }

  const daemon::Config config_;
  Journal journal_;
  Topics topics_;
  std::set<Fate> fates_;
};

TEST_F(VerifierTest, FindsNothingWhereNothingIsWrong) {
  const Verdict v = verdict();
  EXPECT_TRUE(v.clean()) << testing::PrintToString(v.examples);
  EXPECT_EQ(fates_.size(), 5U) << "the traffic lacks a kind";
  EXPECT_EQ(v.expected.consumed, topics_.input.size());
  EXPECT_EQ(v.expected.consumed, v.expected.applied + v.expected.duplicate + v.expected.late + v.expected.refused);
}

TEST_F(VerifierTest, SeesAnEventThatWasLost) {
  spoil("p3/tabular", [](Snapshot& s) { s.event_count -= 2; });
  EXPECT_EQ(verdict().lost, 2U);
  EXPECT_EQ(verdict().duplicated, 0U);
}

TEST_F(VerifierTest, SeesAnEventThatWasAppliedTwice) {
  spoil("p3/tabular", [](Snapshot& s) { s.features[0].count += 1; });
  EXPECT_EQ(verdict().lost, 0U);
  EXPECT_EQ(verdict().duplicated, 1U);
}

TEST_F(VerifierTest, SeesANewestValueThatWasOverwritten) {
  spoil("p3/tabular", [](Snapshot& s) { s.features[0].last -= 1; });
  EXPECT_EQ(verdict().lost, 1U);
}

TEST_F(VerifierTest, SeesASnapshotThatIsNotThere) {
  std::erase_if(topics_.changelog, [](const auto& r) { return r.key == "p3/tabular"; });
  EXPECT_GT(verdict().lost, 100U);
}

TEST_F(VerifierTest, SeesDeadLettersTwiceAndNotAtAll) {
  topics_.letters.push_back(topics_.letters[5]);
  topics_.letters.erase(topics_.letters.begin() + 7);
  EXPECT_EQ(verdict().lost, 1U);
  EXPECT_EQ(verdict().duplicated, 1U);
}

TEST_F(VerifierTest, SeesADeadLetterOfAGoodRecord) {
  const auto good = std::find_if(topics_.input.begin(), topics_.input.end(), [](const auto& r) { return r.position.offset == 0; });
  const auto letter = streaming::make_dead_letter("d", {"lacuna", "lacuna-0"}, *good, streaming::Refusal::poison, "score", "");
  topics_.letters.push_back(make_record("letters", 0, 0, letter));
  EXPECT_EQ(verdict().wrong, 1U);
}

TEST_F(VerifierTest, SeesAnImputationPublishedTwice) {
  topics_.imputations.push_back(topics_.imputations.back());
  EXPECT_EQ(verdict().duplicated, 1U);
}

TEST_F(VerifierTest, SeesThatTheNewestImputationIsMissing) {
  topics_.imputations.pop_back();
  EXPECT_EQ(verdict().lost, 1U);
}

TEST_F(VerifierTest, SeesCountsThatDiffer) {
  streaming::Record& record = newest("lacuna.events#partition");
  state::PartitionPosition position = *state::decode_position(*record.value);
  position.position.counts.duplicate += 3;
  position.position.counts.late -= 3;
  record.value = state::encode_position(position);
  EXPECT_EQ(verdict().duplicated, 3U);
  EXPECT_EQ(verdict().lost, 3U);
}

TEST_F(VerifierTest, SeesAPositionThatWasNotCommitted) {
  topics_.committed[1] -= 4;
  EXPECT_EQ(verdict().lost, 4U);
}

TEST_F(VerifierTest, SeesASchemaThatIsNotTheConfigurations) {
  const Schema& schema = *config_.schema;
  const std::string told = state::encode_schema_record({encode_schema(schema), false});
  topics_.changelog.push_back(make_record(0, state::schema_key(schema.fingerprint()), told));
  EXPECT_EQ(verdict().wrong, 0U);
  topics_.changelog.push_back(make_record(0, state::schema_key(schema.fingerprint() + 1), told));
  EXPECT_EQ(verdict().wrong, 1U);
}

TEST_F(VerifierTest, SeesThatTheInputIsNotWhatWasSent) {
  topics_.input.erase(topics_.input.begin() + 100);
  EXPECT_GT(verdict().wrong, 0U);
}

}  // namespace
}  // namespace lacuna::soak
