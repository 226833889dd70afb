// A person is forgotten, through the whole loop.
//
// Goal: after an event or a tombstone that forgets a person nothing of ours names them or holds their values, but for tombstones: not the
// store, nor what learning keeps, nor the changelog once it is compacted, nor a store that is rebuilt from it; who comes after with the id
// is a new person; nobody else loses anything. Method: the same input with and without the first person, in batches of every size, with
// the disk kept, lost and put back to what it was, with the changelog whole, compacted and without tombstones, read in one step and in
// many, and with a crash at each point of the loop.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "state/person_records.h"
#include "tests/robustness/compacted_log.h"
#include "tests/robustness/persons_fixture.h"

namespace lacuna::daemon {
namespace {

const std::string kGone = "gone-4711";
const std::string kOther = "other-1";
constexpr double kSecret = 171.8281828459;  ///< a value of the forgotten one alone

/// What is left of a patient in a store.
struct Left {
  std::optional<Snapshot> snapshot;
  state::PersonState state;
  std::vector<std::string> keys;
  std::vector<std::optional<state::Delivery>> deliveries;
  std::size_t examples = 0;
  friend bool operator==(const Left&, const Left&) = default;
};
void PrintTo(const Left& left, std::ostream* out) {
  *out << (left.snapshot ? std::to_string(left.snapshot->event_count) + " events" : "no snapshot") << ", sequence " << left.state.sequence
       << " since " << left.state.begun << ", " << left.keys.size() << " records, " << left.examples << " examples";
}

class ForgetTest : public PersonsTest {
 protected:
  ForgetTest() : PersonsTest("forget") {}
  void forget(bool by_event) {
    if (!by_event) return append(kGone, std::nullopt);
    send(about(kGone, "forget-it", PersonChange::forget));
  }
  /// Both patients, hour by hour; enough batches of one event that journals are folded.
  void live(int hours, int from = 0) {
    for (int h = from; h < from + hours; ++h) {
      send(event(kGone, "visit-" + std::to_string(h), h, h % 2 == 0 ? kSecret : 80.0 + h));
      send(event(kOther, "visit-" + std::to_string(h), h, 70.0 + h));
    }
  }
  /// Who has the id afterwards: earlier clinical times, ids that were used before.
  void live_anew() {
    send(event(kGone, "visit-1", -900, 61));
    send(event(kGone, "visit-2", -890, 62));
    send(event(kGone, "visit-2", -890, 62));
  }

  Result<Progress> run_compacted(const Compaction& how) {
    CompactedLog compacted(*log_, config_.topics.state, how);
    return run_on(compacted);
  }

  Left left(const std::string& patient) const {
    const auto s = store();
    Left out;
    if (auto snapshot = s->snapshot(patient); snapshot.ok()) out.snapshot = *snapshot;
    out.state = s->persons(std::vector<std::string>{patient})->front();
    out.keys = *s->person_keys(patient);
    std::vector<state::DeliveryKey> ids;
    for (int h = 0; h < 60; ++h) ids.push_back({state::patient_key(patient), state::event_key("visit-" + std::to_string(h))});
    out.deliveries = *s->deliveries(ids);
    std::vector<Example> seen;
    const std::vector<Example> drawn = *s->draw(5000, 3);
    for (const Example& e : drawn) {
      if (e.before.patient_id == patient && std::find(seen.begin(), seen.end(), e) == seen.end()) seen.push_back(e);
    }
    out.examples = seen.size();
    return out;
  }
  /// Nothing of the patient, but tombstones, is the newest of its key.
  void expect_compacted_away(const std::string& topic, bool ends_in_kind) const {
    std::map<std::string, const streaming::Record*> newest;
    const auto all = read_all(*log_, topic);
    for (const auto& r : all) newest[r.key] = &r;
    std::size_t tombstones = 0;
    for (const auto& [key, record] : newest) {
      if (ends_in_kind ? !key.starts_with(kGone + "/") : key != kGone) continue;
      EXPECT_FALSE(record->value) << topic << ", " << key;
      tombstones += record->value ? 0 : 1;
    }
    EXPECT_GT(tombstones, 0U) << topic;
  }
  /// Files below `path` that hold the bytes.
  static std::vector<std::string> files_with(const fs::path& path, const std::string& bytes) {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string content{std::istreambuf_iterator<char>(in), {}};
      if (content.find(bytes) != std::string::npos) out.push_back(entry.path().string());
    }
    return out;
  }
  static std::string secret_bytes() {
    std::string out(sizeof(double), '\0');
    std::memcpy(out.data(), &kSecret, sizeof(double));
    return out;
  }
  std::size_t checkpoints_with_secret() const {
    const auto s = store();
    std::size_t out = 0;
    const std::vector<std::string> names = *s->checkpoint_names();
    for (const std::string& name : names) out += s->checkpoint(name)->find(secret_bytes()) != std::string::npos ? 1 : 0;
    return out;
  }
};

TEST_F(ForgetTest, ByAnEventAndByATombstone) {
  for (const bool by_event : {true, false}) {
    SCOPED_TRACE(by_event ? "event" : "tombstone");
    begin();
    config_.batch.max_events = 1;
    live(40);
    must_run();
    ASSERT_GT(left(kGone).examples, 0U);
    ASSERT_EQ(left(kGone).keys.size(), state::kJournalSlots + 2);
    ASSERT_GT(checkpoints_with_secret(), 0U);
    const Left other = left(kOther);
    ASSERT_EQ(store()->patient_count_estimate(), 2U);

    forget(by_event);
    const auto ran = run();
    ASSERT_TRUE(ran.ok()) << ran.status().to_string();
    EXPECT_EQ(ran->counts.consumed, 1U);
    EXPECT_EQ(ran->counts.applied, 1U);
    EXPECT_EQ(ran->counts.forgotten, 1U);
    EXPECT_EQ(ran->counts.dead_letters, 0U);
    EXPECT_EQ(ran->patients, 1U);
    const Left nothing{{}, {}, {}, std::vector<std::optional<state::Delivery>>(60), 0};
    EXPECT_EQ(left(kGone), nothing);
    EXPECT_EQ(left(kOther), other);
    EXPECT_EQ(checkpoints_with_secret(), 0U) << "the learner keeps recent examples with its checkpoint";
    expect_compacted_away(config_.topics.state, true);
    expect_compacted_away(config_.topics.imputations, false);

    lose_disk();
    must_run();
    EXPECT_EQ(left(kGone), nothing);
    EXPECT_EQ(left(kOther).snapshot, other.snapshot);
    for (const std::string& bytes : {kGone, secret_bytes()}) {
      EXPECT_EQ(files_with(config_.store.path, bytes), std::vector<std::string>()) << "a new store never held it";
    }
  }
}

TEST_F(ForgetTest, WhoIsNotKnownIsForgottenAllTheSameAndNobodyByAnEmptyKey) {
  forget(true);
  forget(false);
  append("", std::nullopt);
  append(std::string(config_.limits.id_bytes_max + 1, 'x'), std::nullopt);
  const auto ran = run();
  ASSERT_TRUE(ran.ok()) << ran.status().to_string();
  EXPECT_EQ(ran->counts.consumed, 4U);
  EXPECT_EQ(ran->counts.applied, 2U);
  EXPECT_EQ(ran->counts.refused_by[static_cast<std::size_t>(streaming::Refusal::malformed)], 2U);
  EXPECT_EQ(ran->patients, 0U);
}

// The key of a tombstone is the plain id: of the topic's namespace where topics are that; where sites are, it does not tell whose.
TEST_F(ForgetTest, InANamespace) {
  config_.identity_namespace = NamespaceSource::topic;
  const std::string key = config_.topics.events.front() + "|" + kGone;
  live(3);
  must_run();
  ASSERT_TRUE(left(key).snapshot);
  forget(false);
  must_run();
  EXPECT_FALSE(left(key).snapshot);
  std::map<std::int32_t, std::optional<std::string>> newest;  // by partition
  for (const auto& r : read_all(*log_, config_.topics.imputations)) {
    if (r.key == key) newest[r.position.partition] = r.value;
  }
  ASSERT_EQ(newest.size(), 1U) << "the tombstone lies where the imputations do";
  EXPECT_FALSE(newest.begin()->second);

  begin();
  config_.identity_namespace = NamespaceSource::site;
  live(3);
  forget(false);
  const auto ran = run();
  ASSERT_TRUE(ran.ok());
  EXPECT_EQ(ran->counts.refused_by[static_cast<std::size_t>(streaming::Refusal::malformed)], 1U);
  EXPECT_TRUE(left(kGone).snapshot);
}

// What lies before it in the log goes, what lies after it is a new person's, whatever the clinical times, and wherever batches end.
TEST_F(ForgetTest, IsInTheOrderOfTheLogWhereverBatchesEnd) {
  std::optional<Left> expected;
  for (const std::size_t batch : {1U, 2U, 5U, 7U, 100U}) {
    SCOPED_TRACE(batch);
    begin();
    config_.batch.max_events = batch;
    live(5);
    forget(true);
    live_anew();
    live(2, 5);
    const auto ran = run();
    ASSERT_TRUE(ran.ok()) << ran.status().to_string();
    EXPECT_EQ(ran->counts.consumed, 18U);
    EXPECT_EQ(ran->counts.applied, 17U);
    EXPECT_EQ(ran->counts.duplicate, 1U) << "ids are known within one person";
    EXPECT_EQ(ran->patients, 2U);
    Left now = left(kGone);
    ASSERT_TRUE(now.snapshot);
    EXPECT_EQ(now.snapshot->event_count, 4U);
    EXPECT_EQ(now.snapshot->features[0].count, 4U);
    EXPECT_EQ(now.snapshot->first_time, kStart - std::chrono::hours(900));
    EXPECT_EQ(left(kOther).snapshot->event_count, 7U);
    // How many batches there were, and so how many records and examples, is another matter.
    const Left what{now.snapshot, {}, {}, now.deliveries, 0};
    if (!expected) expected = what;
    EXPECT_EQ(what, *expected);
    lose_disk();
    must_run();
    Left rebuilt = left(kGone);
    rebuilt.examples = now.examples;  // made anew from the snapshot
    EXPECT_EQ(rebuilt, now);
  }
}

struct Rebuilt {
  Compaction log;
  bool disk_kept = false;  ///< as it was before the forgetting; else nothing
  bool comes_again = false;
};

// Whatever is left of the changelog, and however it is read, who was forgotten is gone, and the new person is there as written.
TEST_F(ForgetTest, StoresAreRebuiltWithoutThem) {
  for (const bool comes_again : {false, true}) {
    begin();
    config_.batch.max_events = 1;
    live(40);
    must_run();
    const fs::path before = directory_ / "before", after = directory_ / "after";
    fs::copy(config_.store.path, before, fs::copy_options::recursive);
    forget(true);
    if (comes_again) live_anew();
    must_run();
    fs::copy(config_.store.path, after, fs::copy_options::recursive);
    const Left gone = left(kGone), other = left(kOther);
    EXPECT_EQ(gone.snapshot.has_value(), comes_again);
    for (const bool disk_kept : {false, true}) {
      for (const Compaction how :
           {Compaction{}, {true, true, 1000}, {true, false, 1000}, {false, true, 1}, {true, true, 1}, {true, false, 1}}) {
        // Of a disk that nobody told of it in time, store.rebuild_after takes care.
        if (disk_kept && !comes_again && !how.tombstones) continue;
        SCOPED_TRACE(std::string(comes_again ? "comes again, " : "") + (disk_kept ? "disk kept, " : "disk lost, ") +
                     (how.compacted ? "compacted " : "whole ") + (how.tombstones ? "" : "without tombstones ") + std::to_string(how.step));
        lose_disk();
        if (disk_kept) fs::copy(before, config_.store.path, fs::copy_options::recursive);
        const auto ran = run_compacted(how);
        ASSERT_TRUE(ran.ok()) << ran.status().to_string();
        Left now = left(kGone);
        EXPECT_LE(now.examples, comes_again ? gone.snapshot->event_count : 0U) << "of the new person alone, made from the snapshots";
        now.examples = gone.examples;
        EXPECT_EQ(now, gone);
        EXPECT_EQ(left(kOther).snapshot, other.snapshot);
        EXPECT_EQ(checkpoints_with_secret(), 0U);
      }
    }
  }
}

TEST_F(ForgetTest, ACrashAtAnyPointChangesNothing) {
  const auto story = [this] {
    live(6);
    must_run();
    forget(false);
    live_anew();
    live(1, 7);
  };
  config_.batch.max_events = 2;
  story();
  must_run();
  const Left expected = left(kGone), other = left(kOther);
  ASSERT_EQ(expected.snapshot->event_count, 3U);
  for (const std::string_view point : Pipeline::kPoints) {
    for (const int nth : {1, 2}) {
      for (const bool disk_kept : {true, false}) {
        SCOPED_TRACE(std::string(point) + " " + std::to_string(nth) + (disk_kept ? " disk kept" : " disk lost"));
        begin();
        config_.batch.max_events = 2;
        story();
        Pipeline::Hooks hooks;
        int met = 0;
        hooks.at_point = [&](std::string_view at, std::span<const streaming::Record>) {
          if (at == point && ++met == nth) throw Crash();
        };
        try {
          (void)run(hooks);
        } catch (const Crash&) {
        }
        reopen();
        if (!disk_kept) lose_disk();
        must_run();
        Left now = left(kGone);
        EXPECT_LE(now.examples, expected.examples + 1);
        now.examples = expected.examples;  // what the disk had and the log has not is made anew
        EXPECT_EQ(now, expected);
        EXPECT_EQ(left(kOther).snapshot, other.snapshot);
        EXPECT_EQ(checkpoints_with_secret(), 0U);
        if (HasFailure()) return;
      }
    }
  }
}

// Somebody tidies the changelog by hand: as compaction would have it, and a tombstone there means the same.
TEST_F(ForgetTest, ATombstoneInTheChangelogItself) {
  config_.batch.max_events = 1;
  live(3);
  must_run();
  auto appender = log_->appender();
  ASSERT_TRUE(appender.ok());
  const std::int32_t partition = streaming::partition_for(kGone, kPartitions);
  ASSERT_TRUE((*appender)->append({config_.topics.state, partition, kGone + "/tabular", std::nullopt, {}}).ok());
  ASSERT_TRUE((*appender)->flush().ok());
  // Committed positions do not reach so far until a later batch of the partition has.
  send(event(kGone, "visit-9", 9, 90));
  must_run();
  lose_disk();
  must_run();
  EXPECT_TRUE(left(kGone).snapshot) << "the batch after it told of the whole patient again";
  EXPECT_EQ(left(kGone).snapshot->event_count, 4U);
  for (int h = 10; h < 30; ++h) send(event(kGone, "visit-" + std::to_string(h), h, 90));
  must_run();
  EXPECT_EQ(left(kGone).snapshot->event_count, 24U) << "records that are gone are no damage";
}

}  // namespace
}  // namespace lacuna::daemon
