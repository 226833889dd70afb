#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "model/drift/latent_subject.h"
#include "model/drift/mix_subject.h"
#include "model/drift/pattern_subject.h"
#include "model/drift/rate_subject.h"
#include "model/drift/score_subject.h"

// Protects each kind of subject on its own: silent while nothing changes, however its outcomes are distributed; a change found,
// described as what it is, and closed when it is over; and the life cycle that all of them share.

namespace lacuna::drift {
namespace {

using Random = std::mt19937_64;

Time at(int hour) { return Time(std::chrono::hours(hour)); }
double uniform(Random& random) { return std::uniform_real_distribution<double>()(random); }
double normal(Random& random) { return std::normal_distribution<double>()(random); }

MonitorOptions options() {
  MonitorOptions o;
  o.false_per_month = 0.02;  // one of some hundred subjects
  return o;
}

/// Ten outcomes an hour for so many hours, from `from` on; what is said on the way.
std::vector<Alert> feed(MonitorContext& shared, int from, int hours, const std::function<void(Time)>& outcome) {
  std::vector<Alert> said;
  for (int h = from; h < from + hours; ++h) {
    for (int i = 0; i < 10; ++i) outcome(at(h));
    for (Alert& a : shared.pending) said.push_back(std::move(a));
    shared.pending.clear();
  }
  return said;
}

TEST(ScoreSubject, LearnsWhateverDistributionItIsGiven) {
  // Far from standard normal: heavy tails, skew, another mean and spread.
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    MonitorContext shared(options());
    ScoreSubject subject({Kind::value, "labs.a", Severity::info, 2}, shared, "given the rest", 1);
    std::student_t_distribution<double> heavy(4);
    const auto said =
        feed(shared, 0, 24 * 60, [&](Time t) { subject.update(0.3 + 0.8 * heavy(random) + 0.3 * std::abs(normal(random)), 0, t, t, 0); });
    EXPECT_TRUE(said.empty()) << said.front().summary;
  }
}

TEST(ScoreSubject, FindsAShiftAndASpreadAndTheirEnds) {
  struct Case {
    double mean, sd, hours_max;
    const char* words;
  };
  for (const Case& c :
       {Case{0.6, 1, 60, "rose by "}, Case{-1, 1, 9, "fell by "}, Case{0, 1.9, 30, "spread wider"}, Case{0, 0.5, 24, "spread less wide"}}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(testing::Message() << c.mean << " " << c.sd << " seed " << seed);
      Random random(seed);
      MonitorContext shared(options());
      ScoreSubject subject({Kind::value, "labs.a", Severity::info, 2}, shared, "given the rest", 1);
      EXPECT_TRUE(feed(shared, 0, 200, [&](Time t) { subject.update(normal(random), 0, t, t, 0); }).empty());
      const auto said = feed(shared, 200, 96, [&](Time t) { subject.update(c.mean + c.sd * normal(random), 0, t, t, 0); });
      ASSERT_FALSE(said.empty());
      EXPECT_EQ(said.front().state, AlertState::raised);
      EXPECT_LE(hours_between(at(200), said.front().detected), c.hours_max);
      EXPECT_NE(said.front().summary.find(c.words), std::string::npos) << said.front().summary;
      EXPECT_LE(std::abs(hours_between(at(200), said.front().since)), 12);
      EXPECT_LE(said.front().earliest, said.front().since);
      EXPECT_GE(said.front().latest, said.front().since);
      EXPECT_NEAR(said.front().after - said.front().before, c.mean, 0.6);  // after few outcomes, and the luckiest ones
      EXPECT_EQ(subject.state(), SubjectState::alarmed);
      const auto after = feed(shared, 296, 96, [&](Time t) { subject.update(normal(random), 0, t, t, 0); });
      ASSERT_FALSE(after.empty());
      EXPECT_EQ(after.back().resolution, Resolution::returned);
      EXPECT_EQ(after.back().alert_id, said.front().alert_id);
      EXPECT_EQ(subject.state(), SubjectState::armed);
    }
  }
}

TEST(MixSubject, IsSilentForAnyMixAndNamesTheClassThatGrew) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    MonitorContext shared(options());
    MixSubject subject({Kind::mix, "ward", Severity::info, 1.2}, shared, "stays", {"a", "b", "c", "d"});
    std::discrete_distribution<std::size_t> before({55, 30, 14, 1}), after({35, 30, 34, 1});
    const auto quiet = feed(shared, 0, 24 * 40, [&](Time t) { subject.update(before(random), t, t, 0); });
    EXPECT_TRUE(quiet.empty()) << quiet.front().summary;
    const auto said = feed(shared, 960, 96, [&](Time t) { subject.update(after(random), t, t, 0); });
    ASSERT_FALSE(said.empty());
    const auto& named = said.front().contributors;
    EXPECT_TRUE(named.front().name == "c" || named.front().name == "a");
    EXPECT_LE(hours_between(at(960), said.front().detected), 30);
    const auto back = feed(shared, 1056, 240, [&](Time t) { subject.update(before(random), t, t, 0); });
    ASSERT_FALSE(back.empty());
    EXPECT_EQ(back.back().resolution, Resolution::returned);
  }
}

/// Two panels that come in a tenth of the patient-hours each, together as often as `together` of the one, and a third that is
/// nearly always there.
std::uint64_t hour_of_panels(Random& random, double rate, double together) {
  const bool b = uniform(random) < rate;
  const double other = (rate - rate * together) / (1 - rate);
  const bool c = uniform(random) < (b ? together : other);
  return (uniform(random) < 0.9 ? 1u : 0u) | (b ? 2u : 0u) | (c ? 4u : 0u);
}

TEST(PatternSubject, MindsWhatComesTogetherAndNotHowOften) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    MonitorContext shared(options());
    PatternSubject subject({Kind::pattern, "together", Severity::info, 2}, shared, {"vitals", "chemistry", "haematology"});
    const std::vector<Bounds> rates = {{0.85, 0.9, 0.93}, {0.08, 0.1, 0.13}, {0.08, 0.1, 0.13}};
    const auto hours = [&](int from, int count, double rate, double together) {
      return feed(shared, from, count, [&](Time t) {
        for (int i = 0; i < 5; ++i) subject.update(hour_of_panels(random, rate, together), rates, 0, t, t, 0);
      });
    };
    EXPECT_TRUE(hours(0, 200, 0.1, 0.7).empty());
    // Somewhat more of both, as together as ever: the arrivals' business.
    const auto more = hours(200, 60, 0.12, 0.7);
    EXPECT_TRUE(more.empty()) << more.front().summary;
    const auto said = hours(260, 60, 0.1, 0.2);
    ASSERT_FALSE(said.empty());
    EXPECT_LE(hours_between(at(260), said.front().detected), 24);
    const std::string& top = said.front().contributors.front().name;
    EXPECT_TRUE(top.find("chemistry") != std::string::npos && top.find("haematology") != std::string::npos) << top;
  }
}

TEST(PatternSubject, SaysNothingOfModalitiesThatAreInDoubt) {
  Random random(1);
  MonitorContext shared(options());
  PatternSubject subject({Kind::pattern, "together", Severity::info, 2}, shared, {"vitals", "chemistry", "haematology"});
  const std::vector<Bounds> rates = {{0.85, 0.9, 0.93}, {0.08, 0.1, 0.13}, {0.08, 0.1, 0.13}};
  const auto hours = [&](int from, double together, std::uint64_t suspicious) {
    return feed(shared, from, 200, [&](Time t) { subject.update(hour_of_panels(random, 0.1, together), rates, suspicious, t, t, 0); });
  };
  EXPECT_TRUE(hours(0, 0.7, 0).empty());
  EXPECT_TRUE(hours(200, 0.05, 4).empty());  // haematology is known to be down
  EXPECT_FALSE(hours(400, 0.05, 0).empty());
}

TEST(LatentSubject, HoldsCodesAgainstAFixedReference) {
  constexpr std::size_t kDimensions = 16;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    MonitorContext shared(options());
    LatentSubject subject({Kind::latent, "codes", Severity::info, 1.2, LatentSubject::kReference}, shared, kDimensions);
    const auto code = [&](double shift) {
      std::vector<float> z(kDimensions);
      for (std::size_t d = 0; d < kDimensions; ++d) z[d] = static_cast<float>(3 + 0.5 * (normal(random) + (d < 3 ? shift : 0)));
      return z;
    };
    std::vector<std::vector<float>> reference;
    for (int i = 0; subject.gathering(); ++i) {
      reference.push_back(code(0));
      subject.learn(at(i), at(i));
    }
    EXPECT_EQ(reference.size(), LatentSubject::kReference);
    subject.set_reference(reference);
    const auto quiet = feed(shared, 500, 200, [&](Time t) { subject.update(code(0), t, t, 0); });
    EXPECT_TRUE(quiet.empty()) << quiet.front().summary;
    // Another version: other numbers for the same patients.
    for (auto& z : reference) {
      for (float& v : z) v = 7 - 2 * v;
    }
    subject.set_reference(reference);
    const auto turned = feed(shared, 700, 50, [&](Time t) {
      std::vector<float> z = code(0);
      for (float& v : z) v = 7 - 2 * v;
      subject.update(z, t, t, 0);
    });
    EXPECT_TRUE(turned.empty()) << turned.front().summary;
    const auto said = feed(shared, 750, 60, [&](Time t) {
      std::vector<float> z = code(0.8);
      for (float& v : z) v = 7 - 2 * v;
      subject.update(z, t, t, 0);
    });
    ASSERT_FALSE(said.empty());
    EXPECT_LE(hours_between(at(750), said.front().detected), 15);
    const std::string& top = said.front().contributors.front().name;
    EXPECT_TRUE(top == "z0" || top == "z1" || top == "z2" || top == "distance") << top;
  }
}

class LifeCycle : public ::testing::Test {
 protected:
  static Baseline::Options baseline() { return {{0}, {0.1, 0.1}, 0, 1, false}; }
  void hours(int from, int count, double rate) {
    for (Alert& a : feed(shared_, from, count, [&](Time t) { subject_.update(uniform(random_) < rate ? 1 : 0, 0, t, t, 0); })) {
      said_.push_back(std::move(a));
    }
  }
  Random random_{7};
  MonitorContext shared_{options()};
  RateSubject subject_{{Kind::coverage, "labs.a", Severity::critical, 1}, shared_, Direction::both, {"misses", "value"}, baseline()};
  std::vector<Alert> said_;
};

TEST_F(LifeCycle, ALongAlarmIsToldOnceAndEndsOnce) {
  hours(0, 100, 0.1);
  hours(100, 1000, 0.5);
  ASSERT_FALSE(said_.empty());
  EXPECT_LE(said_.size(), 2u);  // raised; updated at most while the estimate settles
  hours(1100, 100, 0.1);
  EXPECT_EQ(said_.back().state, AlertState::resolved);
  for (const Alert& a : said_) EXPECT_EQ(a.alert_id, said_.front().alert_id);
  hours(1200, 300, 0.1);
  EXPECT_EQ(said_.back().state, AlertState::resolved);
}

TEST_F(LifeCycle, AcceptingTakesTheNewNormal) {
  hours(0, 100, 0.1);
  hours(100, 30, 0.5);
  ASSERT_EQ(subject_.state(), SubjectState::alarmed);
  subject_.accept(at(130));
  ASSERT_EQ(shared_.pending.back().resolution, Resolution::accepted);
  EXPECT_EQ(subject_.state(), SubjectState::learning);
  said_.clear();
  shared_.pending.clear();
  hours(130, 200, 0.5);
  EXPECT_TRUE(said_.empty());
  EXPECT_EQ(subject_.state(), SubjectState::armed);
  hours(330, 30, 0.1);  // the old normal is a change now
  EXPECT_FALSE(said_.empty());
}

// A model that goes on learning comes to predict what was alarmed: that is not its end.
TEST_F(LifeCycle, AnAlertEndsWhenTheValuesAreBackAndNotWhenTheModelHasAdapted) {
  Level level;
  subject_.follow(level);
  const auto run = [&](int from, int count, double rate, double shift) {
    for (Alert& a : feed(shared_, from, count, [&](Time t) {
           const double y = shift + normal(random_);
           level.observe(y, t, subject_.state() == SubjectState::alarmed, subject_.updates_since_onset());
           subject_.update(uniform(random_) < rate ? 1 : 0, 0, t, t, 0);
           if (!subject_.suspicious()) level.learn(y);
         })) {
      said_.push_back(std::move(a));
    }
  };
  run(0, 100, 0.1, 0);
  run(100, 20, 0.6, 2);
  ASSERT_EQ(subject_.state(), SubjectState::alarmed);
  EXPECT_FALSE(said_.back().adapted);
  run(120, 100, 0.1, 2);
  ASSERT_EQ(subject_.state(), SubjectState::alarmed) << "the model has swallowed it, and the sensor is as wrong as ever";
  ASSERT_TRUE(said_.back().adapted);
  EXPECT_EQ(said_.back().state, AlertState::updated);
  EXPECT_NE(said_.back().summary.find("still shifted, the model has adapted (mean +2"), std::string::npos) << said_.back().summary;
  EXPECT_GT(said_.back().told, said_.back().detected);
  const std::size_t told = said_.size();
  run(220, 100, 0.1, 2);
  EXPECT_EQ(said_.size(), told) << "said once";
  run(320, 10, 0.6, 0);  // it is mended, which the model has to learn again
  EXPECT_EQ(subject_.state(), SubjectState::alarmed);
  run(330, 40, 0.1, 0);
  EXPECT_EQ(subject_.state(), SubjectState::armed);
  EXPECT_EQ(said_.back().resolution, Resolution::returned);
  EXPECT_FALSE(said_.back().adapted);
  EXPECT_GT(said_.back().told, at(320));
}

// Samples that are mixed up between patients leave a feature's own values as they were, and a model learns to expect little of them: only
// one that has not seen it can tell when it is over.
TEST_F(LifeCycle, AnAlertWaitsForTheVersionFromBeforeItsOnset) {
  shared_.earlier_at_hand = true;
  int asked = 0;
  const auto run = [&](int from, int count, double rate, double rate_then) {
    for (Alert& a : feed(shared_, from, count, [&](Time t) {
           const bool ask = subject_.state() == SubjectState::alarmed && ++asked % 8 == 0;
           const double x = uniform(random_) < rate ? 1 : 0, then = uniform(random_) < rate_then ? 1 : 0;
           subject_.update(x, 0, t, t, 0, ask ? std::optional(then) : std::nullopt);
         })) {
      said_.push_back(std::move(a));
    }
  };
  run(0, 100, 0.1, 0.1);
  run(100, 20, 0.6, 0.6);
  ASSERT_EQ(subject_.state(), SubjectState::alarmed);
  run(120, 200, 0.1, 0.6);  // what serves has learned it
  ASSERT_EQ(subject_.state(), SubjectState::alarmed);
  EXPECT_TRUE(said_.back().adapted);
  run(320, 60, 0.1, 0.1);
  EXPECT_EQ(subject_.state(), SubjectState::armed);
  EXPECT_EQ(said_.back().resolution, Resolution::returned);

  // Where there is none any more, or it was never asked of this, it is not waited for.
  run(400, 20, 0.6, 0.6);
  ASSERT_EQ(subject_.state(), SubjectState::alarmed);
  shared_.earlier_at_hand = false;
  run(420, 60, 0.1, 0.6);
  EXPECT_EQ(subject_.state(), SubjectState::armed);
}

// What changes again and again is told by the pace of what is seen, however far apart that is.
TEST(Life, ASubjectOfFewOutcomesTellsLittleOfALongAlarm) {
  Random random(5);
  MonitorContext shared(options());
  MixSubject subject({Kind::mix, "stage", Severity::info, 1.2}, shared, "stays", {"a", "b", "c", "d"});
  std::discrete_distribution<std::size_t> before({55, 30, 14, 1});
  std::vector<Alert> said;
  const auto year = std::chrono::hours(24 * 365);
  // Three a day for a year, then two a week for fourteen, of a mixture that wanders.
  for (int i = 0; i < 1000; ++i) subject.update(before(random), Time(i * year / 1000), Time(i * year / 1000), 0);
  for (int i = 0; i < 1500; ++i) {
    const Time t = Time(year + i * 14 * year / 1500);
    const double c = 50 + 45 * std::sin(i / 60.0);
    std::discrete_distribution<std::size_t> wandering({55, 30, c, 100 - c});
    subject.update(wandering(random), t, t, 0);
  }
  int updated = 0;
  for (const Alert& a : shared.pending) updated += a.state == AlertState::updated;
  EXPECT_EQ(subject.state(), SubjectState::alarmed);
  EXPECT_GE(updated, 1);
  EXPECT_LE(updated, 1500 / 200);
}

TEST_F(LifeCycle, MutedItWatchesAndSpeaksOnceTheTimeIsOver) {
  hours(0, 100, 0.1);
  subject_.mute(at(150));
  hours(100, 50, 0.5);
  EXPECT_TRUE(said_.empty());
  hours(150, 1, 0.5);
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_NEAR(hours_between(at(100), said_.front().since), 0, 3);
}

TEST_F(LifeCycle, WhatAnotherAlertExplainsIsNotToldAndNotLearned) {
  bool explained = true;
  shared_.explained = [&](const Subject&) { return explained; };
  hours(0, 100, 0.1);
  hours(100, 500, 0.5);
  EXPECT_TRUE(said_.empty());
  explained = false;
  hours(600, 100, 0.1);  // back to what it was: had it learned meanwhile, this would be a change
  EXPECT_TRUE(said_.empty());
  hours(700, 30, 0.5);
  EXPECT_FALSE(said_.empty());
}

// Partitions are up to some hours apart: hours from before a change come after it, and must neither end an alarm nor raise it anew.
TEST_F(LifeCycle, HoursThatComeLateDoNotReopenAnAlarm) {
  hours(0, 100, 0.1);
  const auto both = [&](int hour, double rate_now, double rate_behind) {
    hours(hour, 1, rate_now);
    hours(hour - 3, 1, rate_behind);
  };
  const auto rate = [](int hour) { return hour >= 100 && hour < 124 ? 0.6 : 0.1; };
  for (int h = 100; h < 200; ++h) both(h, rate(h), rate(h - 3));
  int raised = 0, resolved = 0;
  for (const Alert& a : said_) {
    raised += a.state == AlertState::raised;
    resolved += a.state == AlertState::resolved;
  }
  EXPECT_EQ(raised, 1);
  EXPECT_EQ(resolved, 1);
  EXPECT_EQ(subject_.state(), SubjectState::armed);
}

TEST_F(LifeCycle, GoesOnExactlyAfterALoad) {
  hours(0, 100, 0.1);
  hours(100, 10, 0.4);
  ByteWriter out;
  subject_.save(out);
  const std::string bytes = out.take();
  MonitorContext other(options());
  RateSubject copy({Kind::coverage, "labs.a", Severity::critical, 1}, other, Direction::both, {"misses", "value"}, baseline());
  ByteReader in(bytes);
  copy.load(in, kMonitorVersion);
  EXPECT_TRUE(in.ok() && in.at_end());
  for (int i = 0; i < 500; ++i) {
    const double x = uniform(random_) < 0.4 ? 1 : 0;
    for (RateSubject* s : {&subject_, &copy}) s->update(x, 0, at(110 + i / 10), at(110 + i / 10), 1);
    ByteWriter a, b;
    subject_.save(a);
    copy.save(b);
    ASSERT_EQ(a.take(), b.take()) << i;
  }
  EXPECT_EQ(shared_.pending.size(), other.pending.size());
}

TEST(Budget, IsSharedByAllThatAreWatchedAndByThoseThatJoin) {
  MonitorOptions o = options();
  o.false_per_month = 2;
  Budget budget(o);
  const auto total = [&] {
    double sum = 0;
    for (const auto& [kind, count] : {std::pair{Kind::value, 3}, std::pair{Kind::missingness, 2}}) sum += count * budget.share(kind);
    return sum;
  };
  for (int i = 0; i < 3; ++i) budget.join(Kind::value);
  EXPECT_NEAR(3 * budget.share(Kind::value), 2, 1e-12);
  const double before = budget.threshold(Kind::value, 1e6);
  for (int i = 0; i < 2; ++i) budget.join(Kind::missingness);
  EXPECT_NEAR(total(), 2, 1e-12);
  EXPECT_GT(budget.threshold(Kind::value, 1e6), before);
  // Alarms a month of a subject at its threshold are its share.
  EXPECT_NEAR(1e6 / budget.threshold(Kind::value, 1e6), budget.share(Kind::value), 1e-12);
  EXPECT_EQ(budget.threshold(Kind::value, 1), Budget::kThresholdMin);
}

}  // namespace
}  // namespace lacuna::drift
