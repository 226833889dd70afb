#pragma once

#include <cmath>
#include <vector>

#include "model/encoding.h"
#include "state/records/counter_random.h"
#include "state/records/records.h"
#include "state/records/scale.h"

// A small source of patients for the learner's tests: two hidden numbers a patient drift slowly, and every
// feature of every modality is a noisy function of them, so that any modality says something of any other.
// All likelihoods occur.

namespace lacuna::model::testing {

inline Schema synthetic_schema() {
  const auto feature = [](const char* name, Likelihood likelihood, std::vector<std::string> categories = {}) {
    Feature f;
    f.name = name;
    f.likelihood = likelihood;
    f.categories = std::move(categories);
    return f;
  };
  const auto modality = [](const char* name) {
    Modality m;
    m.name = name;
    return m;
  };
  Attribute age, ward;
  age.name = "age";
  ward.name = "ward";
  ward.categories = {"a", "b", "c"};
  return Schema::make({{modality("vitals"), {feature("hr", Likelihood::normal), feature("rr", Likelihood::normal)}},
                       {modality("lab"),
                        {feature("crea", Likelihood::log_normal), feature("lactate", Likelihood::log_normal),
                         feature("cells", Likelihood::negative_binomial)}},
                       {modality("notes"),
                        {feature("tube", Likelihood::bernoulli), feature("state", Likelihood::categorical, {"low", "middle", "high"})}},
                       {modality("never"), {feature("rare", Likelihood::normal)}}},
                      {age, ward})
      .value();
}

inline constexpr FeatureId kHr = 0, kRr = 1, kCrea = 2, kLactate = 3, kCells = 4, kTube = 5, kState = 6, kRare = 7;
inline constexpr ModalityId kVitals = 0, kLab = 1, kNotes = 2, kNever = 3;

/// Patients in turn: next() measures one modality of one of them.
class SyntheticWard {
 public:
  explicit SyntheticWard(std::uint64_t seed, std::size_t beds = 40) : schema_(synthetic_schema()), random_(seed), beds_(beds) {
    for (Bed& bed : beds_) admit(bed);
  }

  Example next() {
    now_ += std::chrono::minutes(1);
    Bed& bed = beds_[random_.below(beds_.size())];
    if (bed.snapshot.event_count >= 12) admit(bed);
    for (double& s : bed.state) s = 0.995 * s + 0.1 * normal();
    Example example{bed.snapshot, now_, {}};
    const auto modality = static_cast<ModalityId>(random_.below(3));
    for (const FeatureValue& v : measure(bed)) {
      if (schema_.features()[v.feature].modality == modality && random_.unit() < 0.9) example.arrived.push_back(v);
    }
    apply(bed.snapshot, example);
    return example;
  }

  std::vector<Example> take(std::size_t count) {
    std::vector<Example> examples;
    for (std::size_t i = 0; i < count; ++i) examples.push_back(next());
    return examples;
  }

  const Schema& schema() const { return schema_; }

 private:
  struct Bed {
    Snapshot snapshot;
    double state[2] = {0, 0};
  };

  double normal() {
    float pair[2];
    random_.normals(pair);
    return pair[0];
  }

  void admit(Bed& bed) {
    bed = {};
    for (double& s : bed.state) s = normal();
    bed.snapshot.features.resize(schema_.feature_count());
    bed.snapshot.modalities.resize(schema_.modality_count());
    bed.snapshot.attributes = {static_cast<float>(60 + 10 * normal()), static_cast<float>(random_.below(3))};
  }

  std::vector<FeatureValue> measure(const Bed& bed) {
    const double a = bed.state[0], b = bed.state[1];
    const auto cells = std::floor(8.0 * std::exp(0.5 * a + 0.2 * normal()));
    const double class_index = b > 0.6 ? 2 : b > -0.6 ? 1 : 0;
    return {{kHr, 80 + 12 * (a + 0.2 * normal())},
            {kRr, 18 + 4 * (b + 0.2 * normal())},
            {kCrea, std::exp(0.4 * (a + b) + 0.1 * normal())},
            {kLactate, std::exp(0.5 + 0.5 * (a - b) + 0.1 * normal())},
            {kCells, cells},
            {kTube, random_.unit() < 1 / (1 + std::exp(-3 * a)) ? 1.0 : 0.0},
            {kState, class_index}};
  }

  void apply(Snapshot& snapshot, const Example& example) {
    if (snapshot.event_count == 0) snapshot.first_time = example.time;
    snapshot.last_time = example.time;
    ++snapshot.event_count;
    for (const FeatureValue& v : example.arrived) {
      FeatureState& f = snapshot.features[v.feature];
      const auto scaled = static_cast<float>(to_scale(schema_.features()[v.feature].likelihood, v.value));
      f.previous = f.count == 0 ? scaled : static_cast<float>(to_scale(schema_.features()[v.feature].likelihood, f.last));
      f.mean_short = f.mean_long = f.count == 0 ? scaled : 0.5F * (f.mean_long + scaled);
      f.last = v.value;
      f.time = example.time;
      ++f.count;
    }
  }

  Schema schema_;
  CounterRandom random_;
  std::vector<Bed> beds_;
  Time now_{std::chrono::hours(24 * 365 * 50)};
};

}  // namespace lacuna::model::testing
