#include "daemon/table_imputation/held_out.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "state/records/counter_random.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kQueriesMax = 512;
/// A spread below this, or below this part of the mean, is none.
constexpr double kSpreadMin = 1e-6;

bool is_constant(const StandardScale& scale) { return scale.sd <= kSpreadMin * std::max(1.0, std::abs(scale.mean)); }

std::vector<model::Calibrator::HeldOut> to_fit(const std::vector<HeldOutAnswer>& answers, std::size_t part, std::size_t parts) {
  std::vector<model::Calibrator::HeldOut> out;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const HeldOutAnswer& a = answers[i];
    if (parts == 1 || i % parts == part) out.push_back({a.feature, a.recency, &a.predictive, a.value, a.u});
  }
  return out;
}

/// Of one moment.
void draw_cells(const Schema& schema, const CourseMoment& moment, double share, CounterRandom& random, std::vector<CellPlace>& out) {
  std::vector<ModalityId> modalities;
  for (const FeatureValue& v : moment.measured) {
    const ModalityId m = schema.features()[v.feature].modality;
    if (modalities.empty() || modalities.back() != m) modalities.push_back(m);
  }
  if (modalities.empty()) return;
  const bool whole = random.unit() < share / 2 * static_cast<double>(modalities.size());
  const ModalityId hidden = modalities[random.below(modalities.size())];
  // Of whom nothing else is known, nothing is asked.
  const bool alone = modalities.size() == 1 && moment.before.event_count == 0;
  for (const FeatureValue& v : moment.measured) {
    const bool one = random.unit() < share / 2;
    const bool of_whole = whole && !alone && schema.features()[v.feature].modality == hidden;
    if (of_whole || (one && !(alone && moment.measured.size() == 1))) out.push_back({moment.number, v.feature});
  }
}

}  // namespace

std::size_t count(const HeldOutCells& cells) {
  std::size_t sum = 0;
  for (const auto& of_patient : cells) sum += of_patient.size();
  return sum;
}

HeldOutCells draw_held_out(const Schema& schema, const PatientTable& table, double share, std::uint64_t seed) {
  std::size_t all = 0;
  for (const TablePatient& patient : table.patients) {
    for (const Event& event : patient.events) all += event.values.size();
  }
  const double drawn = std::min(share, static_cast<double>(kHeldOutMax) / static_cast<double>(std::max<std::size_t>(all, 1)));
  HeldOutCells out(table.patients.size());
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    CounterRandom random(mix64(seed ^ mix64(p + 1)));
    follow_course(schema, table.patients[p], {}, false,
                  [&](const CourseMoment& moment) { draw_cells(schema, moment, drawn, random, out[p]); });
  }
  return out;
}

Result<std::vector<HeldOutAnswer>> ask_held_out(const Schema& schema, const PatientTable& table, const HeldOutCells& cells,
                                                const model::ModelVersion& version, std::uint64_t observations_min, bool both_sides) {
  struct Question {
    Snapshot now;
    std::shared_ptr<const Snapshot> after;
    Time time{};
    std::uint64_t seed = 0;
    std::vector<FeatureValue> truth;
    std::vector<std::size_t> numbers;  ///< parallel to `truth`
  };
  std::size_t number = 0;
  std::vector<HeldOutAnswer> out;
  std::vector<Question> questions;
  const auto flush = [&]() -> Status {
    std::vector<model::Query> queries;
    for (const Question& q : questions) {
      model::Query query{&q.now, q.time, {}, {}, q.seed};
      query.after = q.after.get();
      for (const FeatureValue& v : q.truth) query.wanted.push_back(v.feature);
      queries.push_back(std::move(query));
    }
    auto said = version.predict(queries);
    if (!said.ok()) return said.status();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const Question& q = questions[i];
      for (std::size_t k = 0; k < q.truth.size(); ++k) {
        const FeatureId feature = q.truth[k].feature;
        const FeatureState& known = q.now.features[feature];
        out.push_back({q.numbers[k], feature, model::recency_of(schema, feature, known, q.time), std::move((*said)[i].predictive[k]),
                       q.truth[k].value, known.count > 0 ? std::optional(known.last) : std::nullopt, to_unit(mix64(q.seed + feature))});
      }
    }
    questions.clear();
    return {};
  };
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    if (cells[p].empty()) continue;
    std::map<CellPlace, FeatureValue> values;
    follow_course(schema, table.patients[p], {}, false, [&](const CourseMoment& moment) {
      for (const FeatureValue& v : moment.measured) values[{moment.number, v.feature}] = v;
    });
    follow_course(schema, table.patients[p], cells[p], both_sides, [&](const CourseMoment& moment) {
      Question question{moment.now, moment.after, moment.time, mix64(mix64(p) + moment.number), {}, {}};
      auto at = std::ranges::lower_bound(cells[p], CellPlace{moment.number, 0});
      for (; at != cells[p].end() && at->moment == moment.number; ++at, ++number) {
        if (version.learned_from(at->feature).observations < observations_min) continue;
        const FeatureValue& truth = values.at(*at);
        if (is_censored(truth.comparator)) continue;  // how far off an answer is a limit does not tell
        question.truth.push_back(truth);
        question.numbers.push_back(number);
      }
      if (!question.truth.empty()) questions.push_back(std::move(question));
    });
    if (questions.size() >= kQueriesMax) LACUNA_RETURN_IF_ERROR(flush());
  }
  LACUNA_RETURN_IF_ERROR(flush());
  return out;
}

std::vector<StandardScale> scales_of(const Schema& schema, const PatientTable& table, const HeldOutCells& left_out) {
  const std::size_t n = schema.feature_count();
  std::vector<double> count(n), mean(n), squares(n);
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    follow_course(schema, table.patients[p], left_out[p], false, [&](const CourseMoment& moment) {
      for (const FeatureValue& v : moment.measured) {
        if (is_censored(v.comparator)) continue;
        const double x = to_scale(schema.features()[v.feature].likelihood, v.value), before = x - mean[v.feature];
        mean[v.feature] += before / ++count[v.feature];
        squares[v.feature] += before * (x - mean[v.feature]);
      }
    });
  }
  std::vector<StandardScale> out;
  for (FeatureId f = 0; f < n; ++f) {
    out.push_back({schema.features()[f].likelihood, mean[f], count[f] > 0 ? std::sqrt(squares[f] / count[f]) : 0});
  }
  return out;
}

double mean_score(const std::vector<StandardScale>& scales, const std::vector<HeldOutAnswer>& answers) {
  std::map<FeatureId, std::pair<double, double>> sums;  // of scores, how many
  for (const HeldOutAnswer& a : answers) {
    if (is_constant(scales[a.feature])) continue;
    auto& [sum, number] = sums[a.feature];
    sum += std::min(a.predictive.crps(a.value) / scales[a.feature].sd, 10.0);  // one wild value does not decide
    number += 1;
  }
  double out = 0;
  for (const auto& [feature, of] : sums) out += of.first / of.second;
  return sums.empty() ? 0 : out / static_cast<double>(sums.size());
}

model::Calibrator calibrate(const Schema& schema, const std::vector<HeldOutAnswer>& answers, double level) {
  model::Calibrator out(schema, level);
  out.fit(to_fit(answers, 0, 1));
  return out;
}

std::vector<FeatureScore> score_features(const Schema& schema, const std::vector<StandardScale>& scales,
                                         const std::vector<HeldOutAnswer>& answers, double level) {
  constexpr std::size_t kParts = 2;
  std::vector<model::Calibrator> of_others(kParts, model::Calibrator(schema, level));
  for (std::size_t part = 0; part < kParts; ++part) of_others[part].fit(to_fit(answers, (part + 1) % kParts, kParts));
  std::map<FeatureId, FeatureScore> sums;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const HeldOutAnswer& a = answers[i];
    const StandardScale& scale = scales[a.feature];
    if (is_constant(scale)) continue;
    FeatureScore& s = sums[a.feature];
    s.feature = a.feature;
    s.count += 1;
    s.error += scale.distance(a.predictive.median(), a.value);
    s.error_mean += scale.from_mean(a.value);
    s.error_last += a.last ? scale.distance(*a.last, a.value) : scale.from_mean(a.value);
    const model::Interval interval = of_others[i % kParts].interval(a.feature, a.recency, a.predictive);
    s.covered += a.value >= interval.low && a.value <= interval.high ? 1 : 0;
  }
  std::vector<FeatureScore> out;
  for (auto& [feature, s] : sums) {
    const auto n = static_cast<double>(s.count);
    for (double* sum : {&s.error, &s.error_mean, &s.error_last, &s.covered}) *sum /= n;
    out.push_back(s);
  }
  return out;
}

namespace {

/// `asked`: those of `answers` whose place is `part` of `parts`.
void add_to(model::CalibrationCurve& curve, const Schema& schema, const std::vector<model::Calibrator::HeldOut>& fitted,
            const std::vector<HeldOutAnswer>& answers, std::size_t part, std::size_t parts) {
  std::vector<const HeldOutAnswer*> asked;
  for (std::size_t i = part; i < answers.size(); i += parts) {
    if (!model::CalibrationCurve::takes(schema.features()[answers[i].feature].likelihood)) continue;
    asked.push_back(&answers[i]);
    curve.add_own(answers[i].predictive.normal_score(answers[i].value, answers[i].u));
  }
  for (model::CalibrationCurve::Point& point : curve.points) {
    model::Calibrator calibrator(schema, point.level);
    calibrator.fit(fitted);
    for (const HeldOutAnswer* a : asked) {
      const model::Interval interval = calibrator.interval(a->feature, a->recency, a->predictive);
      point.inside += a->value >= interval.low && a->value <= interval.high ? 1 : 0;
    }
  }
}

}  // namespace

model::CalibrationCurve calibration_curve(const Schema& schema, const std::vector<HeldOutAnswer>& fitted,
                                          const std::vector<HeldOutAnswer>& asked) {
  model::CalibrationCurve out;
  add_to(out, schema, to_fit(fitted, 0, 1), asked, 0, 1);
  return out;
}

model::CalibrationCurve calibration_curve(const Schema& schema, const std::vector<HeldOutAnswer>& answers) {
  model::CalibrationCurve out;
  for (const std::size_t part : {0U, 1U}) add_to(out, schema, to_fit(answers, 1 - part, 2), answers, part, 2);
  return out;
}

FeatureScore average(const std::vector<FeatureScore>& scores) {
  FeatureScore out;
  for (const FeatureScore& s : scores) {
    out.count += s.count;
    out.error += s.error;
    out.error_mean += s.error_mean;
    out.error_last += s.error_last;
    out.covered += s.covered;
  }
  const auto n = static_cast<double>(std::max<std::size_t>(scores.size(), 1));
  for (double* sum : {&out.error, &out.error_mean, &out.error_last, &out.covered}) *sum /= n;
  return out;
}

}  // namespace lacuna::daemon
