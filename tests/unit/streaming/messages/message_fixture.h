#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "state/records/schema.h"

// One schema with every likelihood, a modality that is not tabular, and attributes of both sorts.

namespace lacuna::streaming::testing {

inline Feature feature(std::string name, std::string unit, Likelihood likelihood) {
  Feature f;
  f.name = std::move(name);
  f.unit = std::move(unit);
  f.likelihood = likelihood;
  return f;
}

inline Feature feature(std::string name, std::string unit, Likelihood likelihood, double low, double high) {
  Feature f = feature(std::move(name), std::move(unit), likelihood);
  f.low = low;
  f.high = high;
  return f;
}

enum FeatureIndex : FeatureId { kHr, kTemp, kVentilated, kGlucose, kSeizures, kRhythm, kPh, kUnbounded, kEdema };

inline Schema make_schema() {
  std::vector<Schema::ModalitySpec> specs(3);
  specs[0].modality.name = "vitals";
  specs[0].features = {feature("hr", "/min", Likelihood::normal, 1, 350), feature("temp", "Cel", Likelihood::normal, 20, 45),
                       feature("ventilated", "", Likelihood::bernoulli)};
  specs[1].modality.name = "laboratory";
  specs[1].features = {feature("glucose", "mg/dL", Likelihood::log_normal, 0, 2000),
                       feature("seizures", "", Likelihood::negative_binomial, 0, 100),
                       feature("rhythm", "", Likelihood::categorical),
                       feature("ph", "[pH]", Likelihood::normal, 6, 8),
                       feature("unbounded", "", Likelihood::normal),
                       feature("edema", "", Likelihood::ordinal)};
  specs[1].features[2].categories = {"sinus", "atrial fibrillation", "paced \"x\"\n"};
  specs[1].features[5].categories = {"none", "mild", "severe"};
  specs[2].modality.name = "chest_film";
  specs[2].modality.kind = ModalityKind::image;
  specs[2].modality.payload.height = specs[2].modality.payload.width = 4;
  Attribute age;
  age.name = "age";
  age.unit = "a";
  age.low = 0;
  age.high = 130;
  Attribute sex;
  sex.name = "sex";
  sex.categories = {"female", "male"};
  auto made = Schema::make(std::move(specs), {age, sex});
  if (!made.ok()) throw std::logic_error(made.status().message());
  return *made;
}

inline Time at(const char* text) { return parse_rfc3339(text).value(); }
inline Time now() { return at("2026-01-02T00:00:00Z"); }

}  // namespace lacuna::streaming::testing
