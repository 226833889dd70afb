#include "model/feature_reader.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "state/records/counter_random.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Never 0, whose quantile has no value.

/// A component of a feature's mixture, standardised.
struct Component {
  double weight = 0, location = 0, scale = 1;
};

/// The component given that its value x is missing, which has the probability Phi(-(base + slope x)): weight, mean and spread of the
/// extended skew normal that it becomes (Azzalini 1985; moments as in Heckman 1979), taken for a normal.
Component given_missing(const Component& c, double base, double slope) {
  const double width = std::sqrt(1 + slope * slope * c.scale * c.scale);
  const double t = -(base + slope * c.location) / width;
  const double missing = std::max(normal_cdf(t), 1e-300);
  const double hazard = t > -30 ? std::exp(-0.5 * t * t) / (std::sqrt(2 * std::numbers::pi) * missing) : -t;
  const double pull = slope * c.scale * c.scale / width;
  const double variance = c.scale * c.scale - pull * pull * hazard * (hazard + t);
  return {c.weight * missing, c.location - pull * hazard, std::sqrt(std::max(variance, 1e-4 * c.scale * c.scale))};
}

/// Mean and dispersion r of a count; its variance is mean + mean^2 / r.
std::pair<double, double> corrected_count(const SmallSample& few, double mean, double sd, double log_ratio, double dispersion) {
  const double expected = (mean + 0.5) * std::exp(few.keep * log_ratio);
  if (!few.corrects()) return {expected, dispersion};
  const double spread = few.spread * sd, of_population = std::max(spread * spread - mean, 0.0) / ((mean + 0.5) * (mean + 0.5));
  const double kept = few.keep * few.keep;
  return {expected, 1 / std::max(kept / dispersion + (1 - kept) * of_population, 1e-6)};
}

}  // namespace

PosteriorReadings::PosteriorReadings(const Outputs& o) {
  first_share = torch::sigmoid(o.first_logit).contiguous();
  for (int i = 0; i < 2; ++i) {
    location[i] = o.location[i].contiguous();
    scale[i] = o.scale[i].contiguous();
  }
  if (o.logit.defined()) probability = torch::sigmoid(o.logit).contiguous();
  if (o.class_logits.defined()) classes = torch::softmax(o.class_logits, 0).contiguous();
  if (o.log_ratio.defined()) {
    log_ratio = o.log_ratio.contiguous();
    dispersion = o.dispersion.contiguous();
  }
  if (o.freedom.defined()) freedom = o.freedom.contiguous();
}

double FeatureReader::draw(const PosteriorReadings& o, std::int64_t draw, FeatureId feature, CounterRandom& random) const {
  const std::int64_t at = draw * layout.features + feature;
  const auto of = [at](const Tensor& t) { return static_cast<double>(t.data_ptr<float>()[at]); };
  const double mean = standardiser.mean(feature), sd = standardiser.sd(feature);
  const SmallSample& few = corrections[feature];
  const double u = std::max(random.unit(), 0x1.0p-54);  // open at both ends: of both there are quantiles
  switch (const Likelihood likelihood = layout.likelihoods[feature]) {
    case Likelihood::student_t: {
      Predictive one;
      one.likelihood = likelihood;
      one.weights = {1.0F};
      one.location = {static_cast<float>(mean + sd * few.corrected_location(of(o.location[0])))};
      one.scale = {static_cast<float>(sd * few.corrected_scale(of(o.scale[0])))};
      one.freedom = {static_cast<float>(of(o.freedom))};
      return std::clamp(one.quantile(u), layout.low[feature], layout.high[feature]);
    }
    case Likelihood::normal:
    case Likelihood::log_normal: {
      const int component = random.unit() < of(o.first_share) ? 0 : 1;
      const double location = few.corrected_location(of(o.location[component])), scale = few.corrected_scale(of(o.scale[component]));
      const double y = mean + sd * (location + scale * normal_quantile(u));
      return std::clamp(from_scale(likelihood, y), layout.low[feature], layout.high[feature]);
    }
    case Likelihood::negative_binomial: {
      Predictive count;
      count.likelihood = likelihood;
      count.weights = {1.0F};
      const auto [expected, dispersion] = corrected_count(few, mean, sd, of(o.log_ratio), of(o.dispersion));
      count.location = {static_cast<float>(expected)};
      count.scale = {static_cast<float>(dispersion)};
      return std::clamp(count.quantile(u), layout.low[feature], layout.high[feature]);
    }
    case Likelihood::bernoulli: return u < (few.corrects() ? few.corrected_probability(of(o.probability), 2) : of(o.probability)) ? 1 : 0;
    case Likelihood::categorical:
    case Likelihood::ordinal: {
      const std::int64_t stride = o.classes.numel() / layout.categories;
      double reached = 0;
      for (std::int64_t c = 0; c + 1 < layout.category_counts[feature]; ++c) {
        const double p = o.classes.data_ptr<float>()[c * stride + at];
        reached += few.corrects() ? few.corrected_probability(p, static_cast<std::size_t>(layout.category_counts[feature])) : p;
        if (u < reached) return static_cast<double>(c);
      }
      return static_cast<double>(layout.category_counts[feature] - 1);
    }
  }
  return 0;
}

Predictive FeatureReader::predictive(const PosteriorReadings& o, std::int64_t row, std::span<const float> draw_weights,
                                     FeatureId feature) const {
  const auto k = static_cast<std::int64_t>(draw_weights.size()), f = layout.features;
  const float* const weights = draw_weights.data();
  const auto at = [&](const Tensor& t, std::int64_t s) { return t.data_ptr<float>()[(row * k + s) * f + feature]; };
  Predictive p;
  p.likelihood = layout.likelihoods[feature];
  const double mean = standardiser.mean(feature), sd = standardiser.sd(feature);
  const SmallSample& few = corrections[feature];
  switch (p.likelihood) {
    case Likelihood::student_t:
      for (std::int64_t s = 0; s < k; ++s) {
        p.weights.push_back(weights[s]);
        p.location.push_back(static_cast<float>(mean + sd * few.corrected_location(at(o.location[0], s))));
        p.scale.push_back(static_cast<float>(sd * few.corrected_scale(at(o.scale[0], s))));
        p.freedom.push_back(at(o.freedom, s));
      }
      break;
    case Likelihood::normal:
    case Likelihood::log_normal:
      for (auto* v : {&p.weights, &p.location, &p.scale}) v->reserve(static_cast<std::size_t>(2 * k));
      for (std::int64_t s = 0; s < k; ++s) {
        const float first = at(o.first_share, s);
        for (int c = 0; c < 2; ++c) {
          Component part{weights[s] * (c == 0 ? first : 1.0F - first), at(o.location[c], s), at(o.scale[c], s)};
          if (o.missing) part = given_missing(part, missing_base[feature], missing_slope[feature]);
          p.weights.push_back(static_cast<float>(part.weight));
          p.location.push_back(static_cast<float>(mean + sd * few.corrected_location(part.location)));
          p.scale.push_back(static_cast<float>(sd * few.corrected_scale(part.scale)));
        }
      }
      if (o.missing) {
        float total = 0;
        for (float w : p.weights) total += w;
        for (float& w : p.weights) w /= std::max(total, 1e-20F);
      }
      break;
    case Likelihood::negative_binomial:
      for (std::int64_t s = 0; s < k; ++s) {
        const auto [expected, dispersion] = corrected_count(few, mean, sd, at(o.log_ratio, s), at(o.dispersion, s));
        p.weights.push_back(weights[s]);
        p.location.push_back(static_cast<float>(expected));
        p.scale.push_back(static_cast<float>(dispersion));
      }
      break;
    case Likelihood::bernoulli: {
      float one = 0;
      for (std::int64_t s = 0; s < k; ++s) one += weights[s] * at(o.probability, s);
      p.class_probabilities = {1.0F - one, one};
      break;
    }
    case Likelihood::categorical:
    case Likelihood::ordinal: {
      p.class_probabilities.assign(static_cast<std::size_t>(layout.category_counts[feature]), 0.0F);
      const std::int64_t stride = o.classes.numel() / layout.categories;
      for (std::size_t c = 0; c < p.class_probabilities.size(); ++c) {
        const float* of_class = o.classes.data_ptr<float>() + static_cast<std::int64_t>(c) * stride;
        for (std::int64_t s = 0; s < k; ++s) p.class_probabilities[c] += weights[s] * of_class[(row * k + s) * f + feature];
      }
      break;
    }
  }
  if (few.corrects()) {
    for (float& c : p.class_probabilities) c = static_cast<float>(few.corrected_probability(c, p.class_probabilities.size()));
  }
  return p;
}

}  // namespace lacuna::model
