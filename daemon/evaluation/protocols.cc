#include "daemon/evaluation/protocols.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "daemon/tables/screen.h"
#include "daemon/tables/text_table.h"
#include "model/predictive/scores.h"
#include "state/patient.h"
#include "state/records/feature_state.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

/// Queries put to the model at once; bounds what is held besides the stays.
constexpr std::size_t kQueriesMax = 512;
/// The board's recent columns are not looked at.
constexpr double kNoWindow = 1;

using Attributes = std::vector<std::optional<float>>;

/// What a stay's attributes are at its end: an outcome is among them.
Attributes attributes_of(const Schema& schema, const Stay& stay) {
  Attributes out(schema.attributes().size());
  for (const Event& event : stay) {
    for (const AttributeValue& a : event.attributes) out[a.attribute] = to_float(a.value);
  }
  return out;
}

/// What the values that one table is about are added to.
struct Boards {
  Boards(const Schema& schema, const Subgroups& groups) : scores(schema.feature_count(), kNoWindow), subgroups(groups) {}
  model::ScoreBoard scores;
  model::SubgroupBoard subgroups;
};

/// One question with what it is scored against. `before` is the patient as the model may see it.
struct Question {
  std::size_t stay = 0;
  const Attributes* attributes = nullptr;  ///< attributes_of(), borrowed until it is flushed
  Snapshot before;
  Time time{};
  std::vector<FeatureValue> truth;
  std::vector<ModalityId> hidden;
  std::uint64_t seed = 0;
};

/// Calibrates intervals of a curve's levels as values go by.
class CurveScores {
 public:
  explicit CurveScores(const Schema& schema) : schema_(schema) {
    for (const auto& point : all.points) calibrators_.emplace_back(schema, point.level);
  }
  void add(const model::Score& score, model::Recency recency, const model::Predictive& predictive, double value, double u,
           bool never_before) {
    if (score.censored || !model::CalibrationCurve::takes(schema_.features()[score.feature].likelihood)) return;
    all.add_own(score.z);
    if (never_before) unseen.add_own(score.z);
    for (std::size_t i = 0; i < calibrators_.size(); ++i) {
      const std::uint64_t inside = calibrators_[i].update(score.feature, recency, predictive, value, u) ? 1 : 0;
      all.points[i].inside += inside;
      if (never_before) unseen.points[i].inside += inside;
    }
  }
  model::CalibrationCurve all, unseen;

 private:
  const Schema& schema_;
  std::vector<model::Calibrator> calibrators_;
};

ProtocolResult result_of(std::string name, const Boards& boards, const model::CalibrationCurve& curve, std::size_t stays, double level) {
  const model::ScoreBoard& scores = boards.scores;
  ProtocolResult result{std::move(name), stays, level, {}, curve, boards.subgroups.figures()};
  for (FeatureId f = 0; f < scores.size(); ++f) {
    const model::ScoreBoard::Row& s = scores.row(f);
    if (s.count == 0) continue;
    const auto n = static_cast<double>(s.count);
    result.features.push_back({f, s.count, s.error_model / n, std::sqrt(s.squared_model / n), s.intervals.ratio(), s.width / n, s.crps / n,
                               s.error_last / n, s.error_mean / n, s.intervals, s.censored});
  }
  return result;
}

/// Collects questions, puts them to the version in bulk and hands each value's errors to the boards.
class ProtocolRunner {
 public:
  ProtocolRunner(const Schema& schema, const model::ModelVersion& version, model::Calibrator& calibrator, const Moments& moments,
                 bool with_curve)
      : curve(schema), schema_(schema), version_(version), calibrator_(calibrator), moments_(moments), with_curve_(with_curve) {
    for (FeatureId f = 0; moments_.mean.size() < schema.feature_count(); ++f) {
      const auto [mean, sd] = version.moments(f);
      moments_.mean.push_back(mean);
      moments_.sd.push_back(sd);
    }
  }

  /// `all` takes every value, `unseen` (when given) those never measured before in the stay.
  Status ask(Question question, Boards& all, Boards* unseen) {
    questions_.push_back(std::move(question));
    return questions_.size() < kQueriesMax ? Status() : flush(all, unseen);
  }

  Status flush(Boards& all, Boards* unseen) {
    std::vector<model::Query> queries;
    for (const Question& q : questions_) {
      model::Query query{&q.before, q.time, {}, q.hidden, q.seed};
      for (const FeatureValue& v : q.truth) query.wanted.push_back(v.feature);
      queries.push_back(std::move(query));
    }
    auto predictions = version_.predict(queries);
    if (!predictions.ok()) return predictions.status();
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      for (std::size_t j = 0; j < questions_[i].truth.size(); ++j) {
        score(questions_[i], questions_[i].truth[j], (*predictions)[i].predictive[j], all, unseen);
      }
    }
    questions_.clear();
    return {};
  }

  CurveScores curve;  ///< where it is wanted

 private:
  void score(const Question& question, const FeatureValue& truth, const model::Predictive& predictive, Boards& all, Boards* unseen) {
    const FeatureId f = truth.feature;
    const Feature& feature = schema_.features()[f];
    const FeatureState& state = question.before.features[f];
    const bool hidden = std::find(question.hidden.begin(), question.hidden.end(), feature.modality) != question.hidden.end();
    const bool known = state.count > 0 && !hidden;
    const model::Recency recency = model::recency_of(schema_, f, hidden ? FeatureState() : state, question.time);
    const StandardScale scale{feature.likelihood, moments_.mean[f], moments_.sd[f]};
    const double u = to_unit(mix64(question.seed ^ f));
    model::Score s = model::score_arrival(calibrator_, scale, recency, predictive,
                                          {f, truth.value, known ? std::optional(state.last) : std::nullopt, u, truth.comparator});
    s.constant = false;  // the reference rows of docs/quality.md are means over every feature
    for (Boards* boards : {&all, known ? nullptr : unseen}) {
      if (boards == nullptr) continue;
      boards->scores.add(s);
      boards->subgroups.add(std::to_string(question.stay), *question.attributes, question.time, s);
    }
    if (with_curve_) curve.add(s, recency, predictive, truth.value, u, !known);
  }

  const Schema& schema_;
  const model::ModelVersion& version_;
  model::Calibrator& calibrator_;
  Moments moments_;
  const bool with_curve_;
  std::vector<Question> questions_;
};

/// A stay's events are in time order already, so nothing is late.
void advance(const Schema& schema, Snapshot& snapshot, const Event& event) {
  (void)state::apply(schema, snapshot, event, {}, Millis::max());
}

}  // namespace

Result<std::vector<ProtocolResult>> evaluate_next(const Schema& schema, const model::ModelVersion& version, model::Calibrator& calibrator,
                                                  const Moments& moments, const std::vector<Stay>& stays, int every,
                                                  const std::function<void(std::size_t)>& progress, bool with_curve,
                                                  const Subgroups& groups) {
  Boards all(schema, groups), unseen = all;
  std::deque<Attributes> attributes;
  ProtocolRunner runner(schema, version, calibrator, moments, with_curve);
  for (std::size_t i = 0; i < stays.size(); ++i) {
    const Stay& stay = stays[i];
    if (progress) progress(i);
    if (stay.empty()) continue;
    attributes.push_back(attributes_of(schema, stay));
    Snapshot snapshot = state::new_snapshot(schema, stay.front().patient_id);
    for (std::size_t from = 0, to = 0; from < stay.size(); from = to) {
      const Time time = stay[from].time;
      std::map<FeatureId, FeatureValue> arrived;  // what is measured twice in a moment counts once, as the store keeps it
      for (to = from; to < stay.size() && stay[to].time == time; ++to) {
        for (const FeatureValue& v : stay[to].values) arrived[v.feature] = v;
      }
      const auto minute = static_cast<std::uint64_t>((time - stay.front().time) / std::chrono::minutes(1));
      const bool scored = every <= 1 || (minute * 7919 + i) % static_cast<std::uint64_t>(every) == 0;
      if (time > stay.front().time && scored && !arrived.empty()) {
        Question question{i, &attributes.back(), snapshot, time, {}, {}, mix64(i * 1'000'003 + minute)};
        for (const auto& [feature, value] : arrived) question.truth.push_back(value);
        LACUNA_RETURN_IF_ERROR(runner.ask(std::move(question), all, &unseen));
      }
      for (std::size_t e = from; e < to; ++e) advance(schema, snapshot, stay[e]);
    }
  }
  LACUNA_RETURN_IF_ERROR(runner.flush(all, &unseen));
  return std::vector<ProtocolResult>{result_of("next", all, runner.curve.all, stays.size(), calibrator.level()),
                                     result_of("next, never seen before", unseen, runner.curve.unseen, stays.size(), calibrator.level())};
}

Result<ProtocolResult> evaluate_cross(const Schema& schema, const model::ModelVersion& version, model::Calibrator& calibrator,
                                      const Moments& moments, const std::vector<Stay>& stays,
                                      const std::function<void(std::size_t)>& progress, bool with_curve, const Subgroups& groups) {
  Boards all(schema, groups);
  std::deque<Attributes> attributes;
  ProtocolRunner runner(schema, version, calibrator, moments, with_curve);
  for (std::size_t i = 0; i < stays.size(); ++i) {
    if (progress) progress(i);
    if (stays[i].empty()) continue;
    attributes.push_back(attributes_of(schema, stays[i]));
    Snapshot snapshot = state::new_snapshot(schema, stays[i].front().patient_id);
    for (const Event& event : stays[i]) advance(schema, snapshot, event);
    for (ModalityId m = 0; m < schema.modality_count(); ++m) {
      const Modality& modality = schema.modalities()[m];
      Question question{i, &attributes.back(), snapshot, snapshot.last_time, {}, {m}, mix64(i * 1'000'003 + m)};
      for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
        const FeatureState& known = snapshot.features[f];
        if (known.count > 0) question.truth.push_back({f, known.last, known.comparator});
      }
      if (question.truth.empty()) continue;
      LACUNA_RETURN_IF_ERROR(runner.ask(std::move(question), all, nullptr));
    }
  }
  LACUNA_RETURN_IF_ERROR(runner.flush(all, nullptr));
  return result_of("cross", all, runner.curve.all, stays.size(), calibrator.level());
}

Moments training_moments(const Schema& schema, const std::vector<Stay>& stays) {
  const std::size_t n = schema.feature_count();
  std::vector<double> count(n), mean(n), squares(n);
  for (const Stay& stay : stays) {
    for (const Event& event : stay) {
      for (const FeatureValue& v : event.values) {
        if (is_censored(v.comparator)) continue;
        const double x = to_scale(schema.features()[v.feature].likelihood, v.value);
        const double before = x - mean[v.feature];
        mean[v.feature] += before / ++count[v.feature];
        squares[v.feature] += before * (x - mean[v.feature]);
      }
    }
  }
  Moments moments{mean, std::vector<double>(n, 1.0)};
  for (std::size_t f = 0; f < n; ++f) {
    if (count[f] > 0) moments.sd[f] = std::sqrt(std::max(squares[f] / count[f], 1e-12));
  }
  return moments;
}

namespace {

/// Means over features with equal weight; counts are added up.
FeatureResult average(const std::vector<const FeatureResult*>& features) {
  FeatureResult a;
  for (const FeatureResult* f : features) {
    a.count += f->count;
    a.censored += f->censored;
    a.mae += f->mae;
    a.rmse += f->rmse;
    a.coverage += f->coverage;
    a.width += f->width;
    a.crps += f->crps;
    a.mae_last += f->mae_last;
    a.mae_mean += f->mae_mean;
  }
  const double n = std::max<double>(static_cast<double>(features.size()), 1);
  for (double* v : {&a.mae, &a.rmse, &a.coverage, &a.width, &a.crps, &a.mae_last, &a.mae_mean}) *v /= n;
  return a;
}

std::string figure(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::vector<std::string> row(const std::string& name, const FeatureResult& r) {
  std::vector<std::string> out{name, std::to_string(r.count)};
  for (const double value : {r.mae, r.rmse, r.crps, r.coverage, r.width, r.mae_last, r.mae_mean}) {
    out.push_back(r.count == 0 ? "-" : figure(value));
  }
  return out;
}

}  // namespace

std::vector<CoverageRow> coverage_rows(const ProtocolResult& result) {
  std::vector<CoverageRow> rows;
  for (const FeatureResult& r : result.features) rows.push_back({r.feature, r.intervals, r.width, r.crps});
  return rows;
}

std::string format_table(const Schema& schema, const ProtocolResult& result) {
  std::string text = result.protocol + ": " + std::to_string(result.stays) + " stays, " + std::to_string(result.features.size()) +
                     " features of equal weight, standardised units\n";
  std::vector<std::vector<std::string>> table{{"modality", "values", "MAE", "RMSE", "CRPS", "cover90", "width", "last", "mean"}};
  std::vector<const FeatureResult*> all;
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    std::vector<const FeatureResult*> own;
    for (const FeatureResult& r : result.features) {
      if (schema.features()[r.feature].modality == m) own.push_back(&r);
    }
    if (!own.empty()) table.push_back(row(schema.modalities()[m].name, average(own)));
    all.insert(all.end(), own.begin(), own.end());
  }
  const FeatureResult sum = average(all);
  table.push_back(row("all", sum));
  text += text_table(std::move(table), "lr");
  if (sum.censored > 0)
    text += "Not among these: " + counted(sum.censored, "value", "values") + " told as a limit (\"<5\"); no error can be told of it\n";
  return text;
}

nlohmann::ordered_json results_json(const Schema& schema, const std::vector<ProtocolResult>& results) {
  const auto figures = [](const FeatureResult& r) {
    if (r.count == 0) return nlohmann::ordered_json{{"values", 0}};
    return nlohmann::ordered_json{{"values", r.count},      {"mae", r.mae},     {"rmse", r.rmse},         {"crps", r.crps},
                                  {"coverage", r.coverage}, {"width", r.width}, {"mae_last", r.mae_last}, {"mae_mean", r.mae_mean}};
  };
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const ProtocolResult& result : results) {
    nlohmann::ordered_json features = nlohmann::ordered_json::object();
    std::vector<const FeatureResult*> all;
    for (const FeatureResult& r : result.features) {
      nlohmann::ordered_json& feature = features[schema.qualified_name(r.feature)] = figures(r);
      add_coverage(feature, r.intervals);
      if (r.censored > 0) feature["censored"] = r.censored;
      all.push_back(&r);
    }
    out.push_back({{"protocol", result.protocol},
                   {"stays", result.stays},
                   {"level", result.level},
                   {"all", figures(average(all))},
                   {"coverage", coverage_json(schema, coverage_rows(result), result.level)},
                   {"features", features}});
  }
  return out;
}

}  // namespace lacuna::daemon
