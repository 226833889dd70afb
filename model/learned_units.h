#pragma once

#include <utility>
#include <vector>

#include "model/predictive/predictive.h"
#include "state/records/records.h"
#include "state/records/schema_mapping.h"

// A network goes on in the units that it learned in, whatever those of the schema are now: values are converted when they come in, and
// what is said of them when it goes out. No LibTorch.

namespace lacuna::model {

/// Between the schema of those who ask and the network's. Immutable; any thread.
class LearnedUnits {
 public:
  /// `learned`: what the network was learned under. Errors as SchemaMapping::make.
  static Result<LearnedUnits> make(const Schema& schema, const Schema& learned);

  /// The network's: that of those who ask, with the units learned in. Features whose unit differs have no plausible range there.
  const Schema& schema() const { return schema_; }
  /// Nothing is to be converted.
  bool same() const { return same_; }

  /// To the units learned in.
  void to_learned(Snapshot& snapshot) const;
  void to_learned(Example& example) const;
  double to_learned(FeatureId feature, double value) const;

  /// Back: a value, within the plausible range; a distribution; mean and standard deviation on the feature's scale, of a log-normal one as
  /// if the population were just that.
  double to_present(FeatureId feature, double value) const;
  void to_present(FeatureId feature, Predictive& predictive) const;
  std::pair<double, double> to_present(FeatureId feature, std::pair<double, double> moments) const;

 private:
  LearnedUnits(Schema schema, SchemaMapping in, const SchemaMapping& out, const Schema& present);
  bool converts(FeatureId feature) const { return !in_.features()[feature]->same_unit(); }

  Schema schema_;
  SchemaMapping in_;
  std::vector<UnitConversion> out_;  ///< by feature
  std::vector<double> low_, high_;   ///< plausible range in the present unit
  bool same_ = true;
};

}  // namespace lacuna::model
