// Goal: a change of the schema silences no detector and wakes none. What is watched of what stays has the evidence, alerts and mutes that
// it had and finds the next change when it would have found it; what is new learns first; what is gone leaves no open alert. Method: one
// stream, told by names, into a monitor that keeps the schema and into one that carries the first one's bytes over, for each kind of
// change.
#include "model/drift/monitor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "state/records/units.h"

namespace lacuna::drift {
namespace {

constexpr int kShift = 100, kReturn = 116, kEnd = 140;  // hours, of a shift in vitals.hr

struct Draft {
  std::vector<Schema::ModalitySpec> modalities;
  std::vector<Attribute> attributes;
};

Feature feature(const char* name, const char* unit, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.likelihood = likelihood;
  return f;
}

Schema::ModalitySpec modality(const char* name, std::vector<Feature> features) {
  Schema::ModalitySpec spec;
  spec.modality.name = name;
  spec.features = std::move(features);
  return spec;
}

Attribute classes(const char* name, std::vector<std::string> categories, bool subgroup) {
  Attribute a;
  a.name = name;
  a.categories = std::move(categories);
  a.subgroup = subgroup;
  return a;
}

Draft base() {
  Draft d;
  d.modalities = {modality("vitals", {feature("hr", "/min"), feature("temp", "Cel"), feature("avpu", "", Likelihood::categorical)}),
                  modality("blood_gas", {feature("ph", "[pH]"), feature("lactate", "mmol/L", Likelihood::log_normal)}),
                  modality("chemistry", {feature("glucose", "mg/dL", Likelihood::log_normal), feature("sodium", "mmol/L")})};
  d.modalities[0].features[2].categories = {"alert", "voice", "pain"};
  d.attributes = {classes("ward", {"a", "b", "c"}, true), classes("sex", {"female", "male"}, true)};
  return d;
}

Schema make(const Draft& d) {
  auto made = Schema::make(d.modalities, d.attributes);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

SchemaMapping mapping(const Schema& from, const Schema& to) {
  auto made = SchemaMapping::make(from, to);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");

/// What arrived, in the words and units of base(): classes by name, numbers as numbers.
struct Value {
  std::string feature, name;
  double number = 0;
  double z = 0, error = 0;
  bool missed = false;
};
struct Item {
  std::string patient, site, modality;
  Time time;
  std::vector<Value> values;
  std::map<std::string, std::string> attributes;
};

std::vector<Item> stream(const std::string& shifted = "hr", std::uint64_t seed = 3) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  const std::map<std::string, std::vector<std::string>> features = {
      {"vitals", {"hr", "temp", "avpu"}}, {"blood_gas", {"ph", "lactate"}}, {"chemistry", {"glucose", "sodium"}}};
  const std::map<std::string, double> rates = {{"vitals", 0.95}, {"blood_gas", 0.3}, {"chemistry", 0.15}};
  const std::map<std::string, double> means = {{"hr", 80}, {"temp", 37}, {"ph", 7.4}, {"lactate", 2}, {"glucose", 120}, {"sodium", 140}};
  struct Bed {
    std::string patient;
    int leaves = 0;
    std::map<std::string, std::string> attributes;
  };
  std::vector<Bed> beds(60);
  std::vector<Item> out;
  int patients = 0;
  for (int hour = 0; hour < kEnd; ++hour) {
    for (std::size_t b = 0; b < beds.size(); ++b) {
      Bed& bed = beds[b];
      if (hour >= bed.leaves) {
        bed.patient = "p" + std::to_string(patients++);
        bed.leaves = hour + 12 + static_cast<int>(30 * uniform(random));
        bed.attributes = {{"ward", std::string(1, "abc"[random() % 3])}, {"sex", random() % 2 == 0 ? "female" : "male"}};
      }
      for (const auto& [name, rate] : rates) {
        if (uniform(random) >= rate) continue;
        const double when = hour + (static_cast<double>(b) + uniform(random)) / 60;
        Item item{bed.patient,   b % 2 == 0 ? "east" : "west", name, kStart + Millis(static_cast<std::int64_t>(when * 3.6e6)), {},
                  bed.attributes};
        for (const std::string& f : features.at(name)) {
          if (uniform(random) < 0.1) continue;
          Value v{f, f == "avpu" ? std::array{"alert", "voice", "pain"}[std::min<std::size_t>(random() % 5, 2)] : "", 0, 0, 0, false};
          v.z = normal(random) + (f == shifted && hour >= kShift && hour < kReturn ? 2 : 0);
          v.error = 0.7 * std::abs(v.z);
          v.missed = std::abs(v.z) > 1.645;
          if (v.name.empty()) v.number = means.at(f) * (1 + 0.05 * v.z);
          item.values.push_back(std::move(v));
        }
        out.push_back(std::move(item));
      }
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Item& a, const Item& b) { return a.time < b.time; });
  return out;
}

std::optional<double> class_of(const std::vector<std::string>& categories, const std::string& name) {
  const auto at = std::find(categories.begin(), categories.end(), name);
  return at == categories.end() ? std::nullopt : std::optional(static_cast<double>(at - categories.begin()));
}

/// The value under `schema`; empty where the schema does not have it.
std::optional<FeatureValue> value_under(const Schema& schema, const std::string& modality, const Value& v) {
  const auto f = schema.find_feature(schema.find_modality(modality), v.feature);
  if (!f) return std::nullopt;
  const Feature& here = schema.features()[*f];
  if (!v.name.empty()) {
    const auto index = class_of(here.categories, v.name);
    return index ? std::optional(FeatureValue{*f, *index}) : std::nullopt;
  }
  static const Schema there = make(base());
  const Feature& was = there.features()[*there.find_feature(there.find_modality(modality), v.feature)];
  const auto unit = unit_conversion(v.feature, was.unit, here.unit).value_or(UnitConversion{});
  return FeatureValue{*f, unit.factor * v.number + unit.offset};
}

/// What of the hours [from, to) both schemas know.
std::vector<Item> both_know(const std::vector<Item>& items, double from, double to, const Schema& one, const Schema& two) {
  std::vector<Item> out;
  for (const Item& i : items) {
    const double hour = hours_between(kStart, i.time);
    if (hour < from || hour >= to) continue;
    if (one.find_modality(i.modality) == kNoModality || two.find_modality(i.modality) == kNoModality) continue;
    Item& kept = out.emplace_back(i);
    std::erase_if(kept.values, [&](const Value& v) { return !value_under(one, i.modality, v) || !value_under(two, i.modality, v); });
    std::erase_if(kept.attributes, [&](const auto& a) {
      for (const Schema* s : {&one, &two}) {
        const auto at = s->find_attribute(a.first);
        if (!at || !class_of(s->attributes()[*at].categories, a.second)) return true;
      }
      return false;
    });
  }
  return out;
}

std::vector<Alert> feed(Monitor& monitor, const Schema& schema, const std::vector<Item>& items, bool take = true) {
  std::vector<Alert> out;
  for (const Item& i : items) {
    std::vector<FeatureValue> values;
    std::vector<AttributeValue> attributes;
    std::vector<std::optional<float>> snapshot(schema.attributes().size());
    for (const auto& [name, category] : i.attributes) {
      const auto a = static_cast<std::uint32_t>(*schema.find_attribute(name));
      const double index = *class_of(schema.attributes()[a].categories, category);
      attributes.push_back({a, static_cast<float>(index)});
      snapshot[a] = static_cast<float>(index);
    }
    for (const Value& v : i.values) values.push_back(*value_under(schema, i.modality, v));
    monitor.observe(Arrival{i.patient, i.site, schema.find_modality(i.modality), i.time, values, attributes});
    for (std::size_t k = 0; k < values.size(); ++k) {
      const Value& v = i.values[k];
      monitor.observe(Scored{i.patient, values[k].feature, i.time, v.z, v.missed, v.error, snapshot, values[k].value});
    }
    monitor.observe(i.values.size() == 1 ? RecordFate::duplicate : RecordFate::applied);
    monitor.advance(i.time);
    if (monitor.code_due(i.patient, i.time)) monitor.observe_reference(i.time);
    if (!take) continue;
    for (Alert& a : monitor.take_alerts()) out.push_back(std::move(a));
  }
  return out;
}

/// Thresholds at their floor, so that they do not depend on how much is watched.
MonitorOptions options() {
  MonitorOptions o;
  o.false_per_month = 1e9;
  o.learning_updates_min = 110;
  o.latent_dimensions = 3;
  return o;
}

using Views = std::map<std::string, SubjectView>;
Views views(const Monitor& monitor) {
  Views out;
  for (SubjectView& v : monitor.subjects()) out.emplace(v.kind + "/" + v.subject, v);
  return out;
}

/// Sums over bets and classes that changed places, and converted moments, end in other last digits.
void expect_alike(const SubjectView& a, const SubjectView& b) {
  SCOPED_TRACE(a.kind + "/" + a.subject);
  const double apart = a.kind == "mix" || a.kind == "pattern" || a.kind == "distribution" ? 1e-9 : 0;
  const auto near = [apart](double x, double y) { return x == y || std::abs(x - y) <= apart * std::max(1.0, std::abs(x)); };
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.updates, b.updates);
  EXPECT_TRUE(near(a.expected, b.expected)) << a.expected << " " << b.expected;
  EXPECT_TRUE(near(a.recent, b.recent)) << a.recent << " " << b.recent;
  EXPECT_TRUE(near(a.log_evidence, b.log_evidence)) << a.log_evidence << " " << b.log_evidence;
  EXPECT_EQ(a.log_threshold, b.log_threshold);
  EXPECT_EQ(a.muted_until, b.muted_until);
  EXPECT_EQ(a.since, b.since);
  ASSERT_EQ(a.effects.size(), b.effects.size());
  for (std::size_t i = 0; i < a.effects.size(); ++i) {
    EXPECT_EQ(a.effects[i].name, b.effects[i].name);
    EXPECT_TRUE(near(a.effects[i].value, b.effects[i].value)) << a.effects[i].name;
  }
}

struct Case {
  const char* name;
  std::function<void(Draft&)> change;
  /// "kind/subject" of what does not go on: it is gone, or begins anew.
  std::function<bool(const std::string&)> ends = [](const std::string&) { return false; };
  bool exact_back = true;  ///< the change and its reverse give the same bytes
};

bool about(const std::string& name, const char* what) { return name.find(what) != std::string::npos; }

template <typename... Words>
std::function<bool(const std::string&)> any_of(Words... words) {
  return [=](const std::string& name) { return (about(name, words) || ...); };
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"a feature in front", [](Draft& d) { d.modalities[0].features.insert(d.modalities[0].features.begin(), feature("spo2", "%")); }},
      {"a feature gone", [](Draft& d) { d.modalities[0].features.erase(d.modalities[0].features.begin() + 1); }, any_of("vitals.temp"),
       false},
      {"all but one feature gone", [](Draft& d) { d.modalities[1].features.pop_back(); },
       any_of("blood_gas.lactate", "measured/blood_gas.ph"), false},
      {"a modality in front",
       [](Draft& d) {
         d.modalities.insert(d.modalities.begin(), modality("urine", {feature("volume", "mL"), feature("rate", "mL/h")}));
       },
       any_of("pattern/"), false},
      {"a modality gone", [](Draft& d) { d.modalities.erase(d.modalities.begin() + 1); }, any_of("/blood_gas", "pattern/"), false},
      {"modalities and features in another order",
       [](Draft& d) {
         std::rotate(d.modalities.begin(), d.modalities.begin() + 1, d.modalities.end());
         for (auto& m : d.modalities) std::reverse(m.features.begin(), m.features.end());
       }},
      {"an attribute in front",
       [](Draft& d) {
         d.attributes.insert(d.attributes.begin(), classes("unit", {"x", "y"}, true));
       }},
      {"an attribute gone", [](Draft& d) { d.attributes.erase(d.attributes.begin()); }, any_of("mix/ward", " ward="), false},
      {"attributes in another order", [](Draft& d) { std::swap(d.attributes[0], d.attributes[1]); }},
      {"an attribute is a number now", [](Draft& d) { d.attributes[1].categories.clear(), d.attributes[1].subgroup = false; },
       any_of("mix/sex", " sex="), false},
      {"a category of an attribute in front", [](Draft& d) { d.attributes[0].categories.insert(d.attributes[0].categories.begin(), "z"); },
       any_of("mix/ward"), false},
      {"a category of an attribute gone", [](Draft& d) { d.attributes[0].categories.erase(d.attributes[0].categories.begin()); },
       any_of("mix/ward", " ward=a"), false},
      {"categories of an attribute in another order",
       [](Draft& d) {
         std::rotate(d.attributes[0].categories.begin(), d.attributes[0].categories.begin() + 1, d.attributes[0].categories.end());
       }},
      {"a class of a feature in front",
       [](Draft& d) {
         auto& c = d.modalities[0].features[2].categories;
         c.insert(c.begin(), "unresponsive");
       },
       any_of("mix/vitals.avpu"), false},
      {"a class of a feature gone",
       [](Draft& d) { d.modalities[0].features[2].categories.erase(d.modalities[0].features[2].categories.begin() + 1); },
       any_of("mix/vitals.avpu"), false},
      {"classes of a feature in another order",
       [](Draft& d) {
         auto& c = d.modalities[0].features[2].categories;
         std::rotate(c.begin(), c.begin() + 1, c.end());
       }},
      {"a unit of a normal feature", [](Draft& d) { d.modalities[0].features[1].unit = "[degF]"; },
       [](const std::string&) { return false; }, false},
      {"a unit of a log-normal feature", [](Draft& d) { d.modalities[2].features[0].unit = "mmol/L"; },
       any_of("distribution/chemistry.glucose"), false},
      {"a unit that does not convert", [](Draft& d) { d.modalities[0].features[1].unit = "kg"; }, any_of("vitals.temp"), false},
      {"a likelihood", [](Draft& d) { d.modalities[0].features[1].likelihood = Likelihood::student_t; }, any_of("vitals.temp"), false},
      {"a range and a staleness limit",
       [](Draft& d) {
         d.modalities[0].features[1].low = 30;
         d.modalities[0].modality.stale_after = Millis(1000);
       }},
  };
  return all;
}

/// Subjects of what stays are alike; others, under the schema that has grown, are those of a monitor that has seen nothing.
void expect_carried(const Monitor& kept, const Monitor& grown, const Case& c, const Schema& to) {
  const Views was = views(kept), is = views(grown), fresh = views(Monitor(to, options()));
  std::size_t stay = 0;
  for (const auto& [name, view] : is) {
    const auto before = was.find(name);
    if (before != was.end() && !c.ends(name)) {
      expect_alike(before->second, view);
      stay += 1;
    } else if (fresh.contains(name)) {
      expect_alike(fresh.at(name), view);
    } else {
      EXPECT_EQ(view.updates, 0u) << name;
    }
  }
  for (const auto& [name, view] : was) EXPECT_TRUE(is.contains(name) || c.ends(name)) << name << " is lost";
  EXPECT_GT(stay, 30u);
}

/// Of what goes on; what is told at one moment comes in the order of the schema.
std::vector<std::string> told(const std::vector<Alert>& alerts, const Case& c, const Views& known) {
  std::vector<std::string> out;
  for (const Alert& a : alerts) {
    const std::string name = a.kind + "/" + a.subject;
    if (known.contains(name) && !c.ends(name)) {
      out.push_back(format_rfc3339(a.told) + " " + a.alert_id + " " + std::string(to_string(a.state)) + " " + format_rfc3339(a.detected));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Loaded while everything learns, before the shift, and while it is told of.
TEST(SchemaGrowth, WhatStaysGoesOnAsIfNothingHadChanged) {
  const Schema from = make(base());
  const std::vector<Item> items = stream();
  for (const double moment : {2.6, 95.0, 110.0}) {
    Monitor first(from, options());
    feed(first, from, both_know(items, 0, moment, from, from));
    const std::string bytes = first.save();
    std::size_t open = 0;
    for (const Alert& a : first.open_alerts()) open += a.subject == "vitals.hr";
    EXPECT_EQ(open > 0, moment > kShift);
    // Nothing is compared that never moved.
    std::map<std::string, std::size_t> armed;
    for (const SubjectView& v : first.subjects()) armed[v.kind] += v.state != SubjectState::learning && v.log_evidence > -20 ? 1 : 0;
    for (const char* kind :
         {"missingness", "measured", "pattern", "value", "distribution", "error", "coverage", "mix", "stream", "subgroup"})
      EXPECT_EQ(armed[kind] > 0, moment > 24) << kind;
    for (const Case& c : cases()) {
      SCOPED_TRACE(testing::Message() << c.name << ", at hour " << moment);
      Draft draft = base();
      c.change(draft);
      const Schema to = make(draft);
      const SchemaMapping there = mapping(from, to), back = mapping(to, from);
      Monitor kept(from, options()), grown(to, options());
      ASSERT_TRUE(kept.load(bytes).ok());
      EXPECT_EQ(kept.save(), bytes);
      ASSERT_TRUE(grown.load(bytes, &there).ok());
      expect_carried(kept, grown, c, to);
      EXPECT_EQ(kept.patients(), grown.patients());

      // There and back.
      Monitor again(from, options());
      ASSERT_TRUE(again.load(grown.save(), &back).ok());
      if (c.exact_back) {
        EXPECT_EQ(again.save(), bytes);
      }
      expect_carried(kept, again, c, from);

      // The shift is found, and its end.
      grown.take_alerts();
      const std::vector<Item> rest = both_know(items, moment, kEnd, from, to);
      const std::vector<Alert> alerts = feed(kept, from, rest), alerts_grown = feed(grown, to, rest);
      const Views was = views(kept), is = views(grown);
      const auto said = told(alerts, c, was), said_grown = told(alerts_grown, c, was);
      EXPECT_EQ(said, said_grown);
      std::size_t of_shift = 0;
      for (const std::string& s : said_grown) of_shift += about(s, "/vitals.hr@");
      EXPECT_GT(of_shift, moment > kShift ? 0u : 1u);
      for (const auto& [name, view] : was) {
        // The mix of an attribute that ended speaks for first values no longer.
        const bool explained = about(name, "distribution/") && (c.ends("mix/ward") || c.ends("mix/sex"));
        if (!c.ends(name) && !explained) expect_alike(view, is.at(name));
      }
    }
  }
}

/// A monitor with open alerts of `shifted`, saved.
struct Alarmed {
  explicit Alarmed(const std::string& shifted) {
    feed(monitor, schema, both_know(stream(shifted), 0, 110, schema, schema));
    bytes = monitor.save();
  }
  Schema schema = make(base());
  Monitor monitor{schema, options()};
  std::string bytes;
};

// Whatever moves, and whatever comes and goes again: the bytes are those that were.
TEST(SchemaGrowth, ThereAndBackAnyOrderIsNoLoss) {
  const Alarmed a("hr");
  Attribute age;
  age.name = "age";
  age.unit = "a";
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Draft draft = base();
    std::shuffle(draft.modalities.begin(), draft.modalities.end(), random);
    std::shuffle(draft.attributes.begin(), draft.attributes.end(), random);
    for (auto& m : draft.modalities) {
      if (random() % 2 == 0) m.features.push_back(feature("added", "", random() % 2 == 0 ? Likelihood::bernoulli : Likelihood::normal));
      std::shuffle(m.features.begin(), m.features.end(), random);
      for (Feature& f : m.features) std::shuffle(f.categories.begin(), f.categories.end(), random);
    }
    for (Attribute& x : draft.attributes) std::shuffle(x.categories.begin(), x.categories.end(), random);
    if (random() % 2 == 0) draft.attributes.insert(draft.attributes.begin(), age);
    const Schema to = make(draft);
    const SchemaMapping there = mapping(a.schema, to), back = mapping(to, a.schema);
    Monitor grown(to, options()), again(a.schema, options());
    ASSERT_TRUE(grown.load(a.bytes, &there).ok());
    EXPECT_EQ(grown.open_alerts().size(), a.monitor.open_alerts().size());
    EXPECT_TRUE(grown.take_alerts().empty());
    ASSERT_TRUE(again.load(grown.save(), &back).ok());
    EXPECT_EQ(again.save(), a.bytes);
  }
}

// An alert on a compacted topic stays until it is resolved, and nobody but the monitor does that.
TEST(SchemaGrowth, WhatIsGoneLeavesNoOpenAlert) {
  const Alarmed a("temp");
  std::map<std::string, Alert> open;
  for (const Alert& alert : a.monitor.open_alerts()) {
    if (alert.subject == "vitals.temp") open.emplace(alert.alert_id, alert);
  }
  ASSERT_FALSE(open.empty());
  for (const Case& c : cases()) {
    if (!c.ends("error/vitals.temp")) continue;
    SCOPED_TRACE(c.name);
    Draft draft = base();
    c.change(draft);
    const Schema to = make(draft);
    const SchemaMapping there = mapping(a.schema, to);
    Monitor grown(to, options());
    ASSERT_TRUE(grown.load(a.bytes, &there).ok());
    for (const Alert& alert : grown.open_alerts()) EXPECT_NE(alert.subject, "vitals.temp");
    // Not said yet, it is part of the state.
    Monitor restarted(to, options());
    ASSERT_TRUE(restarted.load(grown.save()).ok());
    for (Monitor* m : {&grown, &restarted}) {
      const std::vector<Alert> said = m->take_alerts();
      ASSERT_EQ(said.size(), open.size());
      for (const Alert& alert : said) {
        ASSERT_TRUE(open.contains(alert.alert_id));
        EXPECT_EQ(alert.state, AlertState::resolved);
        EXPECT_EQ(alert.resolution, Resolution::accepted);
        EXPECT_EQ(alert.evidence, open.at(alert.alert_id).evidence);
        EXPECT_TRUE(about(alert.summary, "vitals.temp: no longer watched as before")) << alert.summary;
        EXPECT_TRUE(about(alert.summary, open.at(alert.alert_id).summary.c_str())) << alert.summary;
      }
      EXPECT_TRUE(m->take_alerts().empty());
    }
  }
}

// Sites' subjects and mixes end with their alerts too; and an alert that was about to be raised is raised before it is resolved.
TEST(SchemaGrowth, AlertsOfSitesAndMixesEndInTheirOrder) {
  const Schema from = make(base());
  std::vector<Item> items = both_know(stream(), 0, 120, from, from);
  std::erase_if(items, [](const Item& i) { return i.modality == "blood_gas" && i.site == "east" && hours_between(kStart, i.time) >= 80; });
  for (Item& i : items) {
    if (hours_between(kStart, i.time) < 60) continue;
    for (Value& v : i.values) {
      if (!v.name.empty()) v.name = "pain";
    }
  }
  Monitor monitor(from, options());
  feed(monitor, from, items, false);
  const auto of = [](const std::vector<Alert>& alerts, const std::string& name) {
    std::vector<AlertState> out;
    for (const Alert& a : alerts) {
      if (a.kind + "/" + a.subject == name) out.push_back(a.state);
    }
    return out;
  };
  Draft draft = base();
  draft.modalities.erase(draft.modalities.begin() + 1);
  draft.modalities[0].features[2].categories.pop_back();
  const Schema to = make(draft);
  const SchemaMapping there = mapping(from, to);
  Monitor grown(to, options());
  ASSERT_TRUE(grown.load(monitor.save(), &there).ok());
  const std::vector<Alert> open = monitor.open_alerts(), said = grown.take_alerts();
  for (const char* name : {"missingness/blood_gas@east", "mix/vitals.avpu"}) {
    ASSERT_EQ(of(open, name).size(), 1u) << name;
    const std::vector<AlertState> life = of(said, name);
    ASSERT_GE(life.size(), 2u) << name;
    EXPECT_EQ(life.front(), AlertState::raised);
    EXPECT_EQ(life.back(), AlertState::resolved);
    EXPECT_EQ(std::count(life.begin(), life.end(), AlertState::resolved), 1);
    EXPECT_TRUE(of(grown.open_alerts(), name).empty());
  }
}

// A kind that is switched off in the configuration goes like a feature that is gone.
TEST(SchemaGrowth, AKindThatIsNoLongerWatchedLeavesNoOpenAlert) {
  const Alarmed a("temp");
  MonitorOptions fewer = options();
  std::size_t open = 0;
  for (const Kind kind : {Kind::error, Kind::coverage}) {
    fewer.weights[static_cast<std::size_t>(kind)] = 0;
    for (const Alert& alert : a.monitor.open_alerts()) open += alert.kind == to_string(kind);
  }
  ASSERT_GT(open, 0u);
  Monitor monitor(a.schema, fewer);
  ASSERT_TRUE(monitor.load(a.bytes).ok());
  const std::vector<Alert> said = monitor.take_alerts();
  EXPECT_EQ(said.size(), open);
  for (const Alert& alert : said) EXPECT_EQ(alert.state, AlertState::resolved);
}

TEST(SchemaGrowth, MutesAreOfANameAndStay) {
  Alarmed a("hr");
  const Time until = kStart + std::chrono::hours(500);
  for (const auto& [kind, subject] : {std::pair{"value", "vitals.temp"},
                                      {"error", "vitals.hr"},
                                      {"distribution", "chemistry.glucose"},
                                      {"pattern", "together"},
                                      {"mix", "ward"},
                                      {"missingness", "blood_gas@west"}}) {
    ASSERT_TRUE(a.monitor.mute(kind, subject, until).ok()) << kind << subject;
  }
  const std::string bytes = a.monitor.save();
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Draft draft = base();
    c.change(draft);
    const Schema to = make(draft);
    const SchemaMapping there = mapping(a.schema, to);
    Monitor grown(to, options());
    ASSERT_TRUE(grown.load(bytes, &there).ok());
    const Views was = views(a.monitor), is = views(grown);
    for (const auto& [name, view] : is) {
      const auto before = was.find(name);
      EXPECT_EQ(view.muted_until, before != was.end() ? before->second.muted_until : Time::min()) << name;
    }
  }
}

TEST(SchemaGrowth, TheMatrixGoesByName) {
  const Alarmed a("hr");
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Draft draft = base();
    c.change(draft);
    const Schema to = make(draft);
    const SchemaMapping there = mapping(a.schema, to);
    Monitor grown(to, options());
    ASSERT_TRUE(grown.load(a.bytes, &there).ok());
    std::map<std::tuple<std::string, std::string, Time>, MissingnessMatrix::Row> was;
    for (const auto& row : a.monitor.missingness()) was[{row.site, row.modality, row.week}] = row;
    std::size_t rows = 0;
    for (const auto& row : grown.missingness()) {
      rows += 1;
      const auto before = was.find({row.site, row.modality, row.week});
      if (before == was.end()) {
        EXPECT_EQ(row.modality, "urine");
        EXPECT_EQ(row.share, 0);
        EXPECT_GT(row.patient_hours, 0u);
      } else {
        EXPECT_EQ(row, before->second);
      }
    }
    EXPECT_EQ(rows, was.size() / 3 * to.modality_count());
  }
}

// What is new has its day of learning however many values come, and then finds a change of its own.
TEST(SchemaGrowth, WhatIsNewLearnsBeforeItAlarms) {
  Draft less = base();
  less.modalities[0].features.erase(less.modalities[0].features.begin());
  const Schema from = make(less), to = make(base());
  const std::vector<Item> items = stream();
  Monitor first(from, options()), grown(to, options());
  feed(first, from, both_know(items, 0, 60, from, from));
  const SchemaMapping there = mapping(from, to);
  ASSERT_TRUE(grown.load(first.save(), &there).ok());
  bool found = false;
  for (const Alert& a : feed(grown, to, both_know(items, 60, kEnd, to, to))) {
    if (a.subject != "vitals.hr" || a.state != AlertState::raised) continue;
    EXPECT_GE(hours_between(kStart, a.detected), kShift) << a.summary;
    found = true;
  }
  EXPECT_TRUE(found);
}

// More modalities than are watched in pairs: where others come among the first, their pairs have learned nothing.
TEST(SchemaGrowth, PairsOfOtherModalitiesBeginAnew) {
  Draft draft;
  for (int i = 0; i < 14; ++i)
    draft.modalities.push_back(modality(("m" + std::to_string(i)).c_str(), {feature("a", ""), feature("b", "")}));
  const Schema from = make(draft);
  Monitor monitor(from, options());
  std::mt19937_64 random(5);
  for (int hour = 0; hour < 60; ++hour) {
    for (int p = 0; p < 30; ++p) {
      for (ModalityId m = 0; m < 14; ++m) {
        if (random() % 3 != 0)
          monitor.observe(Arrival{"p" + std::to_string(p), "", m, kStart + std::chrono::hours(hour) + Millis(m), {}, {}});
      }
    }
  }
  const auto pattern = [&](const std::function<void(Draft&)>& change) {
    Draft other = draft;
    change(other);
    const Schema to = make(other);
    const SchemaMapping there = mapping(from, to);
    Monitor grown(to, options());
    EXPECT_TRUE(grown.load(monitor.save(), &there).ok());
    return views(grown).at("pattern/together");
  };
  const SubjectView was = views(monitor).at("pattern/together");
  EXPECT_EQ(was.state, SubjectState::armed);
  const auto among_first =
      pattern([](Draft& d) { std::swap(d.modalities[0], d.modalities[11]), std::swap(d.modalities[12], d.modalities[13]); });
  expect_alike(was, among_first);
  EXPECT_EQ(pattern([](Draft& d) { std::swap(d.modalities[0], d.modalities[13]); }).updates, 0u);
}

TEST(SchemaGrowth, WhatIsNotItsOwnIsRefusedAndLeavesItAsItWas) {
  const Alarmed a("hr");
  Draft draft = base();
  for (const std::size_t c : {15u, 0u, 3u, 5u}) cases()[c].change(draft);
  const Schema to = make(draft);
  const SchemaMapping there = mapping(a.schema, to);
  Monitor grown(to, options());
  ASSERT_TRUE(grown.load(a.bytes, &there).ok());
  const std::string held = grown.save();
  for (std::size_t cut = 0; cut < a.bytes.size(); cut += a.bytes.size() / 300 + 1) {
    ASSERT_EQ(grown.load(std::string_view(a.bytes).substr(0, cut), &there).code(), Code::corrupt) << cut;
  }
  EXPECT_EQ(grown.load(a.bytes + "x", &there).code(), Code::corrupt);
  EXPECT_EQ(grown.load(a.bytes).code(), Code::unsupported);
  EXPECT_EQ(grown.load(held, &there).code(), Code::unsupported);  // of the schema that it leads to
  for (const char version : {'\2', '\6'}) EXPECT_EQ(grown.load(version + a.bytes.substr(1), &there).code(), Code::unsupported);
  EXPECT_EQ(grown.save(), held);
  // Damage is refused or read: no crash, and what was read can go on.
  std::mt19937_64 random(6);
  const std::vector<Item> rest = both_know(stream(), 110, 111, a.schema, to);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = a.bytes;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    Monitor other(to, options());
    if (other.load(damaged, &there).ok()) feed(other, to, rest);
  }
}

}  // namespace
}  // namespace lacuna::drift
