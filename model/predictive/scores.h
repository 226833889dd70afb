#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/predictive/coverage.h"
#include "state/records/schema.h"
#include "state/records/status.h"

namespace lacuna::model {

/// One test-then-train comparison, errors in standardised units (the feature's scale, minus mean, over sd of the model
/// version that predicted).
struct Score {
  FeatureId feature = 0;
  bool seen_before = false;     ///< in this patient
  double error_model = 0;       ///< |median - value|
  double error_last = 0;        ///< |last value, else mean - value|
  double error_mean = 0;        ///< |population mean - value|
  double squared_model = 0;     ///< (mean - value)^2
  double crps = 0;
  double width = 0;             ///< of the interval
  bool covered = false;
  bool central = false;         ///< the model's own interval held it, before calibration
  double value = 0;             ///< on the feature's scale
};

/// The same for a cell that was hidden although it had been measured: predicted as if it never had been.
struct HiddenScore {
  FeatureId feature = 0;
  double error_model = 0;
  double width = 0;
  bool covered = false;
};

/// Sums of scores per feature, over all time and over a recent exponential window. Not thread-safe.
class ScoreBoard {
 public:
  struct Row {
    std::uint64_t count = 0, covered = 0, unseen_count = 0;
    double error_model = 0, error_last = 0, error_mean = 0, squared_model = 0, crps = 0, width = 0;  ///< sums
    double unseen_error_model = 0, unseen_error_mean = 0;                                            ///< sums
    double recent_weight = 0, recent_error_model = 0, recent_error_last = 0, recent_error_mean = 0, recent_covered = 0,
           recent_crps = 0;  ///< exponentially forgotten sums; divide by recent_weight
    Coverage intervals;              ///< of the same values, since it has been followed
    std::uint64_t hidden_count = 0, hidden_covered = 0;
    double hidden_error_model = 0, hidden_width = 0;  ///< sums
  };
  /// `window`: scores after which one has lost 63 % of its weight in the recent columns.
  ScoreBoard(std::size_t feature_count, double window);
  void add(const Score& score);
  void add(const HiddenScore& score);
  const Row& row(FeatureId feature) const { return rows_[feature]; }
  std::size_t size() const { return rows_.size(); }
  /// Features with at least `minimum` scores, weighted equally (PROTOCOL's convention): means of the per-feature means.
  struct Summary {
    std::size_t features = 0;
    std::uint64_t count = 0;
    double error_model = 0, error_last = 0, error_mean = 0, rmse = 0, crps = 0, coverage = 0, width = 0;
    double unseen_error_model = 0, unseen_error_mean = 0;
  };
  Summary summary(std::uint64_t minimum = 1) const;
  /// The same over the recent window (rmse, width and unseen are 0).
  Summary recent() const;
  std::string save() const;
  Status load(std::string_view bytes);

 private:
  double decay_;
  std::vector<Row> rows_;
};

}  // namespace lacuna::model
