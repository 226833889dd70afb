#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/model_version.h"
#include "state/records/schema.h"

namespace lacuna::daemon::testing {

/// Says the same of every gap: numbers are N(7, 1) on their scale, of classes the last is the likeliest; the n-th draw is 10 n.
class AnsweringVersion final : public model::ModelVersion {
 public:
  explicit AnsweringVersion(const Schema& schema) : schema_(schema) {}
  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return 1; }
  std::int64_t parameter_count() const override { return 0; }
  double loss() const override { return 0; }
  Result<std::vector<model::Prediction>> predict(std::span<const model::Query> queries) const override {
    std::vector<model::Prediction> out;
    for (const model::Query& q : queries) {
      model::Prediction p;
      p.features = q.wanted;
      for (const FeatureId f : q.wanted) p.predictive.push_back(said(f));
      out.push_back(std::move(p));
    }
    return out;
  }
  Result<std::vector<model::Samples>> sample(std::span<const model::SampleQuery> queries) const override {
    std::vector<model::Samples> out;
    for (const model::SampleQuery& q : queries) {
      model::Samples s;
      s.features = q.query.wanted;
      for (std::size_t n = 0; n < q.count; ++n) {
        for (const FeatureId f : s.features)
          s.values.push_back(is_discrete(schema_.features()[f].likelihood) ? 1 : 10.0 * static_cast<double>(n));
      }
      out.push_back(std::move(s));
    }
    return out;
  }
  Result<std::vector<std::vector<float>>> codes(std::span<const model::Query>) const override {
    return Status(Code::internal, "not asked");
  }
  model::LearnedFrom learned_from(FeatureId) const override { return {1000, 1000}; }
  model::LearnedFrom learned_from_payload(ModalityId) const override { return {}; }
  std::pair<double, double> moments(FeatureId) const override { return {0, 1}; }

 private:
  model::Predictive said(FeatureId f) const {
    const Feature& feature = schema_.features()[f];
    model::Predictive p;
    p.likelihood = feature.likelihood;
    if (is_discrete(feature.likelihood)) {
      p.class_probabilities.assign(std::max<std::size_t>(feature.categories.size(), 2), 0.0F);
      p.class_probabilities.back() = 0.75F;
      p.class_probabilities.front() = 0.25F;
    } else {
      p.weights = {1};
      p.location = {7};
      p.scale = {1};
    }
    return p;
  }
  const Schema& schema_;
  std::string id_ = "000001-0000cafe";
};

}  // namespace lacuna::daemon::testing
