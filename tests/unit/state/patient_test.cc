// Protects: what one event does to one patient. Random sequences in random order are held against a plain reference that
// keeps every event and recomputes; the summaries against their closed forms.

#include "state/patient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

constexpr Millis kLateMax = std::chrono::hours(10);

// Keeps the accepted events as they came and answers by looking through all of them.
class Reference {
 public:
  Applied apply(const Event& event) {
    const std::size_t window = std::min(accepted_.size(), kRecentIdsMax);
    for (std::size_t i = accepted_.size() - window; i < accepted_.size(); ++i) {
      if (accepted_[i].event_id == event.event_id) return Applied::duplicate;
    }
    if (!accepted_.empty() && newest() - event.time > kLateMax) return Applied::late;
    accepted_.push_back(event);
    return Applied::applied;
  }

  void check(const Schema& schema, const Snapshot& snapshot) const {
    ASSERT_EQ(snapshot.event_count, accepted_.size());
    if (accepted_.empty()) return;
    Time first = accepted_.front().time;
    for (const Event& e : accepted_) first = std::min(first, e.time);
    ASSERT_EQ(snapshot.first_time, first);
    ASSERT_EQ(snapshot.last_time, newest());
    ASSERT_EQ(snapshot.site, site());
    ASSERT_EQ(snapshot.recent_ids.size(), std::min(accepted_.size(), kRecentIdsMax));
    for (FeatureId f = 0; f < schema.feature_count(); ++f) check_feature(f, snapshot.features[f]);
    for (ModalityId m = 0; m < schema.modality_count(); ++m) {
      std::uint32_t count = 0;
      Time last = Time::min();
      PayloadRef payload;
      for (const Event& e : accepted_) {
        if (e.modality != m) continue;
        ++count;
        if (e.time >= last) payload = e.payload;
        last = std::max(last, e.time);
      }
      ASSERT_EQ(snapshot.modalities[m].payload, payload);
      ASSERT_EQ(snapshot.modalities[m].count, count);
      if (count > 0) {
        ASSERT_EQ(snapshot.modalities[m].last_time, last);
      }
    }
    for (std::uint32_t a = 0; a < snapshot.attributes.size(); ++a) ASSERT_EQ(snapshot.attributes[a], attribute(a));
  }

 private:
  Time newest() const {
    Time t = accepted_.front().time;
    for (const Event& e : accepted_) t = std::max(t, e.time);
    return t;
  }
  // Of those that came, the newest by clinical time; of equally new ones the one that came last.
  void check_feature(FeatureId f, const FeatureState& state) const {
    std::uint32_t count = 0;
    const FeatureValue* last = nullptr;
    Time time{};
    for (const Event& e : accepted_) {
      for (const FeatureValue& v : e.values) {
        if (v.feature != f) continue;
        ++count;
        if (last != nullptr && e.time < time) continue;
        last = &v;
        time = e.time;
      }
    }
    ASSERT_EQ(state.count, count);
    if (count == 0) return;
    ASSERT_EQ(state.last, last->value);
    ASSERT_EQ(state.time, time);
    ASSERT_TRUE(std::isfinite(state.mean_short) && std::isfinite(state.mean_long) && std::isfinite(state.slope) &&
                std::isfinite(state.previous));
  }
  // Which events came after a newer one.
  std::vector<bool> behind() const {
    std::vector<bool> out;
    Time t = Time::min();
    for (const Event& e : accepted_) {
      out.push_back(e.time < t);
      t = std::max(t, e.time);
    }
    return out;
  }
  std::string site() const {
    const std::vector<bool> late = behind();
    std::string out;
    for (std::size_t i = 0; i < accepted_.size(); ++i) {
      const std::string& s = accepted_[i].site;
      if (!s.empty() && (!late[i] || out.empty())) out = s;
    }
    return out;
  }
  std::optional<float> attribute(std::uint32_t a) const {
    const std::vector<bool> late = behind();
    std::optional<float> out;
    for (std::size_t i = 0; i < accepted_.size(); ++i) {
      for (const AttributeValue& v : accepted_[i].attributes) {
        if (v.attribute == a && (!late[i] || !out)) out = static_cast<float>(v.value);
      }
    }
    return out;
  }

  std::vector<Event> accepted_;
};

// By schema: tabular modalities alone, and one modality of every kind.
class PatientSequences : public ::testing::TestWithParam<const char*> {
 protected:
  const Schema schema = std::string(GetParam()) == "Tabular" ? testing::test_schema() : testing::payload_schema();
};
INSTANTIATE_TEST_SUITE_P(Patient, PatientSequences, ::testing::Values("Tabular", "EveryKind"), [](const auto& one) { return one.param; });

TEST_P(PatientSequences, AgreeWithTheReference) {
  int seen[3] = {};
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Snapshot snapshot = new_snapshot(schema, "p");
    Reference reference;
    std::vector<Event> sent;
    const std::uint64_t span = 20 + random.below(3000);  // some narrow enough for equal times, some past the late limit
    for (int i = 0; i < 150; ++i) {
      const bool again = !sent.empty() && random.chance(0.15);
      Event event = again ? sent[random.below(sent.size())]
                          : testing::random_event(schema, random, "p", at_minutes(static_cast<std::int64_t>(random.below(span))));
      sent.push_back(event);
      const Snapshot before = snapshot;
      const SourcePosition source{"events", 1, i};
      const Applied applied = apply(schema, snapshot, event, source, kLateMax);
      ASSERT_EQ(applied, reference.apply(event));
      seen[static_cast<int>(applied)] += 1;
      if (applied == Applied::applied) {
        ASSERT_EQ(snapshot.source, source);
      } else {
        ASSERT_EQ(snapshot, before);
      }
      reference.check(schema, snapshot);
      if (HasFatalFailure()) return;
    }
  }
  for (int count : seen) EXPECT_GT(count, 500) << "the sequences do not reach every outcome";
}

// The closed forms: weights of x_i are what later gaps left of the share it had when it came.
TEST(Patient, SummariesAgreeWithTheirClosedForms) {
  const Schema schema = testing::test_schema();
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const FeatureId f = static_cast<FeatureId>(random.below(2));  // a normal and a log-normal one
    const Likelihood likelihood = schema.features()[f].likelihood;
    Snapshot snapshot = new_snapshot(schema, "p");
    std::vector<double> hours, x;
    double t = 0;
    for (int i = 0; i < 60; ++i) {
      t += std::round(random.real(1, 300)) / 60;
      const double value = random.real(0, 500);
      Event event;
      event.event_id = std::to_string(i);
      event.modality = 0;
      event.time = at_minutes(std::llround(t * 60));
      event.values = {{f, value}};
      ASSERT_EQ(apply(schema, snapshot, event, {}, kLateMax), Applied::applied);
      hours.push_back(t);
      x.push_back(likelihood == Likelihood::log_normal ? std::log(1 + value) : value);

      const auto mean = [&](double tau) {
        double m = x[0] * std::exp(-(t - hours[0]) / tau);
        for (std::size_t k = 1; k < x.size(); ++k) {
          m += x[k] * (1 - std::exp(-(hours[k] - hours[k - 1]) / tau)) * std::exp(-(t - hours[k]) / tau);
        }
        return m;
      };
      double slope = 0;
      for (std::size_t k = 1; k < x.size(); ++k) {
        const double gap = hours[k] - hours[k - 1];
        slope += (x[k] - x[k - 1]) / gap * (1 - std::exp(-gap / 6)) * std::exp(-(t - hours[k]) / 6);
      }
      const FeatureState& state = snapshot.features[f];
      const double size = std::abs(x.back()) + 500;
      ASSERT_NEAR(state.mean_short, mean(2), 1e-5 * size);
      ASSERT_NEAR(state.mean_long, mean(24), 1e-5 * size);
      ASSERT_NEAR(state.slope, slope, 1e-5 * size * 60);
      ASSERT_FLOAT_EQ(state.previous, static_cast<float>(x.size() > 1 ? x[x.size() - 2] : x[0]));
    }
  }
}

Event one_value(std::string id, std::int64_t minute, double value) {
  Event event;
  event.event_id = std::move(id);
  event.modality = 0;
  event.time = at_minutes(minute);
  event.values = {{0, value}};
  return event;
}

TEST(Patient, CorrectionsReplaceAndLateValuesOnlyCount) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  ASSERT_EQ(apply(schema, snapshot, one_value("a", 0, 730), {}, kLateMax), Applied::applied);
  ASSERT_EQ(apply(schema, snapshot, one_value("b", 0, 73), {}, kLateMax), Applied::applied);
  const FeatureState& hr = snapshot.features[0];
  EXPECT_EQ(hr.last, 73);
  EXPECT_EQ(hr.mean_long, 73) << "a corrected first value must not live on in the means";
  EXPECT_EQ(hr.previous, 73);
  EXPECT_EQ(hr.count, 2u);

  ASSERT_EQ(apply(schema, snapshot, one_value("c", 60, 80), {}, kLateMax), Applied::applied);
  const FeatureState before = hr;
  ASSERT_EQ(apply(schema, snapshot, one_value("d", 30, 200), {}, kLateMax), Applied::applied);
  FeatureState expected = before;
  expected.count = 4;
  EXPECT_EQ(hr, expected);
}

TEST(Patient, APayloadIsReplacedByOneOfTheSameTimeAndNotByALateOne) {
  const Schema schema = testing::payload_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  const auto report = [](std::string id, std::int64_t minute, std::string text) {
    Event event;
    event.event_id = std::move(id);
    event.modality = 2;
    event.time = at_minutes(minute);
    event.payload = PayloadRef(Payload{{}, {}, std::move(text)});
    return event;
  };
  const ModalityState& state = snapshot.modalities[2];
  ASSERT_EQ(apply(schema, snapshot, report("a", 10, "preliminary"), {}, kLateMax), Applied::applied);
  ASSERT_EQ(apply(schema, snapshot, report("b", 10, "final"), {}, kLateMax), Applied::applied);
  ASSERT_EQ(apply(schema, snapshot, report("c", 5, "older"), {}, kLateMax), Applied::applied);
  EXPECT_EQ(state.payload->text, "final");
  EXPECT_EQ(state.last_time, at_minutes(10));
  EXPECT_EQ(state.count, 3u);
}

TEST(Patient, ATransferMovesAPatientUnlessItComesLate) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  int sent = 0;
  const auto tell = [&](int minute, const char* site, const char* to) {
    Event event;
    event.event_id = std::to_string(sent++);
    event.patient_id = "p";
    event.time = at_minutes(minute);
    event.site = site;
    event.stay_site = to;
    EXPECT_EQ(apply(schema, snapshot, event, {"t", 0, sent}, kLateMax), Applied::applied);
    return snapshot.site;
  };
  EXPECT_EQ(tell(0, "north", ""), "north");
  EXPECT_EQ(tell(10, "north", "south"), "south");
  EXPECT_EQ(tell(11, "", ""), "south");
  EXPECT_EQ(tell(5, "north", "west"), "south") << "the patient has been there since";
}

TEST(Patient, HugeValuesStayFinite) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  for (int i = 0; i < 6; ++i) {
    Event event = one_value(std::to_string(i), 0, i % 2 == 0 ? 1.7e308 : -1.7e308);
    event.time += Millis(i);
    ASSERT_EQ(apply(schema, snapshot, event, {}, kLateMax), Applied::applied);
    const FeatureState& s = snapshot.features[0];
    EXPECT_TRUE(std::isfinite(s.mean_short) && std::isfinite(s.mean_long) && std::isfinite(s.slope) && std::isfinite(s.previous));
  }
}

TEST(Patient, TheSourceIsTheNewestRecordInWhateverOrderTheyAreApplied) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  ASSERT_EQ(apply(schema, snapshot, one_value("b", 5, 1), {"events", 1, 8}, kLateMax), Applied::applied);
  ASSERT_EQ(apply(schema, snapshot, one_value("a", 10, 1), {"events", 1, 7}, kLateMax), Applied::applied);
  EXPECT_EQ(snapshot.source, (SourcePosition{"events", 1, 8}));
  ASSERT_EQ(apply(schema, snapshot, one_value("c", 10, 1), {"more", 1, 2}, kLateMax), Applied::applied);
  EXPECT_EQ(snapshot.source, (SourcePosition{"more", 1, 2})) << "offsets of two topics are not compared";
}

TEST(Patient, AnIndexOutsideTheSchemaNeverWrites) {
  const Schema schema = testing::test_schema();
  Snapshot snapshot = new_snapshot(schema, "p");
  Event event = one_value("a", 0, 1);
  event.values[0].feature = static_cast<FeatureId>(schema.feature_count());
  EXPECT_THROW(apply(schema, snapshot, event, {}, kLateMax), std::out_of_range);
}

}  // namespace
}  // namespace lacuna::state
