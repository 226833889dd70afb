#include "model/predictive/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "model/predictive/carried.h"
#include "state/records/bytes.h"
#include "state/records/stored_version.h"

// Each end of the interval is calibrated by itself, on the scale of normal scores z = Phi^-1(PIT): one radius such that z
// exceeds it in half of 1 - level of the cases, one for -z. A biased or skewed model then costs width at one end only (for a
// bias of one sd: 3.29 sd wide, where a single radius for |z| needs 4.58), at the price of rarer feedback per end.
//
// A class has a whole range of scores. The interval reaches up to it when its lowest score is within the radius, and down to it
// when its highest is: these are what is tracked for classes, so that it is the published classes that hold the level, and not
// classes with part of their probability. Where the model's median alone holds more than that (one class is nearly always right),
// there is nothing left to take away: the radius of a class ends at 0, and coverage stays above the level.

namespace lacuna::model {
namespace {

constexpr std::uint32_t kVersion = 1;
// Chosen on simulated streams (well-specified, over- and under-confident, biased, heavy-tailed, jumping, drifting): the widest
// family of steps that kept every window of 500 within 86 to 94 % at under 5 % extra width on a well-specified model.
constexpr std::array<double, 4> kSteps = {0.02, 0.05, 0.15, 0.4};  // of a radius, in normal sd
constexpr double kLearning = 3;                                    // of the weights, per unit of pinball loss
constexpr double kForget = 0.99;                                   // of the weights: they follow about the last hundred values
constexpr double kLossMax = 3;                                     // one wild value must not decide the weights
constexpr double kCorrectionStep = 0.05;
constexpr double kRadiusMax = 10;  // a model wronger than this is not rescued by width

// Tracks the (1 - share)-quantile of scores.
struct Side {
  std::array<double, kSteps.size()> radius{};
  std::array<double, kSteps.size()> log_weight{};
  // An average of quantile trackers is itself no quantile tracker: its coverage is off by up to a point. This one follows the
  // misses of what is really published, so that their long-run share is `share` whatever the others do.
  double correction = 0;

  double mixture() const {
    const double largest = *std::max_element(log_weight.begin(), log_weight.end());
    double weight = 0, sum = 0;
    for (std::size_t i = 0; i < kSteps.size(); ++i) {
      const double w = std::exp(log_weight[i] - largest);
      weight += w;
      sum += w * radius[i];
    }
    return sum / weight;
  }

  double current(double least) const { return std::clamp(mixture() + correction, least, kRadiusMax); }

  void update(double score, double share, double least) {
    const double missed = score > current(least) ? 1 : 0;
    // Not beyond the ends: what was gathered there would have to be undone first when things change.
    const double before = mixture();
    correction = std::clamp(correction + kCorrectionStep * (missed - share), least - before, kRadiusMax - before);
    for (std::size_t i = 0; i < kSteps.size(); ++i) {
      const double gap = score - radius[i];
      const double loss = gap > 0 ? (1 - share) * gap : -share * gap;
      log_weight[i] = log_weight[i] * kForget - kLearning * std::min(loss, kLossMax);
      radius[i] = std::clamp(radius[i] + kSteps[i] * ((gap > 0 ? 1 : 0) - share), least, kRadiusMax);
    }
  }
};

double least_radius(Likelihood likelihood) { return is_discrete(likelihood) ? 0 : -kRadiusMax; }

template <typename SideType, typename Visit>
void each_field(SideType& side, Visit&& visit) {
  for (auto& r : side.radius) visit(r);
  for (auto& w : side.log_weight) visit(w);
  visit(side.correction);
}

}  // namespace

struct Calibrator::Cell {
  std::uint64_t updates = 0;
  Side low, high;
};

Calibrator::Calibrator(const Schema& schema, double level) : level_(level) {
  for (const Feature& f : schema.features()) {
    likelihoods_.push_back(f.likelihood);
    lows_.push_back(f.low);
    highs_.push_back(f.high);
  }
  cells_.assign(likelihoods_.size() * kRecencyCount, fresh_cell());
}

Calibrator::Cell Calibrator::fresh_cell() const {
  Cell cell;
  cell.low.radius.fill(normal_quantile((1 + level_) / 2));
  cell.high = cell.low;
  return cell;
}

Calibrator::~Calibrator() = default;
Calibrator::Calibrator(const Calibrator&) = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(const Calibrator&) = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

Interval Calibrator::interval(FeatureId feature, Recency recency, const Predictive& predictive) const {
  const Cell& cell = cells_[feature * kRecencyCount + static_cast<std::size_t>(recency)];
  const double least = least_radius(likelihoods_[feature]);
  // For a moment after a violent shift the ends may have crossed.
  const auto [from, to] = std::minmax({-cell.low.current(least), cell.high.current(least)});
  const double low = predictive.quantile_at(from), high = predictive.quantile_at(to);
  return {std::clamp(low, lows_[feature], highs_[feature]), std::clamp(high, lows_[feature], highs_[feature])};
}

namespace {

/// Of one value, at each end; empty: a broken prediction.
struct Ends {
  double low = 0, high = 0;
};
/// `z`: its normal score, which classes have several of.
std::optional<Ends> ends_of(Likelihood likelihood, const Predictive& predictive, double value, double z) {
  const bool classes = is_discrete(likelihood);
  const double up = classes ? predictive.normal_score(value, 0) : z;
  const double down = classes ? predictive.normal_score(value, 1) : up;
  if (!std::isfinite(up) || !std::isfinite(down)) return std::nullopt;
  return Ends{std::clamp(-down, -kRadiusMax, kRadiusMax), std::clamp(up, -kRadiusMax, kRadiusMax)};
}

/// The smallest score that a further one, exchangeable with these, exceeds in `share` of the cases at most. There are enough.
double conformal_quantile(std::vector<double> scores, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil((1 - share) * static_cast<double>(scores.size() + 1)));
  const auto at = scores.begin() + static_cast<std::ptrdiff_t>(std::min(rank, scores.size()) - 1);
  std::nth_element(scores.begin(), at, scores.end());
  return *at;
}

}  // namespace

void Calibrator::fit(const std::vector<HeldOut>& values) {
  struct Group {
    std::vector<double> low, high;
  };
  std::vector<Group> own(cells_.size()), of_feature(likelihoods_.size()), of_kind(2), of_seldom(2);
  for (const HeldOut& v : values) {
    const std::optional<Ends> ends = ends_of(likelihoods_[v.feature], *v.predictive, v.value, v.predictive->normal_score(v.value, v.u));
    if (!ends) continue;
    const std::size_t kind = is_discrete(likelihoods_[v.feature]) ? 1 : 0;
    for (Group* group : {&own[v.feature * kRecencyCount + static_cast<std::size_t>(v.recency)], &of_feature[v.feature], &of_kind[kind]}) {
      group->low.push_back(ends->low);
      group->high.push_back(ends->high);
    }
  }
  // What is seldom measured is less well known than what is common, and would drown in it.
  for (FeatureId f = 0; f < likelihoods_.size(); ++f) {
    if (of_feature[f].low.size() >= kFitMin) continue;
    Group& group = of_seldom[is_discrete(likelihoods_[f]) ? 1 : 0];
    group.low.insert(group.low.end(), of_feature[f].low.begin(), of_feature[f].low.end());
    group.high.insert(group.high.end(), of_feature[f].high.begin(), of_feature[f].high.end());
  }
  const double share = (1 - level_) / 2;
  for (std::size_t c = 0; c < cells_.size(); ++c) {
    const FeatureId feature = static_cast<FeatureId>(c / kRecencyCount);
    const Likelihood likelihood = likelihoods_[feature];
    cells_[c] = fresh_cell();
    cells_[c].updates = own[c].low.size();
    const std::size_t kind = is_discrete(likelihood) ? 1 : 0;
    for (const Group* group : {&own[c], &of_feature[feature], &of_seldom[kind], &of_kind[kind]}) {
      if (group->low.size() < kFitMin) continue;
      const double least = least_radius(likelihood);
      cells_[c].low.radius.fill(std::max(conformal_quantile(group->low, share), least));
      cells_[c].high.radius.fill(std::max(conformal_quantile(group->high, share), least));
      break;
    }
  }
}

bool Calibrator::update(FeatureId feature, Recency recency, const Predictive& predictive, double value, double u) {
  return update(feature, recency, predictive, value, interval(feature, recency, predictive), predictive.normal_score(value, u));
}

bool Calibrator::update(FeatureId feature, Recency recency, const Predictive& predictive, double value, const Interval& now, double z) {
  const bool covered = value >= now.low && value <= now.high;
  Cell& cell = cells_[feature * kRecencyCount + static_cast<std::size_t>(recency)];
  cell.updates += 1;
  const std::optional<Ends> ends = ends_of(likelihoods_[feature], predictive, value, z);
  if (!ends) return covered;  // a broken prediction teaches nothing, and must not spoil the radius
  const double share = (1 - level_) / 2, least = least_radius(likelihoods_[feature]);
  cell.high.update(ends->high, share, least);
  cell.low.update(ends->low, share, least);
  return covered;
}

double Calibrator::radius(FeatureId feature, Recency recency) const {
  const Cell& cell = cells_[feature * kRecencyCount + static_cast<std::size_t>(recency)];
  const double least = least_radius(likelihoods_[feature]);
  return std::abs(cell.low.current(least) + cell.high.current(least)) / 2;
}

std::uint64_t Calibrator::updates(FeatureId feature, Recency recency) const {
  return cells_[feature * kRecencyCount + static_cast<std::size_t>(recency)].updates;
}

Pieces Calibrator::pieces() const {
  PieceWriter out;
  out.bytes().put(kVersion);
  out.bytes().put(level_);
  out.bytes().put<std::uint64_t>(cells_.size());
  for (const Cell& cell : cells_) {
    out.cut();
    out.bytes().put(cell.updates);
    for (const Side* side : {&cell.low, &cell.high}) each_field(*side, [&out](double v) { out.bytes().put(v); });
  }
  return out.take();
}

Status Calibrator::load(std::string_view bytes, const SchemaMapping* grown) {
  ByteReader in(bytes);
  LACUNA_RETURN_IF_ERROR(take_version(in, kVersion, "calibration"));
  const bool same_level = in.get<double>() == level_;
  const auto count = in.get<std::uint64_t>();
  const std::size_t expected = grown != nullptr ? grown->from_feature_count() * kRecencyCount : cells_.size();
  if (in.ok() && count != expected) return {Code::unsupported, "calibration: made for another schema"};
  std::vector<Cell> cells(expected);
  bool finite = true;
  for (Cell& cell : cells) {
    cell.updates = in.get<std::uint64_t>();
    for (Side* side : {&cell.low, &cell.high}) {
      each_field(*side, [&](double& v) { finite &= std::isfinite(v = in.get<double>()); });
    }
  }
  if (!in.ok() || !in.at_end() || !finite) return {Code::corrupt, "calibration: wrong length or not finite"};
  if (grown != nullptr) cells = carried(cells, *grown, kRecencyCount, fresh_cell());
  if (same_level) cells_ = std::move(cells);  // quantiles of one level say nothing about another's
  return {};
}

}  // namespace lacuna::model
