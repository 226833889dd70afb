#include "daemon/guessing/column_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "state/records/hash.h"
#include "streaming/files/cell_text.h"
#include "streaming/messages/censored_text.h"

namespace lacuna::daemon {

void DistinctSketch::add(std::uint64_t hash) {
  if (full_ && hash >= *smallest_.rbegin()) return;
  if (!smallest_.insert(hash).second || smallest_.size() <= kKept) return;
  smallest_.erase(std::prev(smallest_.end()));
  full_ = true;
}

double DistinctSketch::count() const {
  if (!full_) return static_cast<double>(smallest_.size());
  return static_cast<double>(kKept - 1) / to_unit(*smallest_.rbegin());
}

namespace {

/// Counts `value` if it is, or comes to be, among the outermost.
template <typename Drop>
void count_extreme(std::map<double, std::uint64_t>& extremes, double value, bool inside, Drop drop) {
  if (extremes.size() >= ColumnProfile::kExtremesMax && inside) return;
  ++extremes[value];
  if (extremes.size() > ColumnProfile::kExtremesMax) extremes.erase(drop());
}

}  // namespace

void ColumnProfile::add_number(double value) {
  value += 0.0;  // there is one zero
  ++numbers_;
  whole_ = whole_ && value == std::floor(value);
  if (values_.size() < kValuesMax) {
    ++values_[value];
  } else if (const auto at = values_.find(value); at != values_.end()) {
    ++at->second;
  } else {
    values_cut_ = true;
  }
  count_extreme(lowest_, value, !lowest_.empty() && value > lowest_.rbegin()->first, [this] { return std::prev(lowest_.end()); });
  count_extreme(highest_, value, !highest_.empty() && value < highest_.begin()->first, [this] { return highest_.begin(); });
  if (sample_.size() < kSampleMax) {
    sample_.push_back(value);
  } else if (const std::uint64_t slot = mix64(numbers_) % numbers_; slot < kSampleMax) {
    sample_[slot] = value;
  }
}

void ColumnProfile::add(std::string_view text) {
  ++cells_;
  if (text.empty()) {
    ++empty_;
    return;
  }
  longest_ = std::max(longest_, text.size());
  sketch_.add(hash64(text));
  double value = 0;
  if (read_number_or_limit(text, decimal_, value) && std::isfinite(value)) return add_number(value);
  if (const auto at = words_.find(text); at != words_.end()) {
    ++at->second;
  } else if (words_.size() < kValuesMax) {
    words_.emplace(text, 1);
  } else {
    words_cut_ = true;
  }
}

std::vector<double> ColumnProfile::sample(const std::set<double>& without) const {
  std::vector<double> out;
  std::ranges::copy_if(sample_, std::back_inserter(out), [&](double v) { return !without.contains(v); });
  std::ranges::sort(out);
  return out;
}

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

bool read_number_or_limit(std::string_view text, char decimal, double& out) {
  (void)streaming::take_comparator(text);
  return streaming::read_number(text, decimal, out);
}

std::string_view unit_behind(std::string_view text, char decimal, std::string_view& number) {
  constexpr std::string_view kLonely = "gLmshdCFK%";  // a single letter that is hardly a class, where a blank parts it from the number
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  const auto may_name = [&](char c) { return is_letter(c) || c == '%' || static_cast<unsigned char>(c) >= 0x80; };
  std::string_view rest = text, behind;
  (void)streaming::take_comparator(rest);
  double value = 0;
  if (!streaming::split_number(rest, decimal, value, behind) || behind.empty() || !std::isfinite(value)) return {};
  if (std::ranges::none_of(behind, may_name)) return {};  // 120/80
  const char before = *(behind.data() - 1);
  const bool apart = before < '0' || before > '9';
  if (behind.size() == 1 && is_letter(behind[0]) && (!apart || kLonely.find(behind[0]) == std::string_view::npos)) return {};
  number = streaming::trim(text.substr(0, static_cast<std::size_t>(behind.data() - text.data())));
  return behind;
}

std::string number_text(double value) { return fmt::format("{}", value); }

}  // namespace lacuna::daemon
