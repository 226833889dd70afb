// Protects: whatever is delivered twice, corrected, withdrawn or late, in whatever batches and over restarts of the store from the
// changelog, a patient's state is what the values that hold give. Random streams against a plain list of facts; then each rule by itself.

#include "daemon/pipeline/person_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "state/patient.h"
#include "state/records/schema_bytes.h"
#include "state/stored_records.h"
#include "streaming/messages/encoders.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

using streaming::Refusal;

Time at(int minute) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute); }

std::shared_ptr<const Schema> schema(const std::string& unit = {}) {
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "vitals";
  specs[0].features.resize(2);
  specs[0].features[0].name = "hr";
  specs[0].features[0].unit = unit;
  specs[0].features[1].name = "lactate";
  specs[0].features[1].likelihood = Likelihood::log_normal;
  specs[1].modality.name = "report";
  specs[1].modality.kind = ModalityKind::text;
  specs[1].modality.payload.length = 16;
  return std::make_shared<const Schema>(Schema::make(std::move(specs), {}).value());
}

Event event(const std::string& id, int minute, double hr, const std::string& result = {}, double revision = -1) {
  Event e{id, "p", "", 0, at(minute), {{0, hr}}, {}};
  e.result_id = result;
  if (revision >= 0) e.revision = {Revision::Kind::number, revision};
  return e;
}

Event withdrawal(const std::string& id, int minute, const std::string& result = {}, double revision = -1) {
  Event e = event(id, minute, 0, result, revision);
  e.values.clear();
  e.modality = kNoModality;
  e.status = ResultStatus::entered_in_error;
  return e;
}

// One daemon's worth of it, without the model: batches one after the other, the last one perhaps still on its way to the store.
class Loop {
 public:
  explicit Loop(const Config& config) : config_(config) { open(); }

  /// `sent`: of each event the bytes, where they are others than of the event as it is read now.
  std::vector<PersonLedger::Judged> run(std::vector<Event> events, std::vector<std::string> sent = {}) {
    PersonLedger ledger(config_);
    if (sent.empty()) {
      for (const Event& e : events) sent.push_back(streaming::encode_event(*config_.schema, e));
    }
    PersonLedger::Snapshots snapshots;
    std::vector<const Event*> pointers;
    for (const Event& e : events) {
      pointers.push_back(&e);
      if (snapshots.contains(e.patient_id)) continue;
      snapshots[e.patient_id] = snapshot(e.patient_id);
    }
    const state::StateChange* const before = in_flight_ ? &*in_flight_ : nullptr;
    check(ledger.load(pointers, snapshots, *store_, before));
    std::vector<PersonLedger::Judged> out;
    for (std::size_t i = 0; i < events.size(); ++i) {
      out.push_back(ledger.judge(events[i], i, {topic, 0, offsets_[topic]++}, sent[i]));
    }
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (out[i].fresh) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return events[a].time < events[b].time; });
    for (const std::size_t i : order) state::apply_fresh(*config_.schema, snapshots[events[i].patient_id], events[i], {}, Millis::max());
    check(ledger.settle(*store_, snapshots, counts));
    corrections = ledger.corrections();
    state::StateChange change;
    for (auto& [id, s] : snapshots) change.snapshots.push_back(std::move(s));
    for (const state::PersonUpdate& update : ledger.updates()) {
      for (state::PersonRecord& record : state::to_records(update)) {
        bytes += record.key.size() + (record.value ? record.value->size() : 0);
        if (record.value) log_[record.key] = {sequence_++, std::move(*record.value)};
        else log_.erase(record.key);
      }
    }
    change.positions[{topic, 0}].input_next = offsets_[topic];
    change.persons = ledger.take_updates();
    change.corrections = ledger.take_corrections();
    commit();
    in_flight_ = std::move(change);
    return out;
  }
  PersonLedger::Judged run(const Event& one) { return run(std::vector<Event>{one}).front(); }

  /// What is on its way reaches the store.
  void commit() {
    if (in_flight_) check(store_->apply(*in_flight_));
    in_flight_.reset();
  }
  /// In a batch of its own.
  void forget(const std::string& patient) {
    commit();
    state::StateChange change;
    change.forgotten = {patient};
    change.positions[{topic, 0}].input_next = ++offsets_[topic];
    check(store_->apply(change));
    std::erase_if(log_, [&patient](const auto& record) { return state::person_of(record.first) == patient; });
  }
  state::PersonState state_of(const std::string& patient) {
    commit();
    const auto found = store_->persons({&patient, 1});
    check(found.status());
    return found->front();
  }
  /// Of the changelog, as compaction leaves it.
  std::vector<std::string> records_of(const std::string& patient) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : log_) {
      if (state::person_of(key) == patient) out.push_back(key);
    }
    return out;
  }
  const std::string& record(const std::string& key) const { return log_.at(key).second; }
  /// Under the schema that the configuration has now.
  void restart() {
    commit();
    store_.reset();
    open();
  }
  /// The store is lost, and rebuilt from what compaction leaves of the changelog.
  void rebuild() {
    commit();
    state::StateChange change;
    check(store_->for_each_snapshot([&](Snapshot s) { change.snapshots.push_back(std::move(s)); }));
    const std::vector<state::SchemaBook::Known> earlier = store_->schemas().earlier();
    store_.reset();
    ++stores_;
    open();
    for (const auto& known : earlier) check(store_->learn_schema(state::encode_schema_record({encode_schema(*known.schema), false})));
    std::vector<std::pair<std::size_t, std::string>> order;
    for (const auto& [key, value] : log_) order.emplace_back(value.first, key);
    std::sort(order.begin(), order.end());
    std::map<std::string, state::PersonUpdate> updates;
    std::map<std::string, state::PersonState> known;
    for (const auto& [sequence, key] : order) {
      state::PersonUpdate& update = updates[std::string(*state::person_of(key))];
      update.patient_id = *state::person_of(key);
      check(state::add_record(key, log_[key].second, known[update.patient_id], update).status());
    }
    for (auto& [patient, update] : updates) change.persons.push_back(std::move(update));
    check(store_->apply(change));
  }
  Snapshot snapshot(const std::string& patient) {
    if (in_flight_) {
      for (const Snapshot& s : in_flight_->snapshots) {
        if (s.patient_id == patient) return s;
      }
    }
    Result<Snapshot> found = store_->snapshot(patient);
    return found.ok() ? *found : state::new_snapshot(*config_.schema, patient);
  }
  const FeatureState& hr() { return (last_ = snapshot("p")).features[0]; }
  state::Store& store() { return *store_; }

  std::string topic = "events";  // that the next batches are read from
  EventCounts counts;
  std::vector<state::ExampleCorrection> corrections;
  std::size_t bytes = 0;  // of the changelog

 private:
  static void check(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.to_string());
  }
  void open() {
    state::StoreOptions options;
    options.path = folder_.path() + "/state-" + std::to_string(stores_);
    options.memory_bytes_max = 16u << 20;
    auto opened = state::Store::open(*config_.schema, options);
    check(opened.status());
    store_ = std::move(*opened);
  }

  const Config& config_;
  lacuna::testing::ScratchFolder folder_;
  int stores_ = 0;
  std::unique_ptr<state::Store> store_;
  std::optional<state::StateChange> in_flight_;
  std::map<std::string, std::pair<std::size_t, std::string>> log_;
  std::size_t sequence_ = 0;
  std::map<std::string, std::int64_t> offsets_;
  Snapshot last_;
};

class Ledger : public ::testing::Test {
 protected:
  Ledger() {
    config_.schema = schema();
    config_.late_max = std::chrono::hours(1000);
  }
  Config config_;
};

// Every fact with its newest report; what holds, in the order in which it came to be.
struct Facts {
  struct Fact {
    double value = 0;
    int minute = 0;
    double revision = 0;
    bool withdrawn = false;
    std::size_t order = 0;
  };
  std::map<std::string, Fact> facts;
  std::size_t next = 0;

  // A report of a result. True when it is to change something.
  void take(const std::string& result, double value, int minute, double revision, bool withdraws) {
    const auto [at, first] = facts.try_emplace(result);
    Fact& fact = at->second;
    if (!first && revision < fact.revision) return;
    const bool keeps_place = !first && !fact.withdrawn && fact.minute == minute;
    fact.withdrawn = withdraws;
    fact.revision = revision;
    if (withdraws) return;
    fact.value = value;
    fact.minute = minute;
    if (!keeps_place) fact.order = next++;
  }
  FeatureState state(const Schema& of) const {
    std::vector<Fact> holding;
    for (const auto& [id, fact] : facts) {
      if (!fact.withdrawn) holding.push_back(fact);
    }
    std::sort(holding.begin(), holding.end(),
              [](const Fact& a, const Fact& b) { return std::pair(a.minute, a.order) < std::pair(b.minute, b.order); });
    Snapshot s = state::new_snapshot(of, "p");
    for (const Fact& fact : holding) {
      state::apply_fresh(of, s, event("e", fact.minute, fact.value), {}, Millis::max());
    }
    return s.features[0];
  }
};

TEST_F(Ledger, RandomStreamsGiveWhatTheValuesThatHoldGive) {
  config_.state_history = 1000;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Loop loop(config_);
    Facts facts;
    std::vector<Event> sent;
    for (int batch = 0; batch < 60; ++batch) {
      std::vector<Event> events;
      for (unsigned n = 1 + random() % 6; n > 0; --n) {
        if (!sent.empty() && random() % 5 == 0) {
          events.push_back(sent[random() % sent.size()]);  // a second delivery
          continue;
        }
        const std::string result = "r" + std::to_string(random() % 40);
        const int minute = static_cast<int>(random() % 200);
        const double revision = static_cast<double>(random() % 6);
        const std::string id = "e" + std::to_string(sent.size());
        const bool withdraws = random() % 5 == 0;
        Event e = withdraws ? withdrawal(id, minute, result, revision) : event(id, minute, double(random() % 200), result, revision);
        facts.take(result, withdraws ? 0 : e.values[0].value, minute, revision, withdraws);
        sent.push_back(e);
        events.push_back(std::move(e));
      }
      loop.run(std::move(events));
      if (batch % 25 == 20) loop.rebuild();
      ASSERT_EQ(loop.hr(), facts.state(*config_.schema)) << "batch " << batch;
    }
  }
}

TEST_F(Ledger, BatchingMakesNoDifference) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    std::vector<FeatureState> outcomes;
    for (const unsigned size : {1U, 7U, 50U}) {
      std::mt19937 random(seed);
      std::vector<Event> all;
      for (int i = 0; i < 150; ++i) {
        all.push_back(event("e" + std::to_string(i), i, double(random() % 200), "r" + std::to_string(i)));
        if (random() % 4 == 0) all.push_back(withdrawal("w" + std::to_string(i), i, "r" + std::to_string(i)));
        if (random() % 4 == 0) all.push_back(event("c" + std::to_string(i), i, double(random() % 200), "r" + std::to_string(i)));
      }
      Loop loop(config_);
      for (std::size_t i = 0; i < all.size(); i += size) {
        loop.run({all.begin() + static_cast<std::ptrdiff_t>(i), all.begin() + static_cast<std::ptrdiff_t>(std::min(i + size, all.size()))});
      }
      EXPECT_EQ(loop.counts.late_corrections, 0U);
      outcomes.push_back(loop.hr());
    }
    EXPECT_EQ(outcomes[0], outcomes[1]);
    EXPECT_EQ(outcomes[0], outcomes[2]);
  }
}

TEST_F(Ledger, SecondDeliveriesAndConflicts) {
  Loop loop(config_);
  EXPECT_TRUE(loop.run(event("a", 1, 70)).fresh);
  for (int round = 0; round < 2; ++round) {
    const auto again = loop.run(event("a", 1, 70));
    EXPECT_FALSE(again.taken() || again.refused);
    const auto other = loop.run(event("a", 1, 71));
    ASSERT_TRUE(other.refused);
    EXPECT_EQ(other.refused->first, Refusal::id_conflict);
    EXPECT_FALSE(other.taken());
    // Another feature of the same event had been refused: it is new.
    Event more = event("a", 1, 70);
    more.values.push_back({1, 2.5});
    const auto part = loop.run(more);
    EXPECT_EQ(part.fresh, round == 0);
    loop.rebuild();
  }
  EXPECT_EQ(loop.hr().count, 1U);
  EXPECT_EQ(loop.hr().last, 70);
  EXPECT_EQ(loop.snapshot("p").features[1].count, 1U);
  // In one batch, too; and another patient's event may have the same id.
  Event of_another = event("b", 2, 80);
  of_another.patient_id = "q";
  const auto judged = loop.run(std::vector<Event>{event("b", 2, 80), event("b", 2, 80), event("b", 2, 81), of_another});
  EXPECT_TRUE(judged[0].fresh);
  EXPECT_FALSE(judged[1].taken());
  EXPECT_TRUE(judged[2].refused);
  EXPECT_TRUE(judged[3].fresh);
}

TEST_F(Ledger, AWithdrawalByItsEventTakesAllItBrought) {
  Loop loop(config_);
  Event both = event("a", 1, 70);
  both.values.push_back({1, 2.5});
  loop.run(both);
  loop.run(event("b", 2, 75));
  const auto judged = loop.run(withdrawal("a", 1));
  EXPECT_TRUE(judged.changes);
  const Snapshot after = loop.snapshot("p");
  EXPECT_EQ(after.features[0].count, 1U);
  EXPECT_EQ(after.features[0].mean_long, 75.0F);
  EXPECT_EQ(after.features[1], FeatureState{});
  EXPECT_EQ(after.modalities[0].count, 2U);
  ASSERT_EQ(loop.corrections.size(), 2U);
  EXPECT_EQ(loop.corrections[0].from, at(1));
  EXPECT_FALSE(loop.run(withdrawal("a", 1)).taken()) << "a second delivery of it";
  loop.run(withdrawal("b", 2));
  EXPECT_EQ(loop.snapshot("p").modalities[0].count, 0U) << "nothing is known of it any more";
}

TEST_F(Ledger, OneValueOfAResult) {
  Loop loop(config_);
  Event both = event("a", 1, 70, "r");
  both.values.push_back({1, 2.5});
  loop.run(both);
  Event one = withdrawal("w", 1, "r");
  one.modality = 0;
  one.values = {{1, 0}};
  EXPECT_TRUE(loop.run(one).changes);
  EXPECT_EQ(loop.snapshot("p").features[0].count, 1U);
  EXPECT_EQ(loop.snapshot("p").features[1].count, 0U);
}

TEST_F(Ledger, AWithdrawalThatCameFirstHoldsByItsRevision) {
  Loop loop(config_);
  const auto first = loop.run(withdrawal("w", 1, "r", 2));
  EXPECT_TRUE(first.noted);
  EXPECT_FALSE(first.changes);
  EXPECT_EQ(loop.snapshot("p").event_count, 0U);
  EXPECT_FALSE(loop.run(event("a", 1, 70, "r", 1)).taken());
  EXPECT_TRUE(loop.run(event("b", 1, 71, "r", 3)).fresh);
  EXPECT_EQ(loop.hr().last, 71);
}

TEST_F(Ledger, RevisionsAreOfOneKind) {
  Loop loop(config_);
  loop.run(event("a", 1, 70, "r", 1));
  Event other = event("b", 1, 71, "r");
  other.revision = {Revision::Kind::time, 5};
  const auto judged = loop.run(other);
  ASSERT_TRUE(judged.refused);
  EXPECT_EQ(judged.refused->first, Refusal::malformed);
  EXPECT_FALSE(judged.taken());
}

TEST_F(Ledger, WhatIsTooOldIsCountedAndItsExamplesGo) {
  config_.state_history = 4;
  Loop loop(config_);
  for (int i = 0; i < 40; ++i) loop.run(event("e" + std::to_string(i), i, 70 + i));
  const FeatureState before = loop.hr();
  EXPECT_TRUE(loop.run(withdrawal("e3", 3)).changes);
  EXPECT_EQ(loop.counts.late_corrections, 1U);
  EXPECT_EQ(loop.hr(), before);
  ASSERT_EQ(loop.corrections.size(), 1U);
  EXPECT_TRUE(loop.corrections[0].drop);
  EXPECT_EQ(loop.corrections[0].from, Time::min()) << "when it was is not known any more";
  EXPECT_TRUE(loop.run(withdrawal("e39", 39)).changes);
  EXPECT_EQ(loop.counts.late_corrections, 1U);
  EXPECT_EQ(loop.hr().last, 108);
}

TEST_F(Ledger, LateValuesMayComeAgainWhenTheyWereRefused) {
  config_.late_max = std::chrono::minutes(10);
  Loop loop(config_);
  loop.run(event("a", 100, 70));
  const auto late = loop.run(event("b", 50, 71));
  ASSERT_TRUE(late.refused);
  EXPECT_EQ(late.refused->first, Refusal::late);
  EXPECT_FALSE(late.taken());
  EXPECT_TRUE(loop.run(event("b", 50, 71)).refused) << "not a duplicate: it was never taken";
  EXPECT_TRUE(loop.run(withdrawal("a", 100)).changes) << "a withdrawal is never too late";
}

Event report(const std::string& id, int minute, const std::string& text, const std::string& result = "r") {
  Event e = event(id, minute, 0, result);
  e.values.clear();
  e.modality = 1;
  Payload payload;
  payload.text = text;
  e.payload = PayloadRef(std::move(payload));
  return e;
}

// Protects: of two payloads of which 16 bits of the hash are the same, a withdrawal takes the one that it names.
TEST_F(Ledger, PayloadsThatAreAlikeInAFewBitsAreTwo) {
  const auto bits = [](const Event& e) { return state::payload_tag(*e.payload, e.time) >> 48; };
  const Event first = report("a", 1, "first", "r1");
  int i = 0;
  while (bits(report("b", 2, std::to_string(i), "r2")) != bits(first)) ASSERT_LT(++i, 1'000'000);
  const Event second = report("b", 2, std::to_string(i), "r2");
  Loop loop(config_);
  EXPECT_TRUE(loop.run(first).fresh);
  EXPECT_TRUE(loop.run(second).fresh);
  EXPECT_TRUE(loop.run(withdrawal("w", 1, "r1")).changes);
  ASSERT_TRUE(loop.snapshot("p").modalities[1].payload) << "the newer one stays";
  EXPECT_EQ(loop.snapshot("p").modalities[1].payload->text, second.payload->text);
  loop.rebuild();
  EXPECT_FALSE(loop.run(second).taken());
  EXPECT_TRUE(loop.run(withdrawal("x", 2, "r2")).changes);
  EXPECT_FALSE(loop.snapshot("p").modalities[1].payload);
}

/// The text that is known, and its minute; empty: none.
std::pair<std::string, int> known_report(Loop& loop) {
  const ModalityState known = loop.snapshot("p").modalities[1];
  if (!known.payload) return {"", known.count == 0 ? 0 : -1};
  return {known.payload->text, static_cast<int>((known.last_time - at(0)) / std::chrono::minutes(1))};
}

TEST_F(Ledger, AWithdrawnPayloadBringsBackTheOneBefore) {
  using Known = std::pair<std::string, int>;
  for (const bool rebuilt : {false, true}) {
    config_.state_payloads = 2;
    Loop loop(config_);
    const auto withdraw = [&](const std::string& result) {
      if (rebuilt) loop.rebuild();
      EXPECT_TRUE(loop.run(withdrawal("w-" + result, 9, result)).changes) << result;
    };
    for (const auto& [result, minute] : std::map<std::string, int>{{"r1", 1}, {"r2", 2}, {"r3", 3}, {"r4", 4}}) {
      loop.run(report("e-" + result, minute, "of " + result, result));
    }
    loop.run(report("late", 0, "late", "r0"));
    EXPECT_EQ(known_report(loop), Known("of r4", 4));
    withdraw("r3");
    EXPECT_EQ(known_report(loop), Known("of r4", 4)) << "the newest one stays";
    withdraw("r4");
    EXPECT_EQ(known_report(loop), Known("of r2", 2));
    withdraw("r2");
    EXPECT_EQ(known_report(loop), Known("", 0)) << "r1 is older than what is kept";
    EXPECT_TRUE(loop.run(report("e-r5", 5, "of r5", "r5")).fresh);
    EXPECT_EQ(known_report(loop), Known("of r5", 5));
  }
}

// Within one batch, and with the one before on its way to the store.
TEST_F(Ledger, ACorrectedPayloadTakesItsPlaceByItsTime) {
  using Known = std::pair<std::string, int>;
  Loop loop(config_);
  loop.run(report("a", 1, "first", "r1"));
  loop.run(report("b", 5, "second", "r2"));
  loop.run(report("c", 0, "second, but earlier", "r2"));
  EXPECT_EQ(known_report(loop), Known("first", 1)) << "the correction has moved the newest one before it";
  loop.run(withdrawal("w", 9, "r1"));
  EXPECT_EQ(known_report(loop), Known("second, but earlier", 0));
  loop.run({report("d", 6, "third", "r3"), report("e", 7, "fourth", "r4"), withdrawal("x", 9, "r4")});
  EXPECT_EQ(known_report(loop), Known("third", 6));
  loop.run(report("f", 6, "third, amended", "r3"));
  EXPECT_EQ(known_report(loop), Known("third, amended", 6));
  config_.state_payloads = 0;
  loop.run(report("g", 8, "fifth", "r5"));
  loop.run(withdrawal("y", 9, "r5"));
  EXPECT_EQ(known_report(loop), Known("", 0)) << "none are kept";
}

// Protects: that when something was measured last is not told by a result that does not hold, or held at another time.
TEST_F(Ledger, TheNewestTimeOfAModalityGoesBackWithItsResult) {
  Loop loop(config_);
  const auto newest = [&loop] { return loop.snapshot("p").modalities[0].last_time; };
  loop.run(event("a", 1, 70));
  loop.run(event("b", 9, 71, "r"));
  EXPECT_EQ(newest(), at(9));
  loop.run(event("c", 4, 71, "r"));
  EXPECT_EQ(newest(), at(4)) << "corrected";
  EXPECT_EQ(loop.hr().time, at(4));
  loop.run(withdrawal("w", 4, "r"));
  EXPECT_EQ(newest(), at(1)) << "withdrawn";
  EXPECT_EQ(loop.hr().time, at(1));
  loop.run(withdrawal("a", 1));
  EXPECT_EQ(loop.snapshot("p").modalities[0].count, 0U);
}

TEST_F(Ledger, PayloadsAreReplacedAndWithdrawn) {
  Loop loop(config_);
  EXPECT_TRUE(loop.run(report("a", 1, "preliminary")).fresh);
  EXPECT_TRUE(loop.run(report("b", 1, "final")).changes);
  EXPECT_EQ(loop.snapshot("p").modalities[1].payload->text, "final");
  ASSERT_EQ(loop.corrections.size(), 1U);
  EXPECT_TRUE(loop.corrections[0].drop);
  EXPECT_TRUE(loop.run(withdrawal("w", 1, "r")).changes);
  EXPECT_FALSE(loop.snapshot("p").modalities[1].payload);
}

/// Values of 5.3 and more that were told in mmol/L, and a feature that is in umol/L now.
class LedgerOfAUnit : public Ledger {
 protected:
  LedgerOfAUnit() {
    config_.schema = schema("mmol/L");
    config_.state_history = 1000;
  }
  static std::string sent(const Event& e, const std::string& value) {
    return R"({"schema_version":1,"event_id":")" + e.event_id + R"(","patient_id":"p","modality":"vitals","time":")" +
           format_rfc3339(e.time) + R"(","values":{"hr":)" + value + "}}";
  }
  void change_unit(Loop& loop, bool disk_lost = false) {
    config_.schema = schema("umol/L");
    loop.restart();
    if (disk_lost) loop.rebuild();
  }
};

TEST_F(LedgerOfAUnit, WhatIsSentAgainAfterAChangeIsADuplicate) {
  for (const bool disk_lost : {false, true}) {
    config_.schema = schema("mmol/L");
    Loop loop(config_);
    EXPECT_TRUE(loop.run(event("e", 1, 5.3)).fresh);
    EXPECT_TRUE(loop.run(event("f", 2, 6.1)).fresh);
    change_unit(loop, disk_lost);
    const auto is_duplicate = [&](const Event& read, const std::string& as_sent) {
      const PersonLedger::Judged judged = loop.run({read}, {sent(read, as_sent)}).front();
      return !judged.taken() && !judged.refused;
    };
    EXPECT_TRUE(is_duplicate(event("e", 1, 5.3), "5.3")) << "the same bytes, without a unit";
    EXPECT_TRUE(is_duplicate(event("e", 1, 5.3 * 1000), R"({"value":5.3,"unit":"mmol/L"})")) << "with the unit that it had";
    EXPECT_TRUE(is_duplicate(event("e", 1, 5300), "5300")) << "in the new unit";
    EXPECT_TRUE(is_duplicate(event("f", 2, 6.1 / 1e-3), std::to_string(6.1 / 1e-3))) << "converted in another way";
    EXPECT_FALSE(is_duplicate(event("e", 1, 5.4), "5.4"));
    EXPECT_FALSE(is_duplicate(event("e", 1, 5400), R"({"value":5.4,"unit":"mmol/L"})"));
    EXPECT_FALSE(is_duplicate(event("e", 3, 5300), "5300")) << "another time";
    EXPECT_EQ(loop.run({event("e", 1, 5.4)}, {sent(event("e", 1, 5.4), "5.4")}).front().refused->first, Refusal::id_conflict);
    EXPECT_EQ(loop.hr().count, 2U);
    EXPECT_DOUBLE_EQ(loop.hr().last, 6100);
  }
}

TEST_F(Ledger, IdsAreForgottenBehindTheHorizon) {
  config_.identity_horizon = std::chrono::hours(24);
  Loop loop(config_);
  for (int i = 0; i < 200; ++i) loop.run(event("e" + std::to_string(i), i * 30, 70));
  EXPECT_FALSE(loop.run(event("e199", 199 * 30, 70)).taken());
  EXPECT_FALSE(loop.run(event("e160", 160 * 30, 70)).taken()) << "within the horizon";
  EXPECT_TRUE(loop.run(event("e10", 10 * 30, 70)).taken()) << "far behind it";
  loop.commit();
  const std::vector<std::string> ids{"p"};
  const state::PersonState left = loop.store().persons(ids)->front();
  EXPECT_LT(left.ids, 100U);
  EXPECT_GE(left.ids, 48U);
}

// Protects: that the ids of who begins after a forgetting are not lost, and those of who was forgotten are, where a restore has read the
// one before and compaction has then taken the tombstone away. Both topics of a partition have offsets of their own.
TEST_F(Ledger, WhoBeginsAfterAForgettingIsTheNewerOneThroughWhicheverTopic) {
  for (const bool events_first : {true, false}) {
    Loop loop(config_);
    const std::string first = events_first ? "events" : "transfers", then = events_first ? "transfers" : "events";
    loop.topic = first;
    Event other = event("q", 0, 70);
    other.patient_id = "q";
    for (int i = 0; i < 30; ++i) loop.run(other);
    loop.run(event("a", 1, 71));
    loop.run(event("b", 2, 72));
    const state::PersonState before = loop.state_of("p");
    loop.forget("p");
    loop.topic = then;
    loop.run(event("c", 3, 73));
    const state::PersonState after = loop.state_of("p");
    EXPECT_GT(after.begun, before.sequence);

    state::PersonState known = before;
    state::PersonUpdate update{"p", {{1, {}}}};
    for (const std::string& key : loop.records_of("p")) {
      const Result<bool> another = state::add_record(key, loop.record(key), known, update);
      ASSERT_TRUE(another.ok()) << another.status().to_string();
      EXPECT_TRUE(*another) << "what was read of the one before is forgotten";
    }
    EXPECT_EQ(update.rows.size(), 1U) << "c, and nothing else";
    EXPECT_EQ(known.begun, after.begun);
  }
}

TEST_F(Ledger, IdsOfAnEarlierBuildsSnapshotAreHonoured) {
  Loop loop(config_);
  state::StateChange change;
  Snapshot old = state::new_snapshot(*config_.schema, "p");
  state::apply(*config_.schema, old, event("old", 1, 70), {}, Millis::max());
  change.snapshots = {old};
  ASSERT_TRUE(loop.store().apply(change).ok());
  EXPECT_FALSE(loop.run(event("old", 1, 70)).taken());
  EXPECT_TRUE(loop.run(event("new", 2, 75)).fresh);
  EXPECT_FALSE(loop.run(event("old", 1, 70)).taken());
  // What the earlier build folded cannot be taken apart; what came since can.
  for (int i = 3; i < 40; ++i) loop.run(event("e" + std::to_string(i), i, 75));
  EXPECT_TRUE(loop.run(withdrawal("e39", 39)).changes);
  EXPECT_EQ(loop.hr().count, 38U);
  EXPECT_EQ(loop.counts.late_corrections, 0U);
  loop.run(event("far", 60 * 24 * 40, 75));
  EXPECT_TRUE(loop.snapshot("p").recent_ids.empty()) << "their horizon is over";
}

TEST_F(Ledger, WritesByDifference) {
  Loop loop(config_);
  for (int i = 0; i < 320; ++i) {
    Event e = event("event-number-" + std::to_string(i), i, 70 + i % 7);
    e.values.push_back({1, 2.5 + i});
    loop.run(e);
  }
  // The ids of a snapshot were 512 bytes each time.
  EXPECT_LT(loop.bytes / 320, 250U);
}

}  // namespace
}  // namespace lacuna::daemon
