// Persons are merged, and records find where their patient is known, through the whole loop.
//
// Goal: after a merge the target is what it would be if all events of both had been its own from the first on, whichever partitions the two
// belong to, wherever batches end, over lost disks and crashes at each point; later events, corrections, forgettings and merges of the
// merged one reach it. Method: the same events once as two persons who are merged, once as one.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/robustness/persons_fixture.h"

namespace lacuna::daemon {
namespace {

/// What is told of a difference.
std::string text(const Snapshot& s) {
  std::string out = std::to_string(s.event_count) + " events from " + format_rfc3339(s.first_time) + " to " + format_rfc3339(s.last_time);
  for (const FeatureState& f : s.features) {
    if (f.count == 0) continue;
    out += "; " + std::to_string(f.count) + " values, last " + std::to_string(f.last) + " at " + format_rfc3339(f.time) + ", means " +
           std::to_string(f.mean_short) + " " + std::to_string(f.mean_long) + ", slope " + std::to_string(f.slope) + ", before " +
           std::to_string(f.previous);
  }
  for (const ModalityState& m : s.modalities) out += "; " + std::to_string(m.count) + " at " + format_rfc3339(m.last_time);
  return out + "; merged into '" + s.merged_into + "'";
}

class MergeTest : public PersonsTest {
 protected:
  MergeTest() : PersonsTest("merge") {}
  void configure() override { config_.state_history = 1000; }
  std::string in_partition(std::int32_t partition, const std::string& stem) const {
    for (int i = 0;; ++i) {
      if (std::string id = stem + std::to_string(i); streaming::partition_for(id, kPartitions) == partition) return id;
    }
  }
  Event merge(const std::string& from, const std::string& into) const {
    return about(from, "merge-" + from + into, PersonChange::merge, into);
  }
  Event result(const std::string& patient, const std::string& id, const std::string& result, double revision, int hour, double hr,
               ResultStatus status = ResultStatus::final) const {
    Event out = event(patient, id, hour, hr);
    out.result_id = result;
    out.revision = {Revision::Kind::number, revision};
    out.status = status;
    return out;
  }

  std::optional<Snapshot> patient(const std::string& id) const {
    auto found = store()->snapshot(id);
    return found.ok() ? std::optional<Snapshot>(*found) : std::nullopt;
  }
  /// What does not depend on who the events were first of, and where they came.
  static Snapshot known(std::optional<Snapshot> s) {
    if (!s) return {};
    s->patient_id.clear();
    s->source = {};
    s->merged_from.clear();
    return *s;
  }
  std::size_t examples_of(const std::string& id) const {
    const std::vector<Example> drawn = *store()->draw(2000, 3);
    return static_cast<std::size_t>(std::count_if(drawn.begin(), drawn.end(), [&](const Example& e) { return e.before.patient_id == id; }));
  }
  std::map<std::string, std::optional<std::string>> newest(const std::string& topic) const {
    std::map<std::string, std::optional<std::string>> out;
    for (const auto& r : read_all(*log_, topic)) out[r.key] = r.value;
    return out;
  }

  /// What an operator asks of a running daemon.
  void command(OperatorCommand::Action action, const std::string& person, const std::string& into = {}) {
    auto pipeline = Pipeline::make(config_, *log_, [] { return kNow; }, {});
    ASSERT_TRUE(pipeline.ok());
    Status done(Code::internal, "not asked");
    std::thread asks([&] {
      while (!(*pipeline)->ready().ok()) std::this_thread::sleep_for(Millis(1));
      done = (*pipeline)->command({action, {}, {}, {}, person, into});
      (*pipeline)->stop();
    });
    EXPECT_TRUE((*pipeline)->run(false).ok());
    asks.join();
    EXPECT_TRUE(done.ok()) << done.to_string();
  }

  /// Events of both in turn, not in the order of their times; the merge before the one of that number.
  void live(const std::string& a, const std::string& b, int merged_at, int hours = 40) {
    for (int h = 0; h < hours; ++h) {
      if (h == merged_at && a != b) send(merge(a, b));
      send(event(h % 2 == 0 ? a : b, "visit-" + std::to_string(h), (h * 7) % hours, 60.0 + h));
    }
  }
};

TEST_F(MergeTest, TheTargetIsAsIfAllEventsHadBeenItsOwn) {
  for (const std::int32_t partition : {0, 1}) {
    for (const std::size_t batch : {1U, 7U, 100U}) {
      SCOPED_TRACE("partition " + std::to_string(partition) + ", batch " + std::to_string(batch));
      const std::string a = in_partition(0, "a"), b = in_partition(partition, "b");
      begin();
      config_.batch.max_events = batch;
      live(b, b, 20);
      must_run();
      const Snapshot expected = known(patient(b));
      ASSERT_EQ(expected.event_count, 40U);

      begin();
      config_.batch.max_events = batch;
      live(a, b, 20);
      const Progress p = must_run();
      EXPECT_EQ(p.counts.merged, 1U);
      EXPECT_EQ(p.counts.dead_letters, 0U);
      EXPECT_EQ(p.counts.consumed, p.counts.applied + p.counts.duplicate + p.counts.late + p.counts.refused + p.counts.forwarded);
      EXPECT_EQ(p.counts.forwarded, 10U);
      const auto whole = [&] {
        EXPECT_EQ(text(known(patient(b))), text(expected));
        EXPECT_EQ(known(patient(b)), expected);
        ASSERT_TRUE(patient(a));
        EXPECT_EQ(patient(a)->merged_into, b);
        EXPECT_EQ(patient(a)->event_count, 0U);
        EXPECT_EQ(patient(b)->merged_from, std::vector<std::string>{a});
        EXPECT_EQ(examples_of(a), 0U);
      };
      whole();
      const auto imputations = newest(config_.topics.imputations);
      EXPECT_FALSE(imputations.at(a)) << "a tombstone";
      EXPECT_TRUE(imputations.at(b));

      lose_disk();
      must_run();
      whole();
      EXPECT_EQ(newest(config_.topics.imputations), imputations) << "nothing is done again";

      // A second delivery of everything, under either id, changes nothing.
      live(a, b, -1);
      live(b, a, -1);
      const Progress again = must_run();
      EXPECT_EQ(again.counts.applied, 0U);
      EXPECT_EQ(again.counts.dead_letters, 0U);
      whole();
    }
  }
}

TEST_F(MergeTest, CorrectionsAndWithdrawalsReachWhatWasMerged) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  send(event(a, "1", 1, 70));
  send(result(a, "2", "x", 1, 2, 200));
  send(result(a, "3", "y", 1, 3, 190));
  send(event(b, "4", 4, 80));
  send(merge(a, b));
  must_run();
  EXPECT_EQ(patient(b)->features[0].count, 4U);
  send(result(b, "5", "x", 2, 2, 75));  // under the id that is left
  send(result(a, "6", "y", 2, 3, 0, ResultStatus::entered_in_error));
  must_run();
  EXPECT_EQ(patient(b)->features[0].count, 3U);
  EXPECT_EQ(patient(b)->features[0].last, 80);
  const Snapshot merged = known(patient(b));

  begin();
  send(event(b, "1", 1, 70));
  send(event(b, "2", 2, 75));
  send(event(b, "4", 4, 80));
  must_run();
  EXPECT_EQ(merged.features, patient(b)->features);
}

// One result that both were told: the higher revision holds, wherever it came.
TEST_F(MergeTest, OfAResultOfBothTheHigherRevisionHolds) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  send(result(a, "1", "x", 2, 2, 75));
  send(result(b, "2", "x", 1, 2, 70));
  send(result(a, "3", "y", 1, 3, 90));
  send(result(b, "4", "y", 2, 3, 95));
  send(result(a, "5", "z", 2, 4, 0, ResultStatus::entered_in_error));
  send(result(b, "6", "z", 1, 4, 500));
  send(event(b, "7", 1, 60));
  must_run();
  send(merge(a, b));
  must_run();
  EXPECT_EQ(patient(b)->features[0].count, 3U);
  const Snapshot merged = known(patient(b));
  begin();
  send(event(b, "1", 1, 60));
  send(event(b, "2", 2, 75));
  send(event(b, "3", 3, 95));
  must_run();
  EXPECT_EQ(merged.features, patient(b)->features);
}

TEST_F(MergeTest, ChainsAndCircles) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b"), c = in_partition(2, "c");
  send(event(a, "1", 1, 70));
  send(event(b, "2", 2, 71));
  send(event(c, "3", 3, 72));
  must_run();
  send(merge(a, b));
  must_run();
  send(merge(b, c));
  must_run();
  send(event(a, "4", 4, 73));
  send(merge(a, b));  // again: nothing
  send(merge(a, c));  // it is, by way of b: which cannot be told from a mistake
  const Progress p = must_run();
  EXPECT_EQ(p.counts.duplicate, 1U);
  EXPECT_EQ(p.counts.refused_by[static_cast<std::size_t>(streaming::Refusal::unsupported)], 1U);
  EXPECT_EQ(patient(c)->features[0].count, 4U);
  EXPECT_EQ(patient(c)->merged_from, (std::vector<std::string>{a, b}));

  send(merge(c, a));  // back to the first: the circle is opened where it closes
  must_run();
  send(event(a, "5", 5, 74));
  send(event(b, "6", 6, 75));
  send(event(c, "7", 7, 76));
  must_run();
  std::uint64_t alive = 0;
  for (const std::string& id : {a, b, c}) {
    if (!patient(id)->merged_into.empty()) continue;
    alive += 1;
    EXPECT_EQ(patient(id)->features[0].count, 7U);
    EXPECT_EQ(patient(id)->features[0].last, 76);
  }
  EXPECT_EQ(alive, 1U);
}

TEST_F(MergeTest, WhoIsNotKnownIsMergedToo) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  send(merge(a, b));
  must_run();
  send(event(a, "1", 1, 70));
  const Progress p = must_run();
  EXPECT_EQ(p.counts.imputations, 1U);
  EXPECT_EQ(patient(b)->features[0].count, 1U);
  send(about(a, "own", PersonChange::merge, a));
  EXPECT_EQ(must_run().counts.refused_by[static_cast<std::size_t>(streaming::Refusal::malformed)], 1U);
}

TEST_F(MergeTest, ForgettingReachesAllWhoAreOne) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b"), c = in_partition(2, "c");
  for (const std::string& told : {a, b, c}) {
    SCOPED_TRACE(told);
    begin();
    for (const std::string& id : {a, b, c}) send(event(id, "visit-" + id, 1, 70));
    must_run();
    send(merge(a, b));
    must_run();
    send(merge(b, c));
    must_run();
    ASSERT_EQ(patient(c)->features[0].count, 3U);
    send(about(told, "forget", PersonChange::forget));
    EXPECT_EQ(must_run().counts.forgotten, 3U) << "each once: who begins anew in between is not met by a second one";
    for (const std::string& id : {a, b, c}) EXPECT_FALSE(patient(id)) << id;
    EXPECT_EQ(examples_of(c), 0U);
    for (const auto& [key, value] : newest(config_.topics.state)) {
      EXPECT_TRUE(!value || key.find('#') != std::string::npos) << "tombstones, partitions and schemas alone";
    }
    send(event(a, "visit-" + a, 2, 71));  // the same event id: a new person
    must_run();
    EXPECT_EQ(patient(a)->features[0].count, 1U);
    EXPECT_FALSE(patient(b) || patient(c));
    lose_disk();
    must_run();
    EXPECT_EQ(patient(a)->features[0].count, 1U);
    EXPECT_FALSE(patient(b) || patient(c));
  }
}

// Several into one, who goes on into another; whoever of them it begins with.
TEST_F(MergeTest, ForgettingReachesEachOnce) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b"), c = in_partition(2, "c"), d = in_partition(1, "d"),
                    e = in_partition(0, "e");
  for (const std::string& told : {a, b, c, d, e}) {
    SCOPED_TRACE(told);
    begin();
    for (const std::string& id : {a, b, c, d, e}) send(event(id, "visit-" + id, 1, 70));
    const std::pair<std::string, std::string> merges[] = {{a, c}, {b, c}, {c, d}, {e, d}};
    for (const auto& [from, into] : merges) {
      send(merge(from, into));
      must_run();
    }
    ASSERT_EQ(patient(d)->features[0].count, 5U);
    send(about(told, "forget", PersonChange::forget));
    EXPECT_EQ(must_run().counts.forgotten, 5U);
    std::map<std::string, int> commands;
    for (const auto& r : read_all(*log_, config_.topics.transfers)) {
      if (r.value->find("\"forget\"") != std::string::npos) commands[r.key] += 1;
    }
    for (const std::string& id : {a, b, c, d, e}) {
      EXPECT_FALSE(patient(id)) << id;
      EXPECT_EQ(commands[id], id == told ? 0 : 1) << id;
    }
  }
}

TEST_F(MergeTest, ACrashAtAnyPointLosesAndDoublesNothing) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  live(b, b, 20);
  must_run();
  const Snapshot expected = known(patient(b));
  for (const auto point : Pipeline::kPoints) {
    for (const bool keep_disk : {true, false}) {
      SCOPED_TRACE(std::string(point) + (keep_disk ? "" : ", disk lost"));
      begin();
      config_.batch.max_events = 4;
      live(a, b, 20);
      // Every second time that the point is reached.
      for (int crashes = 0;; ++crashes) {
        int passed = 0;
        Pipeline::Hooks hooks;
        hooks.at_point = [&](std::string_view at, std::span<const streaming::Record>) {
          if (at == point && ++passed == 2 + crashes % 3) throw Crash{};
        };
        try {
          ASSERT_TRUE(run(hooks).ok());
          break;
        } catch (const Crash&) {
          if (!keep_disk && crashes % 4 == 3) lose_disk();
        }
        ASSERT_LT(crashes, 300);
      }
      EXPECT_EQ(text(known(patient(b))), text(expected));
      EXPECT_EQ(known(patient(b)), expected);
      EXPECT_EQ(patient(a)->merged_into, b);
    }
  }
}

TEST_F(MergeTest, RecordsInTheWrongPartitionAreForwarded) {
  const std::string a = in_partition(0, "a");
  const auto feed = [&] {
    for (int h = 0; h < 30; ++h) send(event(a, "visit-" + std::to_string(h), h, 60.0 + h), h % kPartitions);
    append(a, "{\"not\":\"an event\"}", 1);
    Event bad = event(a, "bad", 31, 60);
    bad.values = {{0, 1e9}, {1, 16}};
    send(bad, 2);
  };
  feed();
  const Progress split = must_run();
  EXPECT_EQ(split.counts.forwarded, 0U);
  EXPECT_NE(patient(a)->features[0].count, 0U);

  begin();
  config_.identity_forward = true;
  feed();
  const Progress p = must_run();
  EXPECT_EQ(p.counts.forwarded, 21U);
  EXPECT_EQ(p.counts.consumed, 32U + 21U);
  EXPECT_EQ(p.identity.at(config_.topics.events.front()).wrong_partitions, 21U);
  EXPECT_EQ(patient(a)->features[0].count, 30U);
  EXPECT_EQ(patient(a)->features[0].last, 89);
  EXPECT_EQ(p.counts.dead_letters, 2U);
  for (const auto& letter : read_all(*log_, config_.topics.dead_letters)) {
    std::map<std::string, std::string> headers(letter.headers.begin(), letter.headers.end());
    EXPECT_EQ(headers.at("__connect.errors.topic"), config_.topics.events.front()) << "as it came";
    EXPECT_NE(headers.at("__connect.errors.partition"), "0");
    EXPECT_EQ(letter.key, a);
    EXPECT_EQ(
        std::count_if(letter.headers.begin(), letter.headers.end(), [](const auto& h) { return h.first.starts_with("lacuna.transfer"); }),
        0);
  }
}

// A forgetting that an operator asks for reaches what wrong keys have spread.
TEST_F(MergeTest, CommandsReachWhereverThePersonIs) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  send(event(a, "1", 1, 70), 0);
  send(event(b, "2", 1, 71));
  must_run();
  command(OperatorCommand::Action::merge, a, b);
  must_run();
  EXPECT_EQ(patient(b)->features[0].count, 2U);
  send(event(b, "3", 3, 73), 2);  // by a wrong producer: split
  must_run();
  command(OperatorCommand::Action::forget, b);
  must_run();
  EXPECT_FALSE(patient(a) || patient(b));
  std::map<std::int32_t, std::size_t> of_b;
  for (const auto& r : read_all(*log_, config_.topics.state)) {
    if (r.key == b + "/tabular" && !r.value) of_b[r.position.partition] += 1;
  }
  EXPECT_EQ(of_b.size(), static_cast<std::size_t>(kPartitions)) << "tombstones in every partition";
}

TEST_F(MergeTest, WhatIsKeptOfAPersonIsCounted) {
  const std::string a = in_partition(0, "a"), b = in_partition(1, "b");
  for (int h = 0; h < 20; ++h) send(result(a, "visit-" + std::to_string(h), "result-" + std::to_string(h), 1, h, 60.0 + h));
  must_run();
  const std::size_t records = store()->person_keys(a)->size(), examples = store()->replay_size(a);
  EXPECT_GT(examples, 0U);
  const auto kept = [&](const std::string& id) {
    return Pipeline::make(config_, *log_, [] { return kNow; }, {}).value()->kept(id).value();
  };
  EXPECT_EQ(kept(a), (KeptOfPerson{40, 1, examples, records + 1}));
  EXPECT_EQ(kept(b), (KeptOfPerson{0, 0, 0, 1}));
  send(merge(a, b));
  must_run();
  EXPECT_EQ(kept(a), (KeptOfPerson{0, 0, 0, 1})) << "the link alone";
  EXPECT_EQ(kept(b).ids, 40U);
  EXPECT_EQ(kept(b).histories, 1U);
}

// A key may be longer than an id: what tells of the person inside the record has to stay readable.
TEST_F(MergeTest, CommandsReachThoseWithLongIdsInNamespaces) {
  config_.identity_namespace = NamespaceSource::site;
  const std::string id(config_.limits.id_bytes_max, 'x'), other(config_.limits.id_bytes_max, 'y');
  const auto at_north = [&](Event e) {
    e.site = "north";
    return e;
  };
  send(at_north(event(id, "1", 1, 70)));
  send(at_north(event(other, "2", 2, 71)));
  must_run();
  ASSERT_TRUE(patient("north|" + id) && patient("north|" + other));
  command(OperatorCommand::Action::merge, "north|" + id, "north|" + other);
  must_run();
  ASSERT_EQ(patient("north|" + other)->features[0].count, 2U);
  command(OperatorCommand::Action::forget, "north|" + id);
  const Progress p = must_run();
  EXPECT_EQ(p.counts.dead_letters, 0U);
  EXPECT_FALSE(patient("north|" + id) || patient("north|" + other));
}

TEST_F(MergeTest, WhatIsNoTransferIsADeadLetter) {
  auto appender = log_->appender();
  must_run();
  ASSERT_TRUE((*appender)->append({config_.topics.transfers, 0, "k", "v", {}}).ok());
  ASSERT_TRUE((*appender)->append({config_.topics.transfers, 1, "k", "v", {{"lacuna.transfer.kind", "state"}}}).ok());
  ASSERT_TRUE((*appender)->append({config_.topics.transfers, 2, "k", std::nullopt, {{"lacuna.transfer.kind", "state"}}}).ok());
  ASSERT_TRUE((*appender)->append({config_.topics.transfers, 2, "k", "{}", {{"lacuna.transfer.kind", "event"}}}).ok());
  const Progress p = must_run();
  EXPECT_EQ(p.counts.consumed, 4U);
  EXPECT_EQ(p.counts.refused, 4U);
  EXPECT_EQ(p.counts.dead_letters, 4U);
}

}  // namespace
}  // namespace lacuna::daemon
