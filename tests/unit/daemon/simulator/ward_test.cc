#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace lacuna::daemon {
namespace {

using std::chrono::hours;

struct Moment {
  Event event;
  WardTruth truth;
};

WardOptions options(std::size_t beds = 60, int duration = 72, std::uint64_t seed = 1) {
  WardOptions out;
  out.beds = beds;
  out.duration = hours(duration);
  out.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  out.seed = seed;
  return out;
}

std::vector<Moment> simulate(const WardOptions& options) {
  std::vector<Moment> out;
  simulate_ward(options, [&out](const Event& event, const WardTruth& truth) {
    out.push_back({event, truth});
    return true;
  });
  return out;
}

FeatureId feature(const Schema& schema, const std::string& modality, const std::string& name) {
  return schema.find_feature(schema.find_modality(modality), name).value();
}

// Protects: results that cannot be made again, and a seed that is not used.
TEST(Ward, TheSeedDecidesEverything) {
  const std::vector<Moment> a = simulate(options()), b = simulate(options()), c = simulate(options(60, 72, 2));
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].event, b[i].event);
    ASSERT_EQ(a[i].truth.truth, b[i].truth.truth);
  }
  ASSERT_FALSE(a.size() == c.size() && a.back().event == c.back().event);
}

// Protects: what every consumer of events takes for granted.
TEST(Ward, EventsKeepTheirContract) {
  const Schema schema = ward_schema();
  const WardOptions o = options(80, 96, 3);
  std::set<std::string> ids;
  std::map<std::string, std::size_t> admitted;
  std::pair<Time, std::string> last{};
  for (const auto& [event, truth] : simulate(o)) {
    EXPECT_TRUE(ids.insert(event.event_id).second);
    EXPECT_EQ(event.event_id.substr(0, event.patient_id.size()), event.patient_id);
    EXPECT_LE(last, (std::pair{event.time, event.patient_id})) << "time order, ties by patient";
    last = {event.time, event.patient_id};
    EXPECT_GE(event.time, o.start);
    EXPECT_LT(event.time, o.start + o.duration);
    EXPECT_EQ(truth.patient_id, event.patient_id);
    EXPECT_EQ(truth.time, event.time);
    ASSERT_EQ(truth.truth.size(), schema.feature_count());
    if (event.modality == kNoModality) {
      EXPECT_TRUE(event.values.empty());
      EXPECT_EQ(event.attributes.size(), schema.attributes().size());
      EXPECT_EQ(++admitted[event.patient_id], 1u) << "admitted once";
      continue;
    }
    EXPECT_TRUE(admitted.contains(event.patient_id)) << "nothing is measured before admission";
    EXPECT_FALSE(event.values.empty());
    std::set<FeatureId> seen;
    for (const FeatureValue& v : event.values) {
      EXPECT_TRUE(seen.insert(v.feature).second);
      EXPECT_EQ(schema.features()[v.feature].modality, event.modality);
      EXPECT_EQ(v.value, truth.truth[v.feature]) << "without faults the instruments tell the truth";
    }
    for (FeatureId f = 0; f < schema.feature_count(); ++f) {
      const Feature& declared = schema.features()[f];
      ASSERT_GE(truth.truth[f], declared.low) << declared.name;
      ASSERT_LE(truth.truth[f], declared.high) << declared.name;
      if (is_discrete(declared.likelihood) || declared.likelihood == Likelihood::negative_binomial) {
        ASSERT_EQ(truth.truth[f], std::floor(truth.truth[f])) << declared.name;
      }
    }
  }
}

// Protects: one moment of one patient having two truths, of which a scorer would take either.
TEST(Ward, OneMomentHasOneTruth) {
  std::map<std::pair<std::string, Time>, std::vector<double>> truths;
  std::size_t repeated = 0;
  for (const auto& [event, truth] : simulate(options(120, 96))) {
    const auto [known, fresh] = truths.emplace(std::pair{event.patient_id, event.time}, truth.truth);
    if (!fresh) ++repeated;
    EXPECT_EQ(known->second, truth.truth);
  }
  EXPECT_GT(repeated, 10u) << "else this test sees nothing";
}

// Protects: a fault that changes more than it says. An outage takes away exactly its events; a shift changes exactly its
// values, by its amount; all else, the truth too, stays.
TEST(Ward, FaultsChangeNothingElse) {
  const Schema schema = ward_schema();
  const std::vector<Moment> plain = simulate(options());
  WardOptions faulty = options();
  faulty.outages.push_back({"blood_gas", hours(20), hours(30)});
  faulty.shifts.push_back({"vitals", "temp", 1.2, hours(40), hours(60)});
  const std::vector<Moment> with = simulate(faulty);
  const FeatureId temp = feature(schema, "vitals", "temp");
  std::size_t j = 0, lost = 0, shifted = 0;
  for (const auto& [event, truth] : plain) {
    const Millis at = event.time - faulty.start;
    if (event.modality == schema.find_modality("blood_gas") && at >= hours(20) && at < hours(30)) {
      ++lost;
      continue;
    }
    ASSERT_LT(j, with.size());
    Event expected = event;
    for (FeatureValue& v : expected.values) {
      if (v.feature != temp || at < hours(40) || at >= hours(60)) continue;
      v.value = std::min(44.0, std::round((v.value + 1.2) * 10) / 10);
      ++shifted;
    }
    ASSERT_EQ(with[j].event.event_id, expected.event_id);
    ASSERT_EQ(with[j].event.values.size(), expected.values.size());
    for (std::size_t k = 0; k < expected.values.size(); ++k) {
      ASSERT_EQ(with[j].event.values[k].feature, expected.values[k].feature);
      ASSERT_NEAR(with[j].event.values[k].value, expected.values[k].value, 1e-6);
    }
    ASSERT_EQ(with[j].truth.truth, truth.truth);
    ++j;
  }
  EXPECT_EQ(j, with.size());
  EXPECT_GT(lost, 50u);
  EXPECT_GT(shifted, 200u);
}

TEST(Ward, StopsWhenTheSinkHasEnough) {
  std::size_t events = 0;
  simulate_ward(options(), [&events](const Event&, const WardTruth&) { return ++events < 100; });
  EXPECT_EQ(events, 100u);
}

// Protects: the ward's plausibility, on which the demo rests: how many events, who stays how long, what is not measured.
TEST(Ward, LooksLikeAWard) {
  const Schema schema = ward_schema();
  const WardOptions o = options(120, 240, 5);
  std::map<std::string, std::set<ModalityId>> measured;
  std::map<std::string, std::pair<Time, Time>> span;
  std::map<ModalityId, std::size_t> by_modality;
  std::map<FeatureId, std::size_t> by_feature;
  std::vector<std::size_t> chemistry_by_hour(24);
  std::size_t events = 0;
  for (const auto& [event, truth] : simulate(o)) {
    ++events;
    auto [it, fresh] = span.emplace(event.patient_id, std::pair{event.time, event.time});
    it->second.second = event.time;
    if (event.modality == kNoModality) continue;
    measured[event.patient_id].insert(event.modality);
    ++by_modality[event.modality];
    for (const FeatureValue& v : event.values) ++by_feature[v.feature];
    const Millis day = event.time.time_since_epoch() % hours(24);
    if (event.modality == schema.find_modality("chemistry")) ++chemistry_by_hour[static_cast<std::size_t>(day / hours(1))];
  }
  const double patient_days = 120.0 * 10;
  EXPECT_GT(static_cast<double>(events) / patient_days, 30);
  EXPECT_LT(static_cast<double>(events) / patient_days, 60);
  std::size_t with_liver = 0, complete = 0;
  for (const auto& [patient, when] : span) {
    const double days = hours_between(when.first, when.second) / 24;
    EXPECT_LE(days, 5.01);
    if (when.first - o.start < hours(2) || o.start + o.duration - when.second < hours(8)) continue;  // cut by the edges
    EXPECT_GE(days, 0.9) << patient;
    ++complete;
    with_liver += measured[patient].contains(schema.find_modality("liver")) ? 1 : 0;
  }
  ASSERT_GT(complete, 150u);
  EXPECT_NEAR(static_cast<double>(with_liver) / static_cast<double>(complete), 0.5, 0.1);
  // Laboratories live by the morning round.
  const std::size_t morning = chemistry_by_hour[5] + chemistry_by_hour[6];
  std::size_t all = 0;
  for (const std::size_t n : chemistry_by_hour) all += n;
  EXPECT_GT(static_cast<double>(morning) / static_cast<double>(all), 0.3);
  // Panels are partial: temperature is rarer than pulse.
  EXPECT_NEAR(
      static_cast<double>(by_feature[feature(schema, "vitals", "temp")]) / static_cast<double>(by_feature[feature(schema, "vitals", "hr")]),
      0.45, 0.03);
  EXPECT_EQ(by_modality.size(), schema.modality_count());
}

/// Share of the variance of feature f (on its scale) that a linear fit on the features of other modalities explains, by
/// coordinate descent on standardised truths; half to fit, half to test.
double explained(const Schema& schema, const std::vector<std::vector<double>>& rows, FeatureId f) {
  const std::size_t n = rows.size(), half = n / 2;
  std::vector<FeatureId> others;
  for (FeatureId g = 0; g < schema.feature_count(); ++g) {
    if (schema.features()[g].modality != schema.features()[f].modality) others.push_back(g);
  }
  std::vector<double> weights(others.size(), 0.0), residual(half);
  for (std::size_t i = 0; i < half; ++i) residual[i] = rows[i][f];
  for (int round = 0; round < 60; ++round) {
    for (std::size_t k = 0; k < others.size(); ++k) {
      double xy = 0, xx = 1e-9;
      for (std::size_t i = 0; i < half; ++i) {
        const double x = rows[i][others[k]];
        xy += x * residual[i];
        xx += x * x;
      }
      const double step = xy / xx;
      for (std::size_t i = 0; i < half; ++i) residual[i] -= step * rows[i][others[k]];
      weights[k] += step;
    }
  }
  double error = 0, variance = 0;
  for (std::size_t i = half; i < n; ++i) {
    double guess = 0;
    for (std::size_t k = 0; k < others.size(); ++k) guess += weights[k] * rows[i][others[k]];
    error += (rows[i][f] - guess) * (rows[i][f] - guess);
    variance += rows[i][f] * rows[i][f];
  }
  return 1 - error / variance;
}

// Protects: a ward on which imputing from other modalities is hopeless, or trivial: neither would show a model's worth.
TEST(Ward, OtherModalitiesExplainAboutHalf) {
  const Schema schema = ward_schema();
  std::vector<std::vector<double>> rows;
  std::size_t events = 0;
  for (const auto& [event, truth] : simulate(options(400, 96, 11))) {
    if (++events % 29 == 0) rows.push_back(truth.truth);  // far enough apart that a patient is there a few times only
  }
  ASSERT_GT(rows.size(), 1500u);
  double sum = 0;
  std::size_t continuous = 0;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const bool logged = schema.features()[f].likelihood == Likelihood::log_normal;
    double mean = 0, square = 0;
    for (auto& row : rows) {
      if (logged) row[f] = std::log1p(row[f]);
      mean += row[f] / static_cast<double>(rows.size());
    }
    for (auto& row : rows) square += (row[f] - mean) * (row[f] - mean) / static_cast<double>(rows.size());
    ASSERT_GT(square, 0) << schema.qualified_name(f) << " never changes";
    for (auto& row : rows) row[f] = (row[f] - mean) / std::sqrt(square);
  }
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (is_discrete(schema.features()[f].likelihood)) continue;
    const double share = explained(schema, rows, f);
    RecordProperty(schema.qualified_name(f), std::to_string(share));
    EXPECT_GT(share, 0.05) << schema.qualified_name(f);
    EXPECT_LT(share, 0.85) << schema.qualified_name(f);
    sum += share;
    ++continuous;
  }
  const double mean = sum / static_cast<double>(continuous);
  EXPECT_GT(mean, 0.35);
  EXPECT_LT(mean, 0.65);
}

// Protects: likelihoods declared and not lived up to: classes that never occur, counts no wider than Poisson.
TEST(Ward, EveryLikelihoodOccursAsDeclared) {
  const Schema schema = ward_schema();
  std::set<Likelihood> likelihoods;
  for (const Feature& f : schema.features()) likelihoods.insert(f.likelihood);
  EXPECT_EQ(likelihoods.size(), 5u);
  std::map<double, double> classes, ventilated;
  double count = 0, sum = 0, squares = 0;
  const FeatureId suctions = feature(schema, "support", "suctions");
  for (const auto& [event, truth] : simulate(options(200, 96, 13))) {
    classes[truth.truth[feature(schema, "neuro", "consciousness")]] += 1;
    ventilated[truth.truth[feature(schema, "support", "ventilated")]] += 1;
    count += 1;
    sum += truth.truth[suctions];
    squares += truth.truth[suctions] * truth.truth[suctions];
  }
  ASSERT_EQ(classes.size(), 4u);
  for (const auto& [c, n] : classes) EXPECT_GT(n / count, 0.03) << "class " << c;
  EXPECT_GT(ventilated[1] / count, 0.2);
  EXPECT_LT(ventilated[1] / count, 0.5);
  const double mean = sum / count, variance = squares / count - mean * mean;
  EXPECT_GT(variance, 1.5 * mean) << "more spread than a Poisson count";
}

}  // namespace
}  // namespace lacuna::daemon
