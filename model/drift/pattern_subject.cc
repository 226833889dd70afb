#include "model/drift/pattern_subject.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <mutex>

namespace lacuna::drift {
namespace {

constexpr double kUpdatesMax = 20'000;  // counts are halved then
constexpr double kPrior = 10;           // outcomes of each sort at factor 1
constexpr double kSds = 2;
constexpr double kSlack = 0.15;                   // log odds
constexpr double kRateMin = 1e-5;                 // expected rates are held within this of 0 and 1
constexpr double kHighMin = 0.02, kLowMax = 0.9;  // one patient-hour must not decide
constexpr double kRecentUpdates = 500;
constexpr std::size_t kSeenMax = 1024;  // patterns counted while learning
constexpr std::size_t kContributorsMax = 5;

constexpr std::array<std::uint8_t, kRateBets> kWeaker = {1, 2, 3, 3, 4, 4, 5, 5, 6};

/// The probability whose odds are `factor` times those of p.
double with_odds(double p, double factor) { return p * factor / (1 - p + p * factor); }
std::size_t pair_count(std::size_t modalities) {
  const std::size_t n = std::min(modalities, PatternSubject::kModalitiesMax);
  return n * (n - 1) / 2;
}

/// Rate weights for each of so many indicators. Made once for each number of them, and never destroyed.
std::span<const double> weights_for(std::size_t indicators) {
  static std::mutex mutex;
  static std::map<std::size_t, std::vector<double>> made;
  const std::lock_guard lock(mutex);
  std::vector<double>& weights = made[indicators];
  if (weights.empty()) {
    for (std::size_t g = 0; g < indicators; ++g) {
      for (const double w : rate_weights(Direction::both)) weights.push_back(w / static_cast<double>(indicators));
    }
  }
  return weights;
}

}  // namespace

PatternSubject::PatternSubject(SubjectSpec spec, MonitorContext& shared, std::vector<std::string> modalities)
    : Subject(std::move(spec), shared, weights_for(pair_count(modalities.size()) + kPatterns)),
      modalities_(std::move(modalities)),
      pairs_(pair_count(modalities_.size())),
      indicators_(pairs_ + kPatterns),
      gains_(indicators_.size() * kRateBets),
      now_(indicators_.size()) {
  forget_baseline();
}

void PatternSubject::forget_baseline() {
  std::fill(indicators_.begin(), indicators_.end(), Indicator{});
  seen_.clear();
  std::size_t i = 0;
  const std::size_t n = std::min(modalities_.size(), kModalitiesMax);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = a + 1; b < n; ++b) indicators_[i++].set = std::uint64_t{1} << a | std::uint64_t{1} << b;
  }
}

void PatternSubject::choose() {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> by_count;
  std::vector<std::uint32_t> arrivals(modalities_.size());
  for (const auto& [set, count] : seen_) {
    if (set != 0) by_count.emplace_back(count, set);
    for (std::size_t m = 0; m < arrivals.size(); ++m) arrivals[m] += (set >> m & 1) != 0 ? count : 0;
  }
  std::stable_sort(by_count.begin(), by_count.end(), std::greater<>());
  for (std::size_t i = 0; i < std::min(by_count.size(), kPatterns); ++i) {
    if (indicators_[pairs_ + i].set != by_count[i].second) indicators_[pairs_ + i] = {by_count[i].second};
  }
  for (std::size_t i = 0; i < pairs_; ++i) {
    Indicator& pair = indicators_[i];
    const auto a = static_cast<std::size_t>(std::countr_zero(pair.set)), b = static_cast<std::size_t>(63 - std::countl_zero(pair.set));
    const std::uint64_t given = std::uint64_t{1} << (arrivals[a] < arrivals[b] ? a : b);
    if (pair.given != given) pair = {pair.set, given};
  }
}

void PatternSubject::reorder(std::span<const std::size_t> from) {
  const auto moved = [from](std::uint64_t set) {
    std::uint64_t out = 0;
    for (std::size_t m = 0; m < from.size(); ++m) out |= (set >> from[m] & 1) << m;
    return out;
  };
  std::map<std::uint64_t, std::size_t> pair_of;  // where the pair is that is this set now
  for (std::size_t i = 0; i < pairs_; ++i) pair_of[moved(indicators_[i].set)] = i;
  std::vector<std::size_t> places, bets;
  const std::size_t n = std::min(modalities_.size(), kModalitiesMax);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = a + 1; b < n; ++b) places.push_back(pair_of.at(std::uint64_t{1} << a | std::uint64_t{1} << b));
  }
  for (std::size_t i = pairs_; i < indicators_.size(); ++i) places.push_back(i);
  for (const std::size_t i : places) {
    for (std::size_t k = 0; k < kRateBets; ++k) bets.push_back(i * kRateBets + k);
  }
  indicators_ = reordered(indicators_, places);
  for (Indicator& i : indicators_) i.set = moved(i.set), i.given = moved(i.given);
  std::map<std::uint64_t, std::uint32_t> seen;
  for (const auto& [set, count] : seen_) seen[moved(set)] += count;
  seen_ = std::move(seen);
  reorder_bets(bets);
}

Bounds PatternSubject::independent(const Indicator& indicator, bool whole, const std::vector<Bounds>& rates,
                                   const std::vector<Logs>& logs) const {
  if (!whole) return rates[static_cast<std::size_t>(std::countr_zero(indicator.set & ~indicator.given))];
  Bounds sum;
  for (std::size_t m = 0; m < logs.size(); ++m) {
    const Bounds& of = (indicator.set >> m & 1) != 0 ? logs[m].in : logs[m].out;
    sum.low += of.low;
    sum.expected += of.expected;
    sum.high += of.high;
  }
  return {std::exp(sum.low), std::exp(sum.expected), std::exp(sum.high)};
}

void PatternSubject::update(std::uint64_t arrived, const std::vector<Bounds>& rates, std::uint64_t suspicious, Time at, Time now,
                            std::uint16_t site) {
  const bool learning = state() == SubjectState::learning;
  // Settled in the first half of the learning, so that the other half can learn the factors.
  if (learning && updates() < shared().options.learning_updates_min / 2 && (seen_.contains(arrived) || seen_.size() < kSeenMax)) {
    if (++seen_[arrived] % 16 == 0) choose();
  }
  std::vector<Logs> logs;
  for (const Bounds& r : rates) {
    logs.push_back(
        {{std::log(r.low), std::log(r.expected), std::log(r.high)}, {std::log1p(-r.high), std::log1p(-r.expected), std::log1p(-r.low)}});
  }
  // Shown: what leads, while alarmed; else the first pair.
  const std::size_t top = state() == SubjectState::alarmed ? leader() : 0, leading = top / kRateBets;
  double x_of_leading = 0, expected_of_leading = 0;
  for (std::size_t i = 0; i < indicators_.size(); ++i) {
    Indicator& indicator = indicators_[i];
    const std::span<double> gains(gains_.data() + i * kRateBets, kRateBets);
    now_[i] = {};
    const bool said = whole(i) ? indicator.set != 0 && suspicious == 0
                               : indicator.given != 0 && (arrived & indicator.given) != 0 && (indicator.set & suspicious) == 0;
    if (!said) {
      std::fill(gains.begin(), gains.end(), 1.0);
      continue;
    }
    Bounds alone = independent(indicator, whole(i), rates, logs);
    for (double* p : {&alone.low, &alone.expected, &alone.high}) *p = std::clamp(*p, kRateMin, 1 - kRateMin);
    const double hits = indicator.hits + kPrior, misses = indicator.updates - indicator.hits + kPrior;
    const double expected_hits = indicator.expected + kPrior, expected_misses = indicator.updates - indicator.expected + kPrior;
    const double factor = hits / expected_hits * expected_misses / misses;
    const double unsure = std::exp(kSds * std::sqrt(spec().design_effect * (1 / hits + 1 / misses)) + kSlack);
    const Bounds bounds{std::min(with_odds(alone.low, factor / unsure), kLowMax), with_odds(alone.expected, factor),
                        std::max(with_odds(alone.high, factor * unsure), kHighMin)};
    const double x = whole(i) ? arrived == indicator.set : (arrived & indicator.set) == indicator.set;
    rate_gains(x, bounds, gains);
    now_[i] = {x, alone.expected};
    const auto pace = static_cast<float>(1 / kRecentUpdates);
    indicator.recent += pace * (static_cast<float>(x) - indicator.recent);
    indicator.recent_expected += pace * (static_cast<float>(bounds.expected) - indicator.recent_expected);
    if (i == leading) {
      x_of_leading = x;
      expected_of_leading = bounds.expected;
    }
  }
  double recovery = 1;
  if (state() == SubjectState::alarmed) recovery = 1 / gains_[leading * kRateBets + kWeaker[top % kRateBets]];
  if (observe({gains_, recovery, x_of_leading, expected_of_leading, at, now, site})) learn();
}

void PatternSubject::learn() {
  for (std::size_t i = 0; i < indicators_.size(); ++i) {
    Indicator& indicator = indicators_[i];
    if (now_[i].expected <= 0) continue;
    indicator.updates += 1;
    indicator.hits += static_cast<float>(now_[i].x);
    indicator.expected += static_cast<float>(now_[i].expected);
    if (indicator.updates >= kUpdatesMax) {
      for (float* v : {&indicator.updates, &indicator.hits, &indicator.expected}) *v /= 2;
    }
  }
}

std::string PatternSubject::name(const Indicator& indicator, bool whole) const {
  if (!whole && indicator.given != 0) {
    return modalities_[static_cast<std::size_t>(std::countr_zero(indicator.set & ~indicator.given))] + " with " +
           modalities_[static_cast<std::size_t>(std::countr_zero(indicator.given))];
  }
  std::string out = "only ";
  for (std::uint64_t left = indicator.set; left != 0; left &= left - 1) {
    out += modalities_[static_cast<std::size_t>(std::countr_zero(left))] + (left & (left - 1) ? "+" : "");
  }
  return out;
}

void PatternSubject::describe(Alert& alert) const {
  std::vector<std::pair<double, std::size_t>> shares;
  double total = 0;
  for (std::size_t i = 0; i < indicators_.size(); ++i) {
    double share = 0;
    for (std::size_t k = 0; k < kRateBets; ++k) share += evidence().share(i * kRateBets + k);
    // In logarithms: one stake dwarfs the others long before the others are nothing.
    share = std::log1p(share);
    shares.emplace_back(share, i);
    total += share;
  }
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const Indicator& top = indicators_[shares.front().second];
  alert.before = top.recent_expected;
  alert.after = top.recent;
  char text[96];
  std::snprintf(text, sizeof text, " %s from %.2f to %.2f of the patient-hours", alert.after < alert.before ? "fell" : "rose", alert.before,
                alert.after);
  alert.summary = alert.subject + ": " + name(top, whole(shares.front().second)) + text + ", each as often as before, since " +
                  format_rfc3339(alert.since);
  alert.effects = effects();
  alert.contributors.clear();
  for (const auto& [share, i] : shares) {
    if (share <= 0 || alert.contributors.size() == kContributorsMax) break;
    alert.contributors.push_back({name(indicators_[i], whole(i)), share / total});
  }
}

std::vector<Effect> PatternSubject::effects() const {
  double g = 0;
  for (std::size_t i = 0; i < pairs_; ++i) {
    const double p = std::clamp<double>(indicators_[i].recent_expected, kRateMin, 1 - kRateMin), q = indicators_[i].recent;
    const double kl = (q > 0 ? q * std::log(q / p) : 0) + (q < 1 ? (1 - q) * std::log((1 - q) / (1 - p)) : 0);
    g = std::max(g, 2 * kRecentUpdates * kl);
  }
  return {{"g", g}};
}

void PatternSubject::save_baseline(ByteWriter& out) const {
  for (const Indicator& i : indicators_) {
    out.put(i.set);
    out.put(i.given);
    for (const float v : {i.updates, i.hits, i.expected, i.recent, i.recent_expected}) out.put(v);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(seen_.size()));
  for (const auto& [set, count] : seen_) {
    out.put(set);
    out.put(count);
  }
}

void PatternSubject::load_baseline(ByteReader& in) {
  forget_baseline();  // a pair is what its place says, whatever the bytes do
  const std::uint64_t all = modalities_.size() < 64 ? (std::uint64_t{1} << modalities_.size()) - 1 : ~std::uint64_t{0};
  for (std::size_t k = 0; k < indicators_.size(); ++k) {
    Indicator& i = indicators_[k];
    const auto set = in.get<std::uint64_t>() & all;
    if (whole(k)) i.set = set;
    i.given = in.get<std::uint64_t>() & i.set;
    if (i.given == i.set) i.given = 0;
    for (float* v : {&i.updates, &i.hits, &i.expected, &i.recent, &i.recent_expected}) *v = in.get<float>();
  }
  const auto count = std::min<std::size_t>(in.get<std::uint32_t>(), kSeenMax);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const auto set = in.get<std::uint64_t>();
    seen_[set] = in.get<std::uint32_t>();
  }
}

}  // namespace lacuna::drift
