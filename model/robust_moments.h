#pragma once

#include <cstdint>
#include <vector>

#include "state/records/bytes.h"
#include "state/records/time.h"

// What a feature's values are standardised by. No LibTorch.

namespace lacuna::model {

/// Which values may be taken for errors.
enum class Tails : std::uint8_t {
  reached,  ///< what lies further out than others counts as if it lay where theirs end
  counts,   ///< the same, but a count of few is not an error beside many zeros
  whole,    ///< none: classes, of which a rare one is a class
};

/// Running mean and standard deviation of a population of which some values are errors: one value counts for no more than one at kReach
/// standard deviations does, and one patient for no more than a bounded number of values (patient_weight). What all values do is followed:
/// the scale grows while many are out of reach, and no more than kMemory of weight is remembered.
class RobustMoments {
 public:
  static constexpr double kReach = 4;
  /// So many observations begin it, by their median: until then the first one could be the error.
  static constexpr std::size_t kStart = 32;
  /// What was seen longer ago than so many values of weight 1 has lost 63 % of its say.
  static constexpr double kMemory = 20'000;
  static constexpr double kSdMin = 1e-6;  ///< so that a constant feature divides by something

  explicit RobustMoments(Tails tails = Tails::reached) : tails_(tails) {}
  /// `within`: the variance among the values that `value` is the mean of; 0 for a single one.
  /// `patient`: whose it is (patient_hash(); 0: not known).
  void add(double value, double within, double weight, std::uint64_t patient = 0);
  /// Drops what it begins with of one patient. What has gone into sums stays.
  void forget(std::uint64_t patient);
  double mean() const { return mean_; }
  double sd() const { return sd_; }  ///< 1 before the second observation; never below kSdMin
  bool seen() const { return count_ > 0; }

  /// The moments; and apart from them, what they begin with while there are few: a checkpoint of before has none of it.
  void save(ByteWriter& out) const;
  void load(ByteReader& in);
  void save_start(ByteWriter& out) const;
  void load_start(ByteReader& in);  ///< after load()

 private:
  struct Observation {
    double value = 0, within = 0, weight = 1;
    std::uint64_t patient = 0;
  };
  void begin();
  double reach(double spread) const;
  void settle();

  Tails tails_;
  double count_ = 0, mean_ = 0, squares_ = 0;
  double sd_ = 1;  ///< of the three: every example reads it many times
  bool begun_ = false;
  std::vector<Observation> start_;  ///< empty once it has begun
};

/// How much a patient's next value says of the population: 1 for its first kFirst, then less with each, so that all of them together are
/// worth 2 kFirst and one a week. `count`: how many came before; `since`: the last of them.
double patient_weight(std::uint64_t count, Millis since);

}  // namespace lacuna::model
