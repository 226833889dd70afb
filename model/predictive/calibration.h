#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/predictive/predictive.h"
#include "model/predictive/recency.h"
#include "state/records/pieces.h"
#include "state/records/schema.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"

namespace lacuna::model {

struct Interval {
  double low = 0;
  double high = 0;
};

/// Online conformal calibration of central intervals, per feature and recency: tracks the level-quantile of the normal
/// radius |Phi^-1(PIT)| of arriving values with several step sizes, aggregated (adaptive conformal inference, Gibbs and
/// Candes 2021; aggregation: Gibbs and Candes 2024, Zaffran et al. 2022), so that long-run coverage is `level` whatever
/// the model does; of classes at least `level`, and no more than that where the classes allow. No LibTorch. Not thread-safe.
class Calibrator {
 public:
  Calibrator(const Schema& schema, double level);
  ~Calibrator();
  Calibrator(const Calibrator&);
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(const Calibrator&);
  Calibrator& operator=(Calibrator&&) noexcept;

  /// The interval that would be published now for this predictive distribution, natural scale, within the feature's
  /// plausible range. Of classes: from one to another, the median among them.
  Interval interval(FeatureId feature, Recency recency, const Predictive& predictive) const;
  /// A value that was held out of learning, and what was predicted for it; `u` as in update().
  struct HeldOut {
    FeatureId feature = 0;
    Recency recency = Recency::never_measured;
    const Predictive* predictive = nullptr;  ///< borrowed for the call
    double value = 0;
    double u = 0;
  };
  /// Begins anew from values that are all there, in place of following a stream: each end of an interval becomes the quantile of their
  /// scores that covers a further value as often as the level says (split conformal prediction, Vovk et al. 2005, section 4.2). Where a
  /// feature's recency has fewer than kFitMin of them, all of the feature decide; where these are too few, all of the features of its kind
  /// (classes apart from numbers) that have too few; then all of its kind; and where these are too few, its radii are the model's own.
  /// update() goes on from there.
  void fit(const std::vector<HeldOut>& values);
  static constexpr std::size_t kFitMin = 60;

  /// Feedback: the value that arrived for a prediction made before it. Returns whether interval() covered it.
  bool update(FeatureId feature, Recency recency, const Predictive& predictive, double value, double u);
  /// The same where interval() and predictive.normal_score(value, u) are known already: `now` and `z`.
  bool update(FeatureId feature, Recency recency, const Predictive& predictive, double value, const Interval& now, double z);

  double level() const { return level_; }
  /// Present radius (1.645 at level 0.9 when the model is perfectly calibrated) and number of updates.
  double radius(FeatureId feature, Recency recency) const;
  std::uint64_t updates(FeatureId feature, Recency recency) const;

  std::string save() const { return joined(pieces()); }
  /// save() in pieces, of which an update changes one.
  Pieces pieces() const;
  /// Left as it was when corrupt, unsupported (another version or schema), or, which is ok, saved under another level: the level is a
  /// setting, and calibration for a new one begins anew. `grown`: the bytes were written under another schema, from which this leads to
  /// the present one; null: under this one. Radii are of normal scores, which no unit and no range changes: all features that stay go
  /// on, but for those of which a class has another place.
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  struct Cell;
  Cell fresh_cell() const;
  double level_;
  std::vector<Likelihood> likelihoods_;
  std::vector<double> lows_, highs_;
  std::vector<Cell> cells_;
};

}  // namespace lacuna::model
