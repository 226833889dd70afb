#include "daemon/guessing/marks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "daemon/guessing/survey.h"

namespace lacuna::daemon {

namespace {

using Counts = std::map<double, std::uint64_t>;

constexpr std::size_t kListedMax = 30;
constexpr double kBeyondShareMax = 0.4;  // the cholesterol of a hospital that never measured it

constexpr std::array kUsual{-1., -7., -8., -9.,  -77., -88., -99., -777., -888., -999., -9999., -99999., -32768.,
                            77., 88., 99., 777., 888., 998., 999., 7777., 8888., 9998., 9999.,  99999.,  999999.};

/// Outermost values with their counts; all of them where there are few.
Counts extremes_of(const ColumnProfile& profile) {
  Counts out = profile.lowest();
  out.insert(profile.highest().begin(), profile.highest().end());
  return out;
}

void take(Marks& marks, double value, std::uint64_t count) {
  if (marks.numbers.insert(value).second) marks.cells += count;
}

void take_beyond(Marks& marks, const ColumnProfile& profile, const Limits& limits) {
  Counts beyond;
  const auto collect = [&](const Counts& counts) {
    for (const auto& [value, count] : counts) {
      if ((value < limits.low || value > limits.high) && !marks.numbers.contains(value)) beyond[value] = count;
    }
  };
  collect(profile.lowest());
  collect(profile.highest());
  std::uint64_t cells = 0;
  for (const auto& [value, count] : beyond) cells += count;
  if (beyond.empty()) return;
  marks.too_many_beyond =
      beyond.size() > kListedMax || static_cast<double>(cells) > kBeyondShareMax * static_cast<double>(profile.numbers());
  if (marks.too_many_beyond) return;
  marks.beyond = cells;
  for (const auto& [value, count] : beyond) take(marks, value, count);
}

/// Whether a usual mark is none of the others' kind.
bool stands_apart(double value, const std::vector<double>& others, double distinct) {
  constexpr double kValuesMin = 10;  // fewer are codes, and 9 may be one
  if (others.size() < 2) return false;
  if (value < 0 && others.front() >= 0) return distinct > kValuesMin;
  const double low = quantile(others, 0.005), high = quantile(others, 0.995), spread = high - low;
  if (distinct <= kValuesMin || spread <= 0) return false;
  return value > high + 2 * spread || value < low - 2 * spread;
}

/// A few negative numbers below a column that is skewed as only positive ones are: costs, counts, concentrations.
void take_below_nothing(Marks& marks, const ColumnProfile& profile) {
  constexpr double kShareMax = 0.005, kSkew = 4;
  const std::vector<double> sample = profile.sample(marks.numbers);
  if (sample.size() < 100 || profile.lowest().rbegin()->first < 0) return;
  std::uint64_t cells = 0;
  Counts below;
  for (const auto& [value, count] : profile.lowest()) {
    if (value >= 0 || marks.numbers.contains(value)) continue;
    below[value] = count;
    cells += count;
  }
  const double middle = quantile(sample, 0.5), outer = quantile(sample, 0.99);
  const bool skewed = middle > 0 && outer - middle > kSkew * (middle - quantile(sample, 0.01));
  if (below.size() > kListedMax || static_cast<double>(cells) > kShareMax * static_cast<double>(profile.numbers()) || !skewed) return;
  for (const auto& [value, count] : below) take(marks, value, count);
}

void take_usual(Marks& marks, const ColumnProfile& profile) {
  std::set<double> candidates;
  const Counts extremes = extremes_of(profile);
  for (const double usual : kUsual) {
    if (extremes.contains(usual)) candidates.insert(usual);
  }
  const std::vector<double> others = profile.sample(candidates);
  for (const double value : candidates) {
    // From the outside inwards: what stands behind a measurement is one.
    const bool outermost = value < (others.empty() ? value : others.front()) || value > (others.empty() ? value : others.back());
    if (outermost && stands_apart(value, others, profile.distinct())) take(marks, value, extremes.at(value));
  }
}

/// Words are marks among numbers only.
void take_words(Marks& marks, const ColumnProfile& profile) {
  std::uint64_t words = 0;
  for (const auto& [word, count] : profile.words()) words += is_missing_word(word) ? 0 : count;
  if (!profile.has_all_words() || words > profile.numbers() / 9) return;
  for (const auto& [word, count] : profile.words()) {
    if (is_missing_word(word) || marks.words.size() >= 2 * kListedMax) continue;
    marks.words.push_back(word);
    marks.cells += count;
  }
}

}  // namespace

std::vector<std::string> Marks::texts() const {
  std::vector<std::string> out;
  std::ranges::transform(numbers, std::back_inserter(out), number_text);
  out.insert(out.end(), words.begin(), words.end());
  return out;
}

Marks guess_marks(const ColumnProfile& profile, const Limits& limits) {
  Marks marks;
  if (profile.numbers() == 0) return marks;
  take_words(marks, profile);
  take_usual(marks, profile);
  if (limits.known) take_beyond(marks, profile, limits);
  else take_below_nothing(marks, profile);
  return marks;
}

}  // namespace lacuna::daemon
