#include "model/predictive/scores.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "model/predictive/carried.h"
#include "state/records/bytes.h"
#include "state/records/hash.h"
#include "state/records/stored_version.h"

namespace lacuna::model {
namespace {

// Raised too when a sum comes to mean something else: old and new ones do not add up.
constexpr std::uint32_t kVersion = 5;
constexpr std::uint32_t kVersionMeasured = 4;  // without what is told of limits
/// A spread below this, or below this part of the mean, is none: what is left of a constant feature by rounding and change of unit.
constexpr double kSpreadMin = 1e-6, kSpreadShare = 1e-5;

// Every field of a row in stored order, for writing and reading alike.
template <typename Row, typename Visit>
void each_field(Row& r, Visit&& visit) {
  visit(r.count), visit(r.covered), visit(r.unseen_count);
  visit(r.error_model), visit(r.error_last), visit(r.error_mean), visit(r.squared_model), visit(r.crps), visit(r.width);
  visit(r.unseen_error_model), visit(r.unseen_error_mean);
  visit(r.recent_weight), visit(r.recent_error_model), visit(r.recent_error_last), visit(r.recent_error_mean);
  visit(r.recent_covered), visit(r.recent_crps);
  each_coverage_field(r.intervals, visit);
  visit(r.hidden_count), visit(r.hidden_covered), visit(r.hidden_error_model), visit(r.hidden_width);
}
template <typename Row, typename Visit>
void each_censored_field(Row& r, Visit&& visit) {
  visit(r.censored), visit(r.censored_covered), visit(r.hidden_censored), visit(r.hidden_censored_covered);
  visit(r.recent_censored), visit(r.recent_censored_covered);
}

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

Score score_arrival(Calibrator& calibrator, const StandardScale& scale, Recency recency, const Predictive& predictive,
                    const Arrival& arrival) {
  const auto [feature, told, last, told_u, comparator] = arrival;
  const bool censored = is_censored(comparator);
  const double value = censored ? predictive.beyond(told, comparator, told_u) : told;
  const double u = censored ? to_unit(mix64(std::bit_cast<std::uint64_t>(told_u))) : told_u;
  const Interval interval = calibrator.interval(feature, recency, predictive);
  Score s;
  s.feature = feature;
  s.seen_before = last.has_value();
  s.censored = censored;
  s.value = scale.of(value);
  s.constant = scale.sd <= std::max(kSpreadMin, kSpreadShare * std::abs(scale.mean));
  s.error_model = std::min(scale.distance(predictive.median(), value), kErrorMax);
  s.error_mean = std::min(scale.from_mean(value), kErrorMax);
  s.error_last = last ? std::min(scale.distance(*last, value), kErrorMax) : s.error_mean;
  const double off = std::clamp((predictive.mean_on_scale() - s.value) / scale.sd, -kErrorMax, kErrorMax);
  s.squared_model = off * off;
  s.crps = predictive.crps(value) / scale.sd;
  s.width = (scale.of(interval.high) - scale.of(interval.low)) / scale.sd;
  s.z = predictive.normal_score(value, u);
  s.central = std::abs(s.z) <= normal_quantile((1 + calibrator.level()) / 2);
  s.covered = calibrator.update(feature, recency, predictive, value, interval, s.z);
  return s;
}

ScoreBoard::ScoreBoard(std::size_t feature_count, double window) : decay_(std::exp(-1.0 / std::max(window, 1.0))), rows_(feature_count) {}

void ScoreBoard::add(const Score& s) {
  Row& r = rows_[s.feature];
  r.intervals.add(s.covered, s.central, s.value);
  if (s.constant) return;
  const auto fade = [this](double& sum, double value) { sum = sum * decay_ + value; };
  const double measured = s.censored ? 0 : 1;
  fade(r.recent_weight, measured);
  fade(r.recent_error_model, measured * s.error_model);
  fade(r.recent_error_last, measured * s.error_last);
  fade(r.recent_error_mean, measured * s.error_mean);
  fade(r.recent_covered, s.covered ? measured : 0);
  fade(r.recent_crps, measured * s.crps);
  fade(r.recent_censored, 1 - measured);
  fade(r.recent_censored_covered, s.covered ? 1 - measured : 0);
  if (s.censored) {
    r.censored += 1;
    r.censored_covered += s.covered ? 1 : 0;
    return;
  }
  r.count += 1;
  r.covered += s.covered ? 1 : 0;
  r.error_model += s.error_model;
  r.error_last += s.error_last;
  r.error_mean += s.error_mean;
  r.squared_model += s.squared_model;
  r.crps += s.crps;
  r.width += s.width;
  if (s.seen_before) return;
  r.unseen_count += 1;
  r.unseen_error_model += s.error_model;
  r.unseen_error_mean += s.error_mean;
}

double ScoreBoard::Row::coverage() const {
  return share(static_cast<double>(covered + censored_covered), static_cast<double>(count + censored));
}

double ScoreBoard::Row::recent_coverage() const { return share(recent_covered + recent_censored_covered, recent_weight + recent_censored); }

double ScoreBoard::Row::hidden_coverage() const {
  return share(static_cast<double>(hidden_covered + hidden_censored_covered), static_cast<double>(hidden_count + hidden_censored));
}

void ScoreBoard::add_hidden(const Score& s) {
  if (s.constant) return;
  Row& r = rows_[s.feature];
  if (s.censored) {
    r.hidden_censored += 1;
    r.hidden_censored_covered += s.covered ? 1 : 0;
    return;
  }
  r.hidden_count += 1;
  r.hidden_covered += s.covered ? 1 : 0;
  r.hidden_error_model += s.error_model;
  r.hidden_width += s.width;
}

ScoreBoard::Summary ScoreBoard::summary(std::uint64_t minimum) const {
  Summary out;
  double unseen_features = 0;
  for (const Row& r : rows_) {
    if (r.count == 0 || r.count < minimum || r.constant()) continue;
    const auto n = static_cast<double>(r.count);
    out.features += 1;
    out.count += r.count;
    out.error_model += r.error_model / n;
    out.error_last += r.error_last / n;
    out.error_mean += r.error_mean / n;
    out.rmse += std::sqrt(r.squared_model / n);
    out.crps += r.crps / n;
    out.coverage += r.coverage();
    out.width += r.width / n;
    if (r.unseen_count == 0) continue;
    const auto unseen = static_cast<double>(r.unseen_count);
    unseen_features += 1;
    out.unseen_error_model += r.unseen_error_model / unseen;
    out.unseen_error_mean += r.unseen_error_mean / unseen;
  }
  if (out.features == 0) return out;
  const auto features = static_cast<double>(out.features);
  for (double* mean : {&out.error_model, &out.error_last, &out.error_mean, &out.rmse, &out.crps, &out.coverage, &out.width})
    *mean /= features;
  if (unseen_features > 0) {
    out.unseen_error_model /= unseen_features;
    out.unseen_error_mean /= unseen_features;
  }
  return out;
}

ScoreBoard::Summary ScoreBoard::recent() const {
  Summary out;
  for (const Row& r : rows_) {
    if (r.count == 0 || r.constant()) continue;
    out.features += 1;
    out.count += r.count;
    out.error_model += r.recent_error_model / r.recent_weight;
    out.error_last += r.recent_error_last / r.recent_weight;
    out.error_mean += r.recent_error_mean / r.recent_weight;
    out.coverage += r.recent_coverage();
    out.crps += r.recent_crps / r.recent_weight;
  }
  if (out.features == 0) return out;
  const auto features = static_cast<double>(out.features);
  for (double* mean : {&out.error_model, &out.error_last, &out.error_mean, &out.coverage, &out.crps}) *mean /= features;
  return out;
}

Pieces ScoreBoard::pieces() const {
  PieceWriter out;
  out.bytes().put(kVersion);
  out.bytes().put<std::uint64_t>(rows_.size());
  const auto put = [&out](const auto& field) { out.bytes().put(field); };
  for (const Row& row : rows_) {
    out.cut();
    each_field(row, put);
    each_censored_field(row, put);
  }
  return out.take();
}

Status ScoreBoard::load(std::string_view bytes, const SchemaMapping* grown) {
  ByteReader in(bytes);
  const bool measured = ByteReader(bytes).get<std::uint32_t>() == kVersionMeasured;
  LACUNA_RETURN_IF_ERROR(take_version(in, measured ? kVersionMeasured : kVersion, "scores"));
  const auto count = in.get<std::uint64_t>();
  const std::size_t expected = grown != nullptr ? grown->from_feature_count() : rows_.size();
  if (in.ok() && count != expected) return {Code::unsupported, "scores: made for another schema"};
  std::vector<Row> rows(expected);
  const auto get = [&in]<typename T>(T& field) { field = in.get<T>(); };
  for (Row& row : rows) {
    each_field(row, get);
    if (!measured) each_censored_field(row, get);
  }
  if (!in.ok() || !in.at_end()) return {Code::corrupt, "scores: wrong length"};
  if (grown != nullptr) {
    rows = carried(rows, *grown, 1, Row{});
    for (FeatureId f = 0; f < rows.size(); ++f) {
      if (const auto& field = grown->features()[f]; field && !field->same_unit()) rows[f].intervals.another_unit();
    }
  }
  rows_ = std::move(rows);
  return {};
}

}  // namespace lacuna::model
