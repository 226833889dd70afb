#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "state/records/records.h"
#include "state/records/units.h"

// The predictive distribution of one feature: a weighted mixture over posterior samples, one component a sample. No
// LibTorch here, so that scoring, calibration and tests need none.

namespace lacuna::model {

/// Standard normal distribution function, with full relative accuracy in the lower tail.
double normal_cdf(double z);
/// Its inverse: p in (0, 1), down to 1e-300; anything at or beyond the ends gives what the nearest such p would.
double normal_quantile(double p);
/// A mixture with K components for one feature. Continuous features: component k is normal(location[k], scale[k]) on the
/// feature's scale (x, or log(1+x) for log_normal), in natural units of that scale. student_t: location[k] + scale[k] T, T with
/// freedom[k] degrees of freedom. negative_binomial: location[k] is the mean, scale[k] the dispersion r (variance = mean +
/// mean^2 / r). Discrete: `class_probabilities` only, already mixed.
struct Predictive {
  Likelihood likelihood = Likelihood::normal;
  std::vector<float> weights;   ///< K, sums to 1
  std::vector<float> location;  ///< K
  std::vector<float> scale;     ///< K, > 0
  std::vector<float> class_probabilities;
  std::vector<float> freedom{};  ///< student_t: K, > 2; taken as within [2.001, 1e6]
  /// log_normal: from the unit in which log(1+x) is the mixture above to that of all values given and taken below, whose scale is
  /// log(1+x) in turn (model/predictive/log_normal.h). Others are mixtures in that unit themselves.
  UnitConversion unit{};

  /// All on the natural scale of the feature; for discrete features mean is the expected class index, median its median.
  double mean() const;
  /// On the feature's scale: what the squared error there is least about. Of a log_normal the mean of the logarithm.
  double mean_on_scale() const;
  double sd() const;
  double quantile(double p) const;  ///< p in (0, 1); continuous: solved to 1e-4 scale units
  double median() const { return quantile(0.5); }
  double cdf(double value) const;  ///< P(X <= value)
  /// quantile(normal_cdf(z)), without the loss of accuracy that probabilities near 1 would bring.
  double quantile_at(double z) const;
  /// normal_quantile(pit(value, u)), the same way: how many normal standard deviations out the value lies.
  double normal_score(double value, double u) const;
  /// Probability integral transform: cdf for continuous features; for counts and classes randomised by u in [0, 1):
  /// P(X < value) + u * P(X = value) (Czado, Gneiting, Held 2009, eq. 2).
  double pit(double value, double u) const;
  /// Of what lies on a limit's side, the value that a share u in [0, 1) of it is below: uniform u give draws of the distribution given
  /// that.
  double beyond(double limit, Comparator comparator, double u) const;
  double log_density(double value) const;  ///< on the feature's scale; log probability for discrete
  /// Continuous ranked probability score on the feature's scale (x or log(1+x)): closed form for normal mixtures (Grimit et al. 2006,
  /// eq. 5), model/predictive/student_t.h for Student t mixtures; negative binomial by summation; discrete: the ranked probability score
  /// over class indices.
  double crps(double value) const;
};

/// The predictive distribution of one payload, value by value in natural units, as the modality's payloads are laid out. Text: of
/// each word's expected count in a text (mean only), by the vocabulary's index.
struct PayloadPrediction {
  ModalityId modality = kNoModality;
  std::vector<float> mean, sd;
  std::vector<float> low, high;         ///< central interval at PredictOptions::level, not calibrated
  std::vector<std::string> vocabulary;  ///< text: the words that `mean` counts
};

/// How much a modality had to say in one prediction.
struct ModalityWeight {
  ModalityId modality = kNoModality;
  double weight = 0;  ///< over all modalities that were known: sums to 1
};

/// One query's result over the features it asked for.
struct Prediction {
  std::vector<FeatureId> features;
  std::vector<Predictive> predictive;       ///< parallel to features
  double effective_samples = 0;             ///< of the importance weights, 1..K
  std::vector<PayloadPrediction> payloads;  ///< parallel to Query::wanted_payloads
  std::vector<ModalityWeight> weights;      ///< when Query::explain
  std::optional<LatentState> latent{};      ///< when Query::latent
};

}  // namespace lacuna::model
