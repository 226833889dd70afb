#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna::daemon {

/// About how many different texts were added, in bounded memory: the smallest hashes are kept (k minimum values; Bar-Yossef et al., 2002).
/// Exact up to 1,024, then within about 3 %.
class DistinctSketch {
 public:
  void add(std::uint64_t hash);
  double count() const;

 private:
  static constexpr std::size_t kKept = 1024;
  std::set<std::uint64_t> smallest_;
  bool full_ = false;
};

/// What the cells of a column are like, in one pass and bounded memory. Numbers are read with the table's decimal mark; what is no finite
/// number is a word. One thread.
class ColumnProfile {
 public:
  static constexpr std::size_t kValuesMax = 300;   ///< of different values, and of different words, that are counted each
  static constexpr std::size_t kExtremesMax = 64;  ///< lowest and highest values that are counted exactly
  static constexpr std::size_t kSampleMax = 4096;

  explicit ColumnProfile(char decimal = '.') : decimal_(decimal) {}
  /// A cell without blanks around it.
  void add(std::string_view text);

  std::uint64_t cells() const { return cells_; }
  std::uint64_t empty() const { return empty_; }
  std::uint64_t filled() const { return cells_ - empty_; }
  std::uint64_t numbers() const { return numbers_; }
  bool whole() const { return whole_; }  ///< every number is
  std::size_t longest() const { return longest_; }
  double distinct() const { return sketch_.count(); }

  /// Texts that are no numbers, with their counts; of more than kValuesMax the first.
  const std::map<std::string, std::uint64_t, std::less<>>& words() const { return words_; }
  std::uint64_t word_count() const { return filled() - numbers_; }
  bool has_all_words() const { return !words_cut_; }
  /// Numbers with their counts; of more than kValuesMax the first.
  const std::map<double, std::uint64_t>& values() const { return values_; }
  bool has_all_values() const { return !values_cut_; }
  /// From the outside: the lowest and highest values with exact counts.
  const std::map<double, std::uint64_t>& lowest() const { return lowest_; }
  const std::map<double, std::uint64_t>& highest() const { return highest_; }

  /// An even sample of the numbers but those in `without`, sorted.
  std::vector<double> sample(const std::set<double>& without = {}) const;

 private:
  void add_number(double value);

  char decimal_;
  std::uint64_t cells_ = 0, empty_ = 0, numbers_ = 0;
  bool whole_ = true, words_cut_ = false, values_cut_ = false;
  std::size_t longest_ = 0;
  DistinctSketch sketch_;
  std::map<std::string, std::uint64_t, std::less<>> words_;
  std::map<double, std::uint64_t> values_, lowest_, highest_;
  std::vector<double> sample_;
};

/// Of a sorted sample, between its values; `share` 0 to 1. The sample is not empty.
double quantile(const std::vector<double>& sorted, double share);

/// The shortest text that reads as this number.
std::string number_text(double value);

/// What stands behind a number ("<5 mg/L", "37 °C") if it may be a unit; `number` is then the text before it. Empty: there is none, or a
/// letter that is a class as often as a unit ("2a", "98F", "3 B").
std::string_view unit_behind(std::string_view text, char decimal, std::string_view& number);

/// A number, or one that is told as a limit ("<5"), which replay reads as such.
bool read_number_or_limit(std::string_view text, char decimal, double& out);

}  // namespace lacuna::daemon
