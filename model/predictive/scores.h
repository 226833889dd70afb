#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/predictive/calibration.h"
#include "model/predictive/coverage.h"
#include "state/records/pieces.h"
#include "state/records/scale.h"
#include "state/records/schema.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"

namespace lacuna::model {

/// Errors are told up to here, so that one value does not decide a mean of thousands. The CRPS is what it is.
inline constexpr double kErrorMax = 10;

/// One comparison of an arriving value with what was predicted before it. Errors are in standard deviations of the feature's scale, and
/// kErrorMax at most.
struct Score {
  FeatureId feature = 0;
  bool seen_before = false;  ///< in this patient
  bool constant = false;     ///< all values so far are the same: there is no scale to tell an error in
  /// What arrived is a limit: `error_model`, `covered`, `central` and `z` are those of a value drawn from what the model expects beyond it,
  /// as they are randomised for counts and classes; the other figures say nothing.
  bool censored = false;
  double error_model = 0;    ///< |median - value|
  double error_last = 0;     ///< |last value, else mean - value|
  double error_mean = 0;     ///< |population mean - value|
  double squared_model = 0;  ///< (the prediction's mean on the scale - value)^2
  double crps = 0;
  double width = 0;      ///< of the calibrated interval
  bool covered = false;  ///< by it
  bool central = false;  ///< the model's own interval held it, before calibration
  double z = 0;          ///< the value's normal score under the model's own distribution
  double value = 0;      ///< on the feature's scale
};

/// What is scored.
struct Arrival {
  FeatureId feature = 0;
  double value = 0;            ///< natural units
  std::optional<double> last;  ///< the patient's last value before, natural units; empty: never measured, or hidden
  double u = 0;                ///< in [0, 1): randomises the integral transform of counts and classes (Predictive::pit)
  Comparator comparator{};     ///< unless equal, `value` is a limit
};

/// The one rule by which a prediction is judged: by the daemon as the stream goes by, by the protocols on stays held back. Feeds the
/// value back to the calibrator, after its interval was taken. `scale`: of the population that errors are told in.
Score score_arrival(Calibrator& calibrator, const StandardScale& scale, Recency recency, const Predictive& predictive,
                    const Arrival& arrival);

/// Sums of scores per feature, over all time and over a recent exponential window. Not thread-safe.
class ScoreBoard {
 public:
  struct Row {
    std::uint64_t count = 0, covered = 0, unseen_count = 0;
    double error_model = 0, error_last = 0, error_mean = 0, squared_model = 0, crps = 0, width = 0;  ///< sums
    double unseen_error_model = 0, unseen_error_mean = 0;                                            ///< sums
    double recent_weight = 0, recent_error_model = 0, recent_error_last = 0, recent_error_mean = 0, recent_covered = 0,
           recent_crps = 0;  ///< exponentially forgotten sums; divide by recent_weight
    Coverage intervals;      ///< of the same values, since it has been followed
    std::uint64_t hidden_count = 0, hidden_covered = 0;
    double hidden_error_model = 0, hidden_width = 0;  ///< sums
    /// Limits: of these it is told whether the interval held (Score::censored), and nothing else. Not among those above.
    std::uint64_t censored = 0, censored_covered = 0, hidden_censored = 0, hidden_censored_covered = 0;
    double recent_censored = 0, recent_censored_covered = 0;  ///< forgotten as recent_weight is

    /// How often intervals held; 0 without any value.
    double coverage() const;
    double recent_coverage() const;
    double hidden_coverage() const;

    /// Most of its values came while all of them were the same: of these `intervals` alone are told.
    bool constant() const { return intervals.count > 2 * (count + censored); }
  };
  /// `window`: scores after which one has lost 63 % of its weight in the recent columns.
  ScoreBoard(std::size_t feature_count, double window);
  void add(const Score& score);
  /// Of a value that was hidden although it had been measured: predicted as if it never had been.
  void add_hidden(const Score& score);
  const Row& row(FeatureId feature) const { return rows_[feature]; }
  std::size_t size() const { return rows_.size(); }
  /// Features with at least `minimum` scores, weighted equally (PROTOCOL's convention): means of the per-feature means. Constant ones are
  /// left out.
  struct Summary {
    std::size_t features = 0;
    std::uint64_t count = 0;
    double error_model = 0, error_last = 0, error_mean = 0, rmse = 0, crps = 0, coverage = 0, width = 0;
    double unseen_error_model = 0, unseen_error_mean = 0;
  };
  Summary summary(std::uint64_t minimum = 1) const;
  /// The same over the recent window (rmse, width and unseen are 0).
  Summary recent() const;
  std::string save() const { return joined(pieces()); }
  /// save() in pieces, of which a score changes one.
  Pieces pieces() const;
  /// Left as it was when corrupt or unsupported (another version or schema). `grown`: the bytes were written under another schema, from
  /// which this leads to the present one; null: under this one. All features that stay go on, whatever the unit, since scores are in
  /// standard deviations; but for those of which a class has another place: what errors of classes are told in.
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  double decay_;
  std::vector<Row> rows_;
};

}  // namespace lacuna::model
