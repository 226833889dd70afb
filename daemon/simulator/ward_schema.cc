#include "daemon/simulator/ward_schema.h"

#include <cassert>
#include <string_view>

namespace lacuna::daemon {

namespace {

using std::chrono::hours;
using enum Likelihood;

struct WardModality {
  const char* name;
  Millis stale_after;
};
constexpr std::array<WardModality, 7> kModalities{{{"vitals", hours(2)},
                                                   {"blood_gas", hours(10)},
                                                   {"chemistry", hours(30)},
                                                   {"haematology", hours(30)},
                                                   {"liver", hours(48)},
                                                   {"neuro", hours(8)},
                                                   {"support", hours(12)}}};

// Factors: severity, infection, respiratory, renal, hepatic, pressure. Loads, habit and noise make a variance of about one
// together, of which the factors explain a half to three quarters: that much a model can learn from the other modalities.
constexpr std::array<WardFeature, kWardFeatureCount> kFeatures{{
    {"vitals", "hr", "/min", normal, 20, 250, 88, 16, {.55, .45, .15, 0, 0, -.20}, .40, .40, .10, 1, .99},
    {"vitals", "resp_rate", "/min", normal, 3, 80, 19, 4.5, {.15, .30, .70, 0, 0, 0}, .30, .45, .05, 1, .97},
    {"vitals", "sbp", "mm[Hg]", normal, 30, 280, 122, 19, {-.55, -.15, 0, .15, 0, .60}, .35, .35, .10, 1, .97},
    {"vitals", "dbp", "mm[Hg]", normal, 15, 180, 64, 11, {-.45, -.20, 0, .05, 0, .65}, .35, .40, .10, 1, .97},
    {"vitals", "temp", "Cel", normal, 28, 44, 37.2, .7, {.05, .80, 0, -.10, 0, 0}, .20, .45, .25, .1, .45},
    {"vitals", "spo2", "%", normal, 50, 100, 95.5, 2.1, {-.15, -.10, -.75, 0, 0, 0}, .30, .45, 0, 1, .98},
    {"blood_gas", "ph", "[pH]", normal, 6.6, 7.9, 7.37, .07, {-.45, -.10, -.45, -.45, 0, 0}, .20, .40, 0, .01, 1},
    {"blood_gas", "paco2", "mm[Hg]", normal, 8, 150, 41, 8.5, {.05, -.15, .75, -.20, 0, 0}, .35, .40, 0, 1, .98},
    {"blood_gas", "pao2", "mm[Hg]", log_normal, 20, 650, 4.55, .32, {-.10, -.10, -.75, 0, 0, 0}, .25, .50, 0, 1, .98},
    {"blood_gas", "lactate", "mmol/L", log_normal, .1, 30, 1.05, .42, {.75, .25, .05, .10, .20, -.15}, .20, .40, 0, .1, .80},
    {"chemistry", "na", "mmol/L", normal, 100, 190, 139, 4.5, {.15, 0, 0, -.50, -.35, 0}, .60, .40, 0, 1, 1},
    {"chemistry", "k", "mmol/L", normal, 1.5, 9, 4.2, .55, {.10, 0, .15, .70, 0, 0}, .35, .45, 0, .1, 1},
    {"chemistry", "creatinine", "mg/dL", log_normal, .1, 20, .85, .38, {.10, 0, 0, .88, 0, 0}, .35, .20, 0, .1, .98},
    {"chemistry", "bun", "mg/dL", log_normal, 1, 250, 3.15, .55, {.20, .10, 0, .80, -.10, 0}, .40, .25, 0, 1, .98},
    {"chemistry", "glucose", "mg/dL", log_normal, 15, 1200, 4.95, .30, {.40, .35, 0, .10, -.20, 0}, .50, .50, .05, 1, .95},
    {"haematology", "hb", "g/dL", normal, 3, 22, 10.4, 1.7, {-.35, -.20, 0, -.45, -.10, 0}, .60, .30, 0, .1, 1},
    {"haematology", "wbc", "10*3/uL", log_normal, .1, 200, 2.45, .42, {.15, .80, 0, 0, -.10, 0}, .35, .30, 0, .1, .97},
    {"haematology", "platelets", "10*3/uL", log_normal, 2, 1500, 5.25, .48, {-.35, -.10, 0, -.05, -.60, 0}, .60, .25, 0, 1, .97},
    {"liver", "alt", "U/L", log_normal, 1, 15000, 3.8, .90, {.30, .05, 0, 0, .80, 0}, .30, .30, 0, 1, 1},
    {"liver", "bilirubin", "mg/dL", log_normal, .1, 60, .75, .50, {.10, .20, 0, 0, .80, 0}, .35, .30, 0, .1, .92},
    {"neuro", "gcs", "", normal, 3, 15, 12.4, 3.0, {-.75, -.15, -.20, 0, -.20, 0}, .35, .35, 0, 1, .97},
    {"neuro", "consciousness", "", categorical, 0, 3, 0, 1, {.70, .15, .25, 0, .20, 0}, .35, .35, 0, 0, .90},
    {"support", "ventilated", "", bernoulli, 0, 1, 0, 1, {.45, .10, .70, 0, 0, 0}, .35, .25, 0, 0, 1},
    {"support", "suctions", "", negative_binomial, 0, 60, .70, .75, {.20, .25, .75, 0, 0, 0}, .30, .35, 0, 0, .85},
}};

}  // namespace

const std::array<WardFeature, kWardFeatureCount>& ward_features() { return kFeatures; }

Schema ward_schema() {
  std::vector<Schema::ModalitySpec> specs;
  for (const WardModality& m : kModalities) {
    Schema::ModalitySpec spec;
    spec.modality.name = m.name;
    spec.modality.stale_after = m.stale_after;
    for (const WardFeature& f : kFeatures) {
      if (std::string_view(f.modality) != m.name) continue;
      Feature feature;
      feature.name = f.name;
      feature.unit = f.unit;
      feature.likelihood = f.likelihood;
      if (!is_discrete(f.likelihood)) {
        feature.low = f.low;
        feature.high = f.high;
      }
      if (f.likelihood == categorical) feature.categories = {"alert", "voice", "pain", "unresponsive"};
      spec.features.push_back(std::move(feature));
    }
    specs.push_back(std::move(spec));
  }
  std::vector<Attribute> attributes(3);
  attributes[0].name = "age";
  attributes[0].unit = "a";
  attributes[0].low = 0;
  attributes[0].high = 120;
  attributes[1].name = "sex";
  attributes[1].categories = {"female", "male"};
  attributes[1].subgroup = true;
  attributes[2].name = "ward";
  attributes[2].categories = {"medical", "surgical", "cardiac", "neurological"};
  attributes[2].subgroup = true;
  return Schema::make(std::move(specs), std::move(attributes)).value();
}

}  // namespace lacuna::daemon
