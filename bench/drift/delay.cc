// How fast changes are found at the same rate of false alarms, against detectors that are widely used; what becomes of the stated run
// length on streams that break it; and what an update costs. Simulated; see docs/drift.md.
//
//   drift_bench [delay|stated|null|budget|cost]...    default: all; Markdown to standard output
//
// Every detector's threshold is found by simulation, so that it alarms once in kRunLength outcomes while nothing changes. Peers get
// the parameter that is best over all cells of their family (an operator does not know how large a shift will be), and as an oracle
// the best one for each cell.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/drift/baseline.h"
#include "model/drift/bets.h"
#include "model/drift/evidence.h"
#include "model/drift/latent_subject.h"
#include "model/drift/mix_subject.h"
#include "model/drift/pattern_subject.h"
#include "model/drift/rate_subject.h"
#include "model/drift/score_subject.h"

namespace lacuna::drift {
namespace {

using Random = std::mt19937_64;
constexpr double kRunLength = 11'000;
constexpr int kCalibrationRuns = 200, kDelayRuns = 1'000, kWarmUp = 500;

double uniform(Random& r) { return std::uniform_real_distribution<double>()(r); }
double normal(Random& r) { return std::normal_distribution<double>()(r); }

/// One outcome: a number for those that watch one (larger: more of what one looks for), and what ours sees.
using Outcome = std::vector<double>;
using Stream = std::function<void(Random&, bool changed, Outcome&)>;

/// A detector: an outcome in, a statistic out, which alarms at a threshold. One for each run.
struct Detector {
  virtual ~Detector() = default;
  virtual double update(const Outcome& x) = 0;
};
using One = std::unique_ptr<Detector>;
using Maker = std::function<One()>;

// --- peers, each on one number ---

/// Page 1954, for a rise of the mean, which it is told: cumulative sum of x - reference, not below 0.
struct Cusum final : Detector {
  explicit Cusum(double r) : reference(r) {}
  double update(const Outcome& x) override { return sum = std::max(0.0, sum + x[0] - reference); }
  double reference, sum = 0;
};
/// Page-Hinkley as in river with alpha 1, which is also the CUSUM of frouros: the mean is learned as the stream goes by, delta is what
/// is tolerated. (With river's default alpha of 0.9999 it is slower here.)
struct PageHinkley final : Detector {
  explicit PageHinkley(double d) : delta(d) {}
  double update(const Outcome& x) override {
    n += 1;
    mean += (x[0] - mean) / n;
    sum += x[0] - mean - delta;
    least = std::min(least, sum);
    return sum - least;
  }
  double delta, n = 0, mean = 0, sum = 0, least = 0;
};
/// Geometric moving average as in frouros: of what exceeds the mean learned so far.
struct GeometricMovingAverage final : Detector {
  explicit GeometricMovingAverage(double a) : alpha(a) {}
  double update(const Outcome& x) override {
    n += 1;
    mean += (x[0] - mean) / n;
    return sum = alpha * sum + (1 - alpha) * (x[0] - mean);
  }
  double alpha, n = 0, mean = 0, sum = 0;
};
/// Roberts 1959: exponentially weighted moving average, in its own standard deviations (known mean and variance).
struct Ewma final : Detector {
  Ewma(double lambda, double m, double sd) : a(lambda), mean(m), scale(sd * std::sqrt(lambda / (2 - lambda))), value(m) {}
  double update(const Outcome& x) override {
    value += a * (x[0] - value);
    return (value - mean) / scale;
  }
  double a, mean, scale, value;
};
/// Bifet and Gavalda 2007: cuts of an adaptive window, with exponential buckets. The statistic is the largest gap in means over its
/// bound at log term 1, so that the threshold stands for ln(4 ln n / delta).
struct Adwin final : Detector {
  static constexpr std::size_t kPerRow = 5;
  double update(const Outcome& x) override {
    insert(x[0]);
    if (++clock % 32 != 0) return 0;  // as its packages do, it looks every 32 outcomes
    double n1 = total, s1 = sum, n0 = 0, s0 = 0, best = 0;
    const double mean = sum / total, variance = std::max(square / total - mean * mean, 1e-9);
    for (std::size_t r = rows.size(); r-- > 0;) {
      for (const Bucket& b : rows[r]) {
        n0 += b.n, s0 += b.sum, n1 -= b.n, s1 -= b.sum;
        if (n0 < 5 || n1 < 5) continue;
        const double m = 1 / (1 / n0 + 1 / n1), gap = std::abs(s0 / n0 - s1 / n1);
        // gap = sqrt(2 v t / m) + 2 t / (3 m), solved for t.
        const double b2 = std::sqrt(2 * variance / m), c = 2 / (3 * m);
        const double root = (-b2 + std::sqrt(b2 * b2 + 4 * c * gap)) / (2 * c);
        best = std::max(best, root * root);
      }
    }
    return best;
  }
  struct Bucket {
    double n, sum, square;
  };
  void insert(double x) {
    if (rows.empty()) rows.emplace_back();
    rows[0].push_back({1, x, x * x});
    total += 1, sum += x, square += x * x;
    for (std::size_t r = 0; r < rows.size() && rows[r].size() > kPerRow; ++r) {
      if (r + 1 == rows.size()) rows.emplace_back();
      const Bucket a = rows[r][0], b = rows[r][1];
      rows[r].pop_front(), rows[r].pop_front();
      rows[r + 1].push_back({a.n + b.n, a.sum + b.sum, a.square + b.square});
    }
  }
  std::vector<std::deque<Bucket>> rows;
  double total = 0, sum = 0, square = 0;
  int clock = 0;
};
/// The largest of several detectors, one for each coordinate of the outcome from `first` on (Bonferroni, with the threshold found).
struct Largest final : Detector {
  Largest(std::size_t first_coordinate, std::size_t count, const Maker& make) : first(first_coordinate) {
    for (std::size_t i = 0; i < count; ++i) each.push_back(make());
  }
  double update(const Outcome& x) override {
    double most = -1e300;
    for (std::size_t i = 0; i < each.size(); ++i) most = std::max(most, each[i]->update({x[first + i]}));
    return most;
  }
  std::size_t first;
  std::vector<std::unique_ptr<Detector>> each;
};

// --- ours ---

struct Rates final : Detector {
  explicit Rates(double p, Direction d = Direction::rise) : bounds{p, p, p}, evidence(rate_weights(d)) {}
  double update(const Outcome& x) override {
    std::array<double, kRateBets> gains;
    rate_gains(x[0], bounds, gains);
    evidence.update(gains);
    return evidence.value();
  }
  Bounds bounds;
  Evidence evidence;
};
struct Scores final : Detector {
  double update(const Outcome& x) override {
    std::array<double, kScoreBets> gains;
    score_gains(x[0], gains);
    evidence.update(gains);
    return evidence.value();
  }
  Evidence evidence{score_weights()};
};
/// Forecasts and the rate bets of each class, weighted as in MixSubject; the outcome's classes start at coordinate 0.
struct Classes final : Detector {
  explicit Classes(const std::vector<double>& p) : expected(p), forecasts(p.size()), evidence(weights(p.size())) {}
  static std::span<const double> weights(std::size_t classes) {
    static std::vector<double> w;
    if (w.empty()) {
      for (const double f : Forecasts::weights()) w.push_back(0.3 * f);
      for (std::size_t j = 0; j < classes; ++j) {
        for (const double r : rate_weights(Direction::both)) w.push_back(0.7 * r / static_cast<double>(classes));
      }
    }
    return w;
  }
  double update(const Outcome& x) override {
    const auto category = static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin());
    std::vector<double> gains(evidence.size());
    forecasts.gains(category, expected, expected, std::span(gains).first(Forecasts::kMemories.size()));
    for (std::size_t j = 0; j < expected.size(); ++j) {
      rate_gains(j == category ? 1 : 0, {expected[j], expected[j], expected[j]},
                 std::span(gains).subspan(Forecasts::kMemories.size() + j * kRateBets, kRateBets));
    }
    evidence.update(gains);
    return evidence.value();
  }
  std::vector<double> expected;
  Forecasts forecasts;
  Evidence evidence;
};
/// The bets of LatentSubject on standardised codes (a reference so large that it is exact, as the peers have it).
struct Codes final : Detector {
  static constexpr std::array<double, 4> kDeltas = {-1, -0.5, 0.5, 1};
  explicit Codes(std::size_t d) : dimensions(d), evidence(weights(d)) {}
  static std::span<const double> weights(std::size_t d) {
    static std::vector<double> w;
    if (w.empty()) w.assign(4 * d, 1 / (4.0 * static_cast<double>(d)));
    return w;
  }
  double update(const Outcome& x) override {
    std::vector<double> gains(evidence.size());
    for (std::size_t b = 0; b < gains.size(); ++b) {
      const double delta = kDeltas[b % 4];
      gains[b] = std::exp(delta * std::clamp(x[1 + b / 4], -4.0, 4.0) - delta * delta / 2);
    }
    evidence.update(gains);
    return evidence.value();
  }
  std::size_t dimensions;
  Evidence evidence;
};

// --- the comparison ---

/// The threshold at which the mean run length is kRunLength: each run is simulated once, and its new maxima kept; the first one
/// above a threshold is where it would have alarmed. Runs are cut at four times the length, for all alike.
double threshold_for(const Maker& make, const Stream& stream) {
  constexpr double kLimit = 4 * kRunLength;
  std::vector<std::vector<std::pair<double, double>>> maxima(kCalibrationRuns);  // value, outcome
  std::vector<double> values;
  for (int r = 0; r < kCalibrationRuns; ++r) {
    Random random(1000 + static_cast<std::uint64_t>(r));
    const auto detector = make();
    Outcome x;
    double most = -1e300;
    for (double n = 1; n <= kLimit; ++n) {
      stream(random, false, x);
      const double value = detector->update(x);
      if (value <= most) continue;
      most = value;
      maxima[static_cast<std::size_t>(r)].emplace_back(value, n);
      values.push_back(value);
    }
  }
  std::sort(values.begin(), values.end());
  const auto mean_run = [&](double threshold) {
    double total = 0;
    for (const auto& of_run : maxima) {
      const auto alarm = std::lower_bound(of_run.begin(), of_run.end(), std::pair{threshold, 0.0});
      total += alarm == of_run.end() ? kLimit : alarm->second;
    }
    return total / kCalibrationRuns;
  };
  // A cut run counts as the limit; of exponential run lengths the mean of what is cut at four is 0.982 of the whole.
  const double wanted = kRunLength * (1 - std::exp(-4.0));
  std::size_t low = 0, high = values.size() - 1;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (mean_run(values[middle]) < wanted) low = middle + 1;
    else high = middle;
  }
  return values[low];
}

double delay(const Maker& make, const Stream& stream, double threshold, int warm_up) {
  double total = 0;
  for (int r = 0; r < kDelayRuns; ++r) {
    Random random(77'000 + static_cast<std::uint64_t>(r));
    Outcome x;
    std::unique_ptr<Detector> detector;
    for (bool quiet = false; !quiet;) {  // one that alarmed before the change is drawn again
      detector = make();
      quiet = true;
      for (int i = 0; i < warm_up && quiet; ++i) {
        stream(random, false, x);
        quiet = detector->update(x) < threshold;
      }
    }
    double n = 0;
    do {
      stream(random, true, x);
      n += 1;
    } while (detector->update(x) < threshold && n < 200'000);
    total += n;
  }
  return total / kDelayRuns;
}

struct Peer {
  std::string name;
  std::vector<std::pair<double, Maker>> parameters;
};
struct Cell {
  std::string name;
  Stream stream;
  Maker ours;
  std::vector<Peer> peers;
};
struct Tally {
  int cells = 0, first = 0, oracle_first = 0, told_first = 0;
  double worst = 0, worst_told = 0;
};

/// One family: the peers' parameter is the one with the least geometric mean of delays over its cells.
void compare(const std::string& family, const std::vector<Cell>& cells, Tally& tally) {
  const std::size_t peers = cells.front().peers.size();
  std::vector<std::vector<std::vector<double>>> delays(peers);  // [peer][parameter][cell]
  std::vector<double> ours, cold;
  for (const Cell& c : cells) {
    const double a = threshold_for(c.ours, c.stream);
    ours.push_back(delay(c.ours, c.stream, a, kWarmUp));
    cold.push_back(delay(c.ours, c.stream, a, 0));
  }
  for (std::size_t p = 0; p < peers; ++p) {
    delays[p].resize(cells.front().peers[p].parameters.size());
    for (std::size_t k = 0; k < delays[p].size(); ++k) {
      for (const Cell& c : cells) {
        const Maker& make = c.peers[p].parameters[k].second;
        delays[p][k].push_back(delay(make, c.stream, threshold_for(make, c.stream), kWarmUp));
      }
    }
  }
  std::printf("| %s | e-detector | cold |", family.c_str());
  for (const Peer& p : cells.front().peers) std::printf(" %s | oracle |", p.name.c_str());
  std::printf("\n| --- | --- | --- |");
  for (std::size_t p = 0; p < peers; ++p) std::printf(" --- | --- |");
  std::printf("\n");
  std::vector<std::size_t> chosen(peers);
  for (std::size_t p = 0; p < peers; ++p) {
    double least = 1e300;
    for (std::size_t k = 0; k < delays[p].size(); ++k) {
      double sum = 0;
      for (const double d : delays[p][k]) sum += std::log(d);
      if (sum < least) least = sum, chosen[p] = k;
    }
  }
  for (std::size_t c = 0; c < cells.size(); ++c) {
    std::printf("| %s | %.0f | %.0f |", cells[c].name.c_str(), ours[c], cold[c]);
    double best = 1e300, best_oracle = 1e300, best_told = 1e300;
    for (std::size_t p = 0; p < peers; ++p) {
      double oracle = 1e300;
      for (const auto& of_parameter : delays[p]) oracle = std::min(oracle, of_parameter[c]);
      const double tuned = delays[p][chosen[p]][c];
      const bool told = cells.front().peers[p].name.back() == '*';
      if (told) best_told = std::min(best_told, tuned);
      else best = std::min(best, tuned), best_oracle = std::min(best_oracle, oracle);
      std::printf(" %.0f | %.0f |", tuned, oracle);
    }
    std::printf("\n");
    tally.cells += 1;
    tally.first += ours[c] <= best;
    tally.oracle_first += ours[c] <= best_oracle;
    tally.told_first += ours[c] <= best_told;
    tally.worst = std::max(tally.worst, ours[c] / best);
    tally.worst_told = std::max(tally.worst_told, ours[c] / best_told);
  }
  std::printf("\n");
  std::fflush(stdout);
}

template <typename Make>
Peer peer(const std::string& name, const std::vector<double>& grid, Make make) {
  Peer p{name, {}};
  for (const double g : grid) p.parameters.emplace_back(g, [=] { return make(g); });
  return p;
}

/// What river and frouros have, of a number that rises from `mean` (sd `sd`), slacks in units of sd; then what is told the mean.
std::vector<Peer> one_number(double mean, double sd, const std::vector<double>& slacks) {
  return {peer("Page-Hinkley", slacks, [=](double k) -> One { return std::make_unique<PageHinkley>(k * sd); }),
          peer("GMA", {0.9, 0.95, 0.98, 0.99, 0.995}, [=](double a) -> One { return std::make_unique<GeometricMovingAverage>(a); }),
          peer("ADWIN", {0}, [](double) -> One { return std::make_unique<Adwin>(); }),
          peer("CUSUM*", slacks, [=](double k) -> One { return std::make_unique<Cusum>(mean + k * sd); }),
          peer("EWMA*", {0.005, 0.01, 0.02, 0.05, 0.1}, [=](double a) -> One { return std::make_unique<Ewma>(a, mean, sd); })};
}

/// The same on each of several coordinates.
std::vector<Peer> several(std::size_t first, const std::vector<double>& means, const std::vector<double>& sds,
                          const std::vector<double>& slacks) {
  const auto on_each = [=](auto make_one) {
    return [=](double g) -> One {
      std::size_t next = 0;
      return std::make_unique<Largest>(first, means.size(), [&] {
        const std::size_t i = next++;
        return make_one(g, means[i], sds[i]);
      });
    };
  };
  return {peer("Page-Hinkley", slacks, on_each([](double k, double, double sd) -> One { return std::make_unique<PageHinkley>(k * sd); })),
          peer("GMA", {0.9, 0.95, 0.98, 0.99},
               on_each([](double a, double, double) -> One { return std::make_unique<GeometricMovingAverage>(a); })),
          peer("CUSUM*", slacks, on_each([](double k, double m, double sd) -> One { return std::make_unique<Cusum>(m + k * sd); })),
          peer("EWMA*", {0.01, 0.02, 0.05, 0.1},
               on_each([](double a, double m, double sd) -> One { return std::make_unique<Ewma>(a, m, sd); }))};
}

void delays() {
  std::printf(
      "## Delay at a run length of %.0f to a false alarm\n\n"
      "Mean outcomes from the change to the alarm, %d runs; thresholds from %d runs. Peers: parameter tuned once for the family, "
      "then the best one for each cell (oracle). Cold: the change comes at once. An asterisk: told the mean before the change, as the "
      "e-detector is.\n\n",
      kRunLength, kDelayRuns, kCalibrationRuns);
  Tally tally;
  const auto bernoulli = [](double from, double to) {
    char name[32];
    std::snprintf(name, sizeof name, "%.2f to %.2f", from, to);
    return Cell{name, [=](Random& r, bool changed, Outcome& x) { x = {uniform(r) < (changed ? to : from) ? 1.0 : 0.0}; },
                [=]() -> std::unique_ptr<Detector> { return std::make_unique<Rates>(from); },
                one_number(from, std::sqrt(from * (1 - from)), {0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2})};
  };
  compare("rates", {bernoulli(0.10, 0.15), bernoulli(0.10, 0.20), bernoulli(0.02, 0.05), bernoulli(0.02, 0.10)}, tally);
  // A value's score can move either way, and spread either way: that is what ours watches, and what the peers have to watch.
  const auto gaussian = [](const char* name, double mean, double sd) {
    return Cell{name,
                [=](Random& r, bool changed, Outcome& x) {
                  const double z = changed ? mean + sd * normal(r) : normal(r), square = (z * z - 1) / std::sqrt(2.0);
                  x = {z, z, -z, square, -square};
                },
                []() -> One { return std::make_unique<Scores>(); },
                several(1, std::vector<double>(4, 0), std::vector<double>(4, 1), {0.02, 0.05, 0.1, 0.2, 0.3, 0.5})};
  };
  compare("normal scores, mean or spread",
          {gaussian("+0.25 sd", 0.25, 1), gaussian("+0.5 sd", 0.5, 1), gaussian("+1 sd", 1, 1), gaussian("sd x 1.4", 0, 1.4)}, tally);
  const std::vector<double> mix = {0.4, 0.3, 0.15, 0.1, 0.05};
  std::vector<double> mix_sds;
  for (const double p : mix) mix_sds.push_back(std::sqrt(p * (1 - p)));
  const auto classes = [&](const char* name, const std::vector<double>& to) {
    return Cell{name,
                [=](Random& r, bool changed, Outcome& x) {
                  x.assign(5, 0);
                  x[std::discrete_distribution<std::size_t>((changed ? to : mix).begin(), (changed ? to : mix).end())(r)] = 1;
                },
                [=]() -> std::unique_ptr<Detector> { return std::make_unique<Classes>(mix); },
                several(0, mix, mix_sds, {0.05, 0.1, 0.2, 0.3})};
  };
  compare("mix of five classes",
          {classes("0.15 to 0.25 of one", {0.35, 0.25, 0.25, 0.1, 0.05}), classes("0.05 to 0.20 of one", {0.35, 0.25, 0.1, 0.1, 0.2})},
          tally);
  static constexpr std::size_t kDimensions = 16;
  const auto codes = [](const char* name, double shift) {
    return Cell{name,
                [=](Random& r, bool changed, Outcome& x) {
                  x.assign(1 + 2 * kDimensions, 0);  // and mirrored: a code can move either way
                  for (std::size_t d = 0; d < kDimensions; ++d) {
                    x[1 + d] = normal(r) + (changed && d < 3 ? shift : 0);
                    x[1 + kDimensions + d] = -x[1 + d];
                  }
                },
                []() -> std::unique_ptr<Detector> { return std::make_unique<Codes>(kDimensions); },
                several(1, std::vector<double>(2 * kDimensions, 0), std::vector<double>(2 * kDimensions, 1), {0.1, 0.2, 0.3, 0.5})};
  };
  compare("latent codes, 3 of 16 dimensions", {codes("+0.5 sd", 0.5), codes("+1 sd", 1)}, tally);
  const auto panels = [](const char* name, double to) {
    // Of two panels that each come in a tenth of the patient-hours: is the one there when the other is? It falls.
    return Cell{name, [=](Random& r, bool changed, Outcome& x) { x = {uniform(r) < (changed ? to : 0.7) ? 0.0 : 1.0}; },
                []() -> std::unique_ptr<Detector> { return std::make_unique<Rates>(0.3); },
                one_number(0.3, std::sqrt(0.21), {0.02, 0.05, 0.1, 0.2, 0.3, 0.5})};
  };
  compare("joint pattern, P(a given b), marginal rates unchanged", {panels("0.7 to 0.5", 0.5), panels("0.7 to 0.2", 0.2)}, tally);
  std::printf(
      "First of what river and frouros have in %d of %d cells, at worst %.2f times the best; against their best parameter for each "
      "cell first in %d. Against CUSUM* and EWMA*, which are told the mean before the change and tuned on these very shifts: first in "
      "%d, at worst %.2f times the best.\n\n",
      tally.first, tally.cells, tally.worst, tally.oracle_first, tally.told_first, tally.worst_told);
}

void stated() {
  const Stream stream = [](Random& r, bool changed, Outcome& x) { x = {uniform(r) < (changed ? 0.2 : 0.1) ? 1.0 : 0.0}; };
  const Maker make = []() -> std::unique_ptr<Detector> { return std::make_unique<Rates>(0.1); };
  const Maker both = []() -> std::unique_ptr<Detector> { return std::make_unique<Rates>(0.1, Direction::both); };
  std::printf(
      "## 0.10 to 0.20 at a stated run length of 10 million\n\n"
      "| | outcomes |\n| --- | --- |\n| watching for a rise | %.0f |\n| the same, cold | %.0f |\n| watching both directions | %.0f |\n\n",
      delay(make, stream, 1e7, kWarmUp), delay(make, stream, 1e7, 0), delay(both, stream, 1e7, kWarmUp));
}

double mean_run(int runs, double limit, const std::function<double(Random&, double limit)>& one) {
  double total = 0;
  for (int r = 0; r < runs; ++r) {
    Random random(5'000 + static_cast<std::uint64_t>(r));
    total += one(random, limit);
  }
  return total / runs;
}

/// One run of a rate detector to its first alarm; `next` gives the outcome and its bounds.
double until_alarm(double threshold, double limit, const std::function<double(Bounds&)>& next) {
  Evidence evidence(rate_weights(Direction::both));
  std::array<double, kRateBets> gains;
  Bounds b;
  for (double n = 1;; ++n) {
    const double x = next(b);
    rate_gains(x, b, gains);
    evidence.update(gains);
    if (evidence.value() >= threshold || n >= limit) return n;
  }
}

void null_streams() {
  constexpr double kStated = 5'000;
  constexpr int kRuns = 200;
  std::printf(
      "## Streams without a change: measured over stated run length\n\nStated %.0f updates; runs are cut at 20 times that.\n\n"
      "| stream | measured / stated | without the precaution |\n| --- | --- | --- |\n",
      kStated);
  const auto ratio = [&](const std::function<double(Random&, double)>& one) { return mean_run(kRuns, 20 * kStated, one) / kStated; };
  const double independent = ratio([](Random& r, double limit) {
    return until_alarm(kStated, limit, [&](Bounds& b) {
      b = {0.1, 0.1, 0.1};
      return uniform(r) < 0.1 ? 1.0 : 0.0;
    });
  });
  std::printf("| independent | %.2f | |\n", independent);
  const auto beta = [](Random& r, double mean, double icc) {
    const double size = 1 / icc - 1, a = std::gamma_distribution<double>(mean * size)(r),
                 b = std::gamma_distribution<double>((1 - mean) * size)(r);
    return a + b > 0 ? a / (a + b) : mean;
  };
  const double as_means = ratio([&](Random& r, double limit) {
    return until_alarm(kStated, limit, [&](Bounds& b) {
      b = {0.1, 0.1, 0.1};
      const double p = beta(r, 0.1, 0.3);
      double sum = 0;
      for (int i = 0; i < 10; ++i) sum += uniform(r) < p ? 0.1 : 0;
      return sum;
    });
  });
  const double as_events = ratio([&](Random& r, double limit) {
    int left = 0;
    double p = 0;
    return until_alarm(kStated, limit, [&](Bounds& b) {
      b = {0.1, 0.1, 0.1};
      if (left-- == 0) left = 9, p = beta(r, 0.1, 0.3);
      return uniform(r) < p ? 1.0 : 0.0;
    });
  });
  std::printf("| ten correlated events a patient (ICC 0.3): one update, their mean | %.2f | %.2f |\n", as_means, as_events);
  const auto daily = [&](bool calendar) {
    return ratio([=](Random& r, double limit) {
      Baseline baseline({{0}, {0, 0}, 0, 1, calendar});
      long n = 0;
      const auto next = [&](Bounds& b) {
        const Time at = Time(std::chrono::hours(n++ / 20));
        const double hour = static_cast<double>(n / 20 % 24), p = 0.1 * (1 + 0.5 * std::sin(hour / 24 * 2 * std::acos(-1.0)));
        b = baseline.bounds(0, at);
        const double x = uniform(r) < p ? 1 : 0;
        baseline.learn(0, at, x);
        return x;
      };
      Bounds b;
      for (int i = 0; i < 20 * 24 * 7; ++i) next(b);
      return until_alarm(kStated, limit, [&](Bounds& bounds) { return next(bounds); });
    });
  };
  std::printf("| a daily cycle of +-50 %%: baseline by hour, learned from the stream | %.2f | %.2f |\n", daily(true), daily(false));
  const auto finite = [&](bool bounded) {
    return ratio([=](Random& r, double limit) {
      double hits = 0;
      for (int i = 0; i < 2000; ++i) hits += uniform(r) < 0.1;
      const double centre = std::log(hits / (2000 - hits)), unsure = 2 * std::sqrt(1 / hits + 1 / (2000 - hits));
      const auto logistic = [](double t) { return 1 / (1 + std::exp(-t)); };
      const Bounds known = bounded ? Bounds{logistic(centre - unsure), logistic(centre), logistic(centre + unsure)}
                                   : Bounds{hits / 2000, hits / 2000, hits / 2000};
      return until_alarm(kStated, limit, [&](Bounds& b) {
        b = known;
        return uniform(r) < 0.1 ? 1.0 : 0.0;
      });
    });
  };
  std::printf("| a baseline known from 2,000 rows: bets against its confidence bounds | %.2f | %.2f |\n\n", finite(true), finite(false));
}

/// 3,000 subjects as the monitor makes them, 30 days: rates that differ by patient, hour and subject, scores that are not normal.
void budget() {
  std::printf(
      "## 3,000 subjects, 30 days, nothing changes, one false alert a month accepted\n\n| seed | alerts raised | updates |\n| --- | --- | "
      "--- |\n");
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Random random(seed);
    MonitorOptions options;
    MonitorContext shared(options);
    std::vector<std::unique_ptr<RateSubject>> rates;
    std::vector<std::unique_ptr<ScoreSubject>> scores;
    std::vector<double> base, skew;
    for (int i = 0; i < 1500; ++i) {
      Baseline::Options o{{0, 0, 0, 0}, {0.3, 0.5}, 0, 2, true};
      rates.push_back(std::make_unique<RateSubject>(SubjectSpec{Kind::missingness, std::to_string(i), Severity::info, 2}, shared,
                                                    Direction::both, RateSubject::Wording{"arrivals", "patient-hour"}, o));
      scores.push_back(std::make_unique<ScoreSubject>(SubjectSpec{Kind::value, std::to_string(i), Severity::info, 2}, shared,
                                                      "given the rest", std::size_t{2}));
      base.push_back(std::pow(10, -0.1 - 1.5 * uniform(random)));
      skew.push_back(normal(random) * 0.3);
    }
    std::uint64_t updates = 0;
    int raised = 0;
    for (int hour = 0; hour < 24 * 30; ++hour) {
      const Time at = Time(std::chrono::hours(hour));
      const double cycle = 1 + 0.5 * std::sin(hour % 24 / 24.0 * 2 * std::acos(-1.0));
      for (std::size_t s = 0; s < rates.size(); ++s) {
        for (int patient = 0; patient < 8; ++patient) {  // whose own rate the cell only roughly knows
          const std::uint64_t draw = static_cast<std::uint64_t>(hour / 48 * 8 + patient) * 7919 + s;
          const double own = 0.6 + 0.8 * static_cast<double>(draw * 2654435761u % 1000) / 1000;
          const std::size_t cell = own < 0.8 ? 0 : own < 1 ? 1 : own < 1.2 ? 2 : 3;
          const double p = std::min(0.95, base[s] * own * cycle);
          rates[s]->update(uniform(random) < p ? 1 : 0, cell, at, at, static_cast<std::uint16_t>(patient % 3));
          updates += 1;
          if (uniform(random) < 0.25) {
            const double heavy = normal(random) / std::sqrt(std::max(0.2, std::gamma_distribution<double>(3, 1.0 / 3)(random)));
            scores[s]->update(skew[s] + 0.2 * (own - 1) + 0.9 * heavy, own < 1 ? 0 : 1, at, at, 0);
            updates += 1;
          }
        }
      }
      for (const Alert& a : shared.pending) raised += a.state == AlertState::raised;
      shared.pending.clear();
    }
    std::printf("| %llu | %d | %llu |\n", static_cast<unsigned long long>(seed), raised, static_cast<unsigned long long>(updates));
    std::fflush(stdout);
  }
  std::printf("\n");
}

template <typename Update>
double nanoseconds(Update update) {
  constexpr int kUpdates = 200'000;
  for (int i = 0; i < 2'000; ++i) update(i);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kUpdates; ++i) update(i);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kUpdates;
}

template <typename S>
std::size_t saved(const S& subject) {
  ByteWriter out;
  subject.save(out);
  return out.take().size();
}

/// Bytes that the heap gave meanwhile.
std::size_t resident() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0, in = 0;
  if (file == nullptr || std::fscanf(file, "%lu %lu", &pages, &in) != 2) in = 0;
  if (file != nullptr) std::fclose(file);
  return in * 4096;
}

void cost() {
  std::printf("## Cost\n\n| subject | ns an update | bytes saved |\n| --- | --- | --- |\n");
  MonitorOptions options;
  Random random(1);
  std::vector<double> u(4096), z(4096);
  for (double& v : u) v = uniform(random);
  for (double& v : z) v = normal(random);
  MonitorContext shared(options);
  const auto at = [](int i) { return Time(std::chrono::minutes(i)); };
  std::vector<std::uint8_t> groups;
  for (int g = 0; g < 35; ++g) groups.push_back(static_cast<std::uint8_t>(g / 10));
  RateSubject arrivals({Kind::missingness, "a", Severity::info, 2}, shared, Direction::both, {"a", "b"}, {groups, {0.3, 0.5}, 0, 2, true});
  const auto row = [](const char* name, double ns, std::size_t bytes) { std::printf("| %s | %.0f | %zu |\n", name, ns, bytes); };
  double ns = nanoseconds([&](int i) {
    arrivals.update(u[static_cast<std::size_t>(i) % 4096] < 0.3 ? 1 : 0, static_cast<std::size_t>(i) % 35, at(i), at(i), 1);
  });
  row("arrivals (35 cells x calendar)", ns, saved(arrivals));
  RateSubject misses({Kind::coverage, "a", Severity::info, 2}, shared, Direction::rise, {"a", "b"},
                     {{0, 0, 0, 0}, {0, 0.2}, 0.1, 2, false});
  ns = nanoseconds(
      [&](int i) { misses.update(u[static_cast<std::size_t>(i) % 4096] < 0.1 ? 1 : 0, static_cast<std::size_t>(i) % 4, at(i), at(i), 1); });
  row("misses, errors, measured (4 cells)", ns, saved(misses));
  ScoreSubject score({Kind::value, "a", Severity::info, 2}, shared, "given", 6);
  ns = nanoseconds([&](int i) { score.update(z[static_cast<std::size_t>(i) % 4096], static_cast<std::size_t>(i) % 6, at(i), at(i), 1); });
  row("values (6 cells)", ns, saved(score));
  MixSubject mix({Kind::mix, "a", Severity::info, 1.2}, shared, "stays", {"a", "b", "c", "d", "e"});
  ns = nanoseconds([&](int i) { mix.update(static_cast<std::size_t>(u[static_cast<std::size_t>(i) % 4096] * 5), at(i), at(i), 1); });
  row("a mix of five classes", ns, saved(mix));
  PatternSubject pattern({Kind::pattern, "a", Severity::info, 2}, shared, {"a", "b", "c", "d", "e", "f", "g", "h"});
  const std::vector<Bounds> rates(8, {0.2, 0.3, 0.4});
  ns = nanoseconds(
      [&](int i) { pattern.update(static_cast<std::uint64_t>(u[static_cast<std::size_t>(i) % 4096] * 256), rates, 0, at(i), at(i), 1); });
  row("patterns of eight modalities (one a deployment: 44 indicators)", ns, saved(pattern));
  LatentSubject latent({Kind::latent, "a", Severity::info, 1.2, LatentSubject::kReference}, shared, 32);
  std::vector<std::vector<float>> codes(400, std::vector<float>(32));
  for (auto& c : codes) {
    for (float& v : c) v = static_cast<float>(normal(random));
  }
  latent.set_reference(codes);
  for (int i = 0; latent.gathering(); ++i) latent.learn(Time(std::chrono::hours(i)), Time(std::chrono::hours(i)));
  ns = nanoseconds([&](int i) { latent.update(codes[static_cast<std::size_t>(i) % 400], at(i), at(i), 1); });
  row("latent codes (one a deployment: 32 dimensions)", ns, saved(latent));

  const std::size_t before = resident();
  std::vector<std::unique_ptr<Subject>> many;
  MonitorContext all(options);
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "modality.feature_" + std::to_string(i);
    if (i % 5 == 0)
      many.push_back(std::make_unique<ScoreSubject>(SubjectSpec{Kind::value, name, Severity::info, 2}, all, "given", std::size_t{6}));
    else if (i % 5 == 1)
      many.push_back(
          std::make_unique<ScoreSubject>(SubjectSpec{Kind::distribution, name, Severity::info, 1.2}, all, "first", std::size_t{1}));
    else if (i % 40 == 2)
      many.push_back(std::make_unique<RateSubject>(SubjectSpec{Kind::missingness, name, Severity::info, 2}, all, Direction::both,
                                                   RateSubject::Wording{"a", "b"}, Baseline::Options{groups, {0.3, 0.5}, 0, 2, true}));
    else
      many.push_back(std::make_unique<RateSubject>(SubjectSpec{Kind::coverage, name, Severity::info, 2}, all, Direction::rise,
                                                   RateSubject::Wording{"a", "b"},
                                                   Baseline::Options{{0, 0, 0, 0}, {0, 0.2}, 0.1, 2, false}));
  }
  std::printf("\n10,000 subjects (two fifths of values, the rest rates) take %.1f MiB.\n\n",
              static_cast<double>(resident() - before) / (1 << 20));
}

}  // namespace
}  // namespace lacuna::drift

int main(int argc, char** argv) {
  using namespace lacuna::drift;
  const std::vector<std::pair<std::string, void (*)()>> parts = {
      {"delay", delays}, {"stated", stated}, {"null", null_streams}, {"budget", budget}, {"cost", cost}};
  std::vector<std::string> wanted(argv + 1, argv + argc);
  for (const std::string& w : wanted) {
    if (std::none_of(parts.begin(), parts.end(), [&](const auto& p) { return p.first == w; })) {
      std::fprintf(stderr, "usage: %s [delay|stated|null|budget|cost]...\n", argv[0]);
      return 2;
    }
  }
  for (const auto& [name, part] : parts) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) part();
  }
  return 0;
}
