#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "state/records/counter_random.h"
#include "state/records/records.h"
#include "state/records/scale.h"

// A schema with every likelihood, two kinds of payloads and attributes, the changes that it may live through, and patients under it.

namespace lacuna::model::testing {

struct Declared {
  std::vector<Schema::ModalitySpec> modalities;
  std::vector<Attribute> attributes;
  Schema schema() const { return Schema::make(modalities, attributes).value(); }
};

inline Feature feature_of(const char* name, Likelihood likelihood, const char* unit = "", std::vector<std::string> categories = {}) {
  Feature f;
  f.name = name;
  f.likelihood = likelihood;
  f.unit = unit;
  f.categories = std::move(categories);
  return f;
}

inline Modality modality_of(const char* name, ModalityKind kind = ModalityKind::tabular) {
  Modality m;
  m.name = name;
  m.kind = kind;
  m.payload.height = m.payload.width = 4;
  m.payload.length = 6;
  m.payload.vocabulary_size = 10;
  return m;
}

inline Attribute attribute_of(const char* name, const char* unit, std::vector<std::string> categories = {}) {
  Attribute a;
  a.name = name;
  a.unit = unit;
  a.categories = std::move(categories);
  return a;
}

inline Declared declared() {
  Declared d;
  d.modalities = {
      {modality_of("vitals"),
       {feature_of("hr", Likelihood::normal, "/min"), feature_of("temp", Likelihood::normal, "Cel"),
        feature_of("map", Likelihood::student_t, "mm[Hg]")}},
      {modality_of("film", ModalityKind::image), {}},
      {modality_of("lab"),
       {feature_of("glucose", Likelihood::log_normal, "mmol/L"), feature_of("cells", Likelihood::negative_binomial),
        feature_of("lactate", Likelihood::log_normal, "mmol/L")}},
      {modality_of("notes"),
       {feature_of("tube", Likelihood::bernoulli), feature_of("rhythm", Likelihood::categorical, "", {"sinus", "afib", "paced"}),
        feature_of("pain", Likelihood::ordinal, "", {"none", "mild", "severe"})}},
      {modality_of("report", ModalityKind::text), {}},
  };
  d.attributes = {attribute_of("weight", "kg"), attribute_of("ward", "", {"a", "b", "c"})};
  return d;
}

/// By name, anywhere in it.
inline Feature& feature_in(Declared& d, const std::string& name) {
  for (auto& modality : d.modalities) {
    for (Feature& f : modality.features) {
      if (f.name == name) return f;
    }
  }
  throw std::logic_error("no feature " + name);
}

/// A change, and what begins anew by it although it has the name of something that was there.
struct Change {
  const char* name;
  std::function<void(Declared&)> make;
  std::set<std::string> anew{};
};

inline std::vector<Change> changes() {
  using D = Declared&;
  const auto added = [](const char* name) { return feature_of(name, Likelihood::normal); };
  const auto reverse = [](auto& all) { std::reverse(all.begin(), all.end()); };
  return {
      {"nothing", [](D) {}},
      {"feature in front", [=](D d) { d.modalities[0].features.insert(d.modalities[0].features.begin(), added("spo2")); }},
      {"feature at the end", [=](D d) { d.modalities[3].features.push_back(added("gcs")); }},
      {"feature that makes another modality the widest",
       [=](D d) {
         for (const char* name : {"crea", "urea", "ast"}) d.modalities[2].features.push_back(added(name));
       }},
      {"class feature with more classes than any",
       [](D d) {
         d.modalities[0].features.push_back(
             feature_of("colour", Likelihood::categorical, "", {"1", "2", "3", "4", "5", "6", "7", "8", "9"}));
       }},
      {"feature gone", [](D d) { d.modalities[0].features.erase(d.modalities[0].features.begin() + 1); }},
      {"ordinal feature gone", [](D d) { d.modalities[3].features.pop_back(); }},
      {"ordinal feature in front",
       [](D d) {
         d.modalities[0].features.insert(d.modalities[0].features.begin(),
                                         feature_of("gcs", Likelihood::ordinal, "", {"3", "4", "5", "6"}));
       }},
      {"features in another order",
       [=](D d) {
         for (auto& m : d.modalities) reverse(m.features);
       }},
      {"feature moved to another modality",
       [](D d) {
         d.modalities[2].features.push_back(d.modalities[0].features.back());
         d.modalities[0].features.pop_back();
       }},
      {"modality in front",
       [=](D d) {
         d.modalities.insert(d.modalities.begin(), {modality_of("urine"), {added("output")}});
       }},
      {"modality gone", [](D d) { d.modalities.erase(d.modalities.begin() + 2); }},
      {"modalities in another order", [=](D d) { reverse(d.modalities); }},
      {"payload modality in front",
       [](D d) {
         d.modalities.insert(d.modalities.begin(), {modality_of("ecg", ModalityKind::signal), {}});
       }},
      {"payload modality gone", [](D d) { d.modalities.erase(d.modalities.begin() + 1); }},
      {"all payload modalities gone",
       [](D d) {
         d.modalities.erase(d.modalities.begin() + 4);
         d.modalities.erase(d.modalities.begin() + 1);
       }},
      {"attribute in front",
       [](D d) {
         d.attributes.insert(d.attributes.begin(), attribute_of("sex", "", {"f", "m"}));
       }},
      {"attribute gone", [](D d) { d.attributes.erase(d.attributes.begin()); }},
      {"attributes in another order", [=](D d) { reverse(d.attributes); }},
      {"attribute's category in front", [](D d) { d.attributes[1].categories.insert(d.attributes[1].categories.begin(), "icu"); }},
      {"attribute's category gone", [](D d) { d.attributes[1].categories.erase(d.attributes[1].categories.begin()); }},
      {"attribute's unit", [](D d) { d.attributes[0].unit = "g"; }},
      {"attribute becomes a category",
       [](D d) {
         d.attributes[0].categories = {"light", "heavy"};
       },
       {"weight"}},
      {"category in the middle",
       [](D d) {
         auto& classes = feature_in(d, "rhythm").categories;
         classes.insert(classes.begin() + 1, "flutter");
       }},
      {"categories in another order", [=](D d) { reverse(feature_in(d, "rhythm").categories); }},
      {"category gone", [](D d) { feature_in(d, "rhythm").categories.erase(feature_in(d, "rhythm").categories.begin()); }},
      {"ordinal category at the end", [](D d) { feature_in(d, "pain").categories.push_back("unbearable"); }},
      {"ordinal category in front",
       [](D d) {
         auto& classes = feature_in(d, "pain").categories;
         classes.insert(classes.begin(), "asleep");
       }},
      {"ordinal category in the middle",
       [](D d) {
         auto& classes = feature_in(d, "pain").categories;
         classes.insert(classes.begin() + 2, "moderate");
       }},
      {"ordinal category gone", [](D d) { feature_in(d, "pain").categories.erase(feature_in(d, "pain").categories.begin() + 1); }},
      {"unit of a normal feature", [](D d) { feature_in(d, "temp").unit = "[degF]"; }},
      {"unit of a log-normal feature", [](D d) { feature_in(d, "glucose").unit = "mg/dL"; }},
      {"unit of a heavy-tailed feature, and order",
       [=](D d) {
         feature_in(d, "map").unit = "kPa";
         reverse(d.modalities[0].features);
       }},
      {"unit that is the same", [](D d) { feature_in(d, "hr").unit = "{beats}/min"; }},
      {"unit that does not convert", [](D d) { feature_in(d, "hr").unit = "kg"; }, {"vitals.hr"}},
      {"likelihood", [](D d) { feature_in(d, "lactate").likelihood = Likelihood::normal; }, {"lab.lactate"}},
      {"range and staleness",
       [](D d) {
         feature_in(d, "hr").low = 10;
         feature_in(d, "hr").high = 400;
         feature_in(d, "hr").stale_after = std::chrono::minutes(5);
         d.modalities[2].modality.stale_after = std::chrono::hours(3);
       }},
  };
}

/// Patients of whom one hidden number shows in everything; each thing is known of them, or arrives, by chance.
class GrowingWard {
 public:
  explicit GrowingWard(std::uint64_t seed) : schema_(declared().schema()), random_(seed) {}

  Example next() {
    const double a = normal();
    Example e;
    e.time = Time(std::chrono::hours(24 * 365 * 50));
    Snapshot& s = e.before;
    s.first_time = e.time - std::chrono::hours(9);
    s.last_time = e.time - std::chrono::hours(1);
    s.event_count = 7;
    s.features.resize(schema_.feature_count());
    s.modalities.resize(schema_.modality_count());
    s.attributes = {static_cast<float>(75 + 10 * a), static_cast<float>(random_.below(3))};
    if (random_.unit() < 0.2) s.attributes[random_.below(2)].reset();
    for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
      if (random_.unit() < 0.6) s.features[f] = state(f, a, e.time);
      if (random_.unit() < 0.5) e.arrived.push_back({f, value(f, a)});
    }
    for (ModalityId m = 0; m < schema_.modality_count(); ++m) {
      if (schema_.modalities()[m].kind == ModalityKind::tabular) continue;
      if (random_.unit() < 0.6) s.modalities[m] = {s.last_time, 1, payload(m, a)};
      if (random_.unit() < 0.5) e.arrived_payloads.push_back({m, payload(m, a)});
    }
    return e;
  }
  std::vector<Example> take(std::size_t count) {
    std::vector<Example> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(next());
    return out;
  }

 private:
  double normal() {
    float pair[2];
    random_.normals(pair);
    return pair[0];
  }
  double value(FeatureId f, double a) {
    const double x = a + 0.3 * normal();
    switch (schema_.features()[f].likelihood) {
      case Likelihood::normal: return schema_.features()[f].name == "temp" ? 37 + x : 80 + 12 * x;
      case Likelihood::student_t: return 85 + 15 * x;
      case Likelihood::log_normal: return std::exp(1.2 + 0.5 * x);
      case Likelihood::negative_binomial: return std::floor(8 * std::exp(0.4 * x));
      case Likelihood::bernoulli: return x > 0 ? 1 : 0;
      case Likelihood::categorical:
      case Likelihood::ordinal: return x > 0.5 ? 2 : x > -0.5 ? 1 : 0;
    }
    return 0;
  }
  FeatureState state(FeatureId f, double a, Time now) {
    const Likelihood likelihood = schema_.features()[f].likelihood;
    FeatureState s;
    s.last = value(f, a);
    s.time = now - std::chrono::minutes(20 + static_cast<int>(random_.below(300)));
    s.count = 1 + static_cast<std::uint32_t>(random_.below(5));
    // Means over class numbers do not outlive a change of them.
    const bool classes = is_discrete(likelihood);
    const auto around = [&] { return static_cast<float>(to_scale(likelihood, classes ? s.last : value(f, a))); };
    s.mean_short = around();
    s.mean_long = around();
    s.previous = around();
    s.slope = classes ? 0 : static_cast<float>(0.1 * normal());
    return s;
  }
  PayloadRef payload(ModalityId m, double a) {
    Payload out;
    const Modality& modality = schema_.modalities()[m];
    if (modality.kind == ModalityKind::text) out.text = a > 0 ? "high and rising" : "low and falling";
    for (std::size_t i = 0; i < modality.payload.value_count(modality.kind); ++i) {
      out.values.push_back(static_cast<float>(100 + 20 * a + 5 * normal()));
    }
    return PayloadRef(std::move(out));
  }

  Schema schema_;
  CounterRandom random_;
};

}  // namespace lacuna::model::testing
