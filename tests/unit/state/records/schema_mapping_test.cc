// Goal: after a schema has grown every number is still the one that was measured, under its own name and in the unit that is now declared;
// what cannot be carried is dropped and counted. Method: one state carried through each kind of change, against what it must be.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "state/records/scale.h"
#include "state/records/schema_mapping.h"

namespace lacuna {
namespace {

Feature feature(const char* name, const char* unit, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.likelihood = likelihood;
  return f;
}

struct Draft {
  std::vector<Schema::ModalitySpec> modalities;
  std::vector<Attribute> attributes;
};

Draft base() {
  Draft d;
  d.modalities.resize(3);
  d.modalities[0].modality.name = "vitals";
  d.modalities[0].features = {feature("hr", "/min"), feature("temp", "Cel"), feature("sbp", "mm[Hg]")};
  d.modalities[1].modality.name = "chemistry";
  d.modalities[1].features = {feature("glucose", "mg/dL", Likelihood::log_normal), feature("avpu", "", Likelihood::categorical)};
  d.modalities[1].features[1].categories = {"alert", "voice", "pain"};
  d.modalities[2].modality.name = "code";
  d.modalities[2].modality.kind = ModalityKind::embedding;
  d.modalities[2].modality.payload.length = 2;
  d.attributes.resize(2);
  d.attributes[0].name = "age";
  d.attributes[0].unit = "a";
  d.attributes[1].name = "sex";
  d.attributes[1].categories = {"female", "male"};
  return d;
}

Schema make(const Draft& d) {
  auto made = Schema::make(d.modalities, d.attributes);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

Schema changed(const std::function<void(Draft&)>& change) {
  Draft d = base();
  change(d);
  return make(d);
}

FeatureState state(double last, double scale_value) {
  const auto y = static_cast<float>(scale_value);
  return {last, Time(Millis(1000)), 3, y, y + 0.125F, 0.5F, y - 0.25F};
}

Snapshot full() {
  Snapshot s;
  s.patient_id = "p";
  s.event_count = 7;
  s.features = {state(80, 80), state(37.5, 37), state(120, 118), state(99, std::log1p(99)), state(1, 1)};
  s.modalities = {{Time(Millis(1000)), 3, {}}, {Time(Millis(1000)), 3, {}}, {Time(Millis(900)), 1, PayloadRef(Payload{{1, 2}, {}, {}})}};
  s.attributes = {61.0F, 1.0F};
  return s;
}

SchemaMapping mapping(const Schema& from, const Schema& to) {
  auto made = SchemaMapping::make(from, to);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

bool says(const SchemaMapping& m, SchemaChange::Effect effect, const std::string& subject) {
  return std::any_of(m.changes().begin(), m.changes().end(),
                     [&](const SchemaChange& c) { return c.effect == effect && c.subject == subject; });
}

TEST(SchemaMapping, TheSameSchemaChangesNothing) {
  const Schema schema = make(base());
  const SchemaMapping same = mapping(schema, schema);
  EXPECT_TRUE(same.identity());
  EXPECT_TRUE(same.changes().empty());
  EXPECT_EQ(same.carry(schema, full()), full());
}

TEST(SchemaMapping, ANewFeatureInFrontMovesNothingToAnotherName) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) { d.modalities[0].features.insert(d.modalities[0].features.begin() + 1, feature("spo2", "%")); });
  const SchemaMapping grown = mapping(from, to);
  EXPECT_FALSE(grown.identity());
  EXPECT_TRUE(says(grown, SchemaChange::Effect::begins, "vitals.spo2"));
  std::uint64_t dropped = 0;
  const Snapshot s = grown.carry(to, full(), &dropped);
  EXPECT_EQ(dropped, 0U);
  ASSERT_EQ(s.features.size(), 6U);
  EXPECT_EQ(s.features[0], full().features[0]);
  EXPECT_EQ(s.features[1].count, 0U);
  EXPECT_EQ(s.features[2], full().features[1]);
  EXPECT_EQ(s.features[5], full().features[4]);
  const Example e =
      grown.carry(to, Example{full(), Time(Millis(2000)), {{1, 38}, {3, 100}}, {{2, PayloadRef(Payload{{3, 4}, {}, {}})}}, {}});
  EXPECT_EQ(e.arrived, (std::vector<FeatureValue>{{2, 38}, {4, 100}}));
  EXPECT_EQ(e.arrived_payloads.size(), 1U);
}

TEST(SchemaMapping, AnotherOrderOfModalitiesIsNoLoss) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) {
    std::swap(d.modalities[0], d.modalities[2]);
    std::reverse(d.modalities[2].features.begin(), d.modalities[2].features.end());
    std::swap(d.attributes[0], d.attributes[1]);
  });
  std::uint64_t dropped = 0;
  const SchemaMapping there = mapping(from, to), back = mapping(to, from);
  EXPECT_EQ(back.carry(from, there.carry(to, full(), &dropped), &dropped), full());
  EXPECT_EQ(dropped, 0U);
  EXPECT_FALSE(there.changes().empty());
}

TEST(SchemaMapping, AUnitConvertsValueAndSummaries) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) {
    d.modalities[0].features[1].unit = "[degF]";
    d.modalities[1].features[0].unit = "mmol/L";
  });
  const SchemaMapping m = mapping(from, to);
  const Snapshot s = m.carry(to, full());
  EXPECT_NEAR(s.features[1].last, 99.5, 1e-9);
  EXPECT_NEAR(static_cast<double>(s.features[1].mean_short), 98.6, 1e-4);
  EXPECT_NEAR(static_cast<double>(s.features[1].slope), 0.9, 1e-6);
  const double glucose = 99 / 18.0156;
  EXPECT_NEAR(s.features[3].last, glucose, 1e-4);
  EXPECT_NEAR(static_cast<double>(s.features[3].mean_short), std::log1p(glucose), 1e-4);
  // The slope is the derivative on the scale: against a small step of the value itself.
  const double step = 1e-4, y = std::log1p(99.0) + step * 0.5;
  const double slope = (std::log1p(std::expm1(y) / 18.0156) - std::log1p(glucose)) / step;
  EXPECT_NEAR(static_cast<double>(s.features[3].slope), slope, 1e-3);
  EXPECT_TRUE(says(m, SchemaChange::Effect::kept, "chemistry.glucose"));
}

TEST(SchemaMapping, CategoriesGoByName) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) { d.modalities[1].features[1].categories = {"unresponsive", "pain", "voice"}; });
  const SchemaMapping m = mapping(from, to);
  std::uint64_t dropped = 0;
  EXPECT_EQ(m.carry(to, full(), &dropped).features[4].last, 2);  // voice
  EXPECT_EQ(dropped, 0U);
  Snapshot alert = full();
  alert.features[4].last = 0;
  EXPECT_EQ(m.carry(to, alert, &dropped).features[4].count, 0U);
  EXPECT_EQ(dropped, 1U);
}

TEST(SchemaMapping, WhatDoesNotConvertBeginsAnewAndIsSaid) {
  const Schema from = make(base());
  const std::vector<std::function<void(Draft&)>> changes{
      [](Draft& d) { d.modalities[0].features[1].likelihood = Likelihood::student_t; },
      [](Draft& d) { d.modalities[0].features[1].unit = "kg"; },
      [](Draft& d) { d.modalities[0].features.erase(d.modalities[0].features.begin() + 1); }};
  for (const auto& change : changes) {
    const Schema to = changed(change);
    const SchemaMapping m = mapping(from, to);
    EXPECT_TRUE(says(m, SchemaChange::Effect::dropped, "vitals.temp"));
    EXPECT_FALSE(m.feature_to(1));
    std::uint64_t dropped = 0;
    const Snapshot s = m.carry(to, full(), &dropped);
    EXPECT_EQ(dropped, 1U);
    EXPECT_EQ(s.features[0], full().features[0]);
    EXPECT_EQ(m.carry(to, Example{full(), Time{}, {{1, 38}, {2, 110}}, {}, {}}).arrived.size(), 1U);
  }
}

TEST(SchemaMapping, ANarrowerRangeKeepsWhatIsKnown) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) {
    d.modalities[0].features[1].low = 38;
    d.modalities[0].modality.stale_after = Millis(1);
  });
  const SchemaMapping m = mapping(from, to);
  EXPECT_EQ(m.carry(to, full()), full());
  EXPECT_TRUE(says(m, SchemaChange::Effect::kept, "vitals.temp"));
  EXPECT_TRUE(says(m, SchemaChange::Effect::kept, "vitals"));
}

TEST(SchemaMapping, RangeAndMarkOfAPayloadChangeNothingThatIsKnown) {
  const Schema to = changed([](Draft& d) {
    d.modalities[2].modality.low = -1;
    d.modalities[2].modality.high = 1;
    d.modalities[2].modality.missing = -9999;
    std::swap(d.modalities[0], d.modalities[2]);
  });
  const auto mapping = SchemaMapping::make(make(base()), to);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(mapping->carry(to, full()).modalities[0].payload, full().modalities[2].payload) << "by name, though it lies outside now";
  std::vector<std::string> said;
  for (const SchemaChange& c : mapping->changes()) {
    if (c.subject == "code" && c.effect == SchemaChange::Effect::kept) said.push_back(c.what);
  }
  ASSERT_EQ(said.size(), 2U);
  EXPECT_TRUE(said[0].starts_with("another range"));
  EXPECT_TRUE(said[1].starts_with("another mark for missing"));
}

TEST(SchemaMapping, AnotherKindOrShapeIsRefusedWithTheWayOut) {
  const Schema from = make(base());
  const Schema longer = changed([](Draft& d) { d.modalities[2].modality.payload.length = 3; });
  const Schema tabular = changed([](Draft& d) {
    d.modalities[2].modality.kind = ModalityKind::tabular;
    d.modalities[2].features = {feature("x", "")};
  });
  for (const Schema* to : {&longer, &tabular}) {
    const auto refused = SchemaMapping::make(from, *to);
    ASSERT_EQ(refused.code(), Code::unsupported);
    EXPECT_NE(refused.status().message().find("'code'"), std::string::npos);
    EXPECT_NE(refused.status().message().find("another name"), std::string::npos);
  }
}

TEST(SchemaMapping, ModalitiesAndAttributesComeAndGo) {
  const Schema from = make(base());
  const Schema to = changed([](Draft& d) {
    d.modalities.erase(d.modalities.begin() + 2);
    d.modalities[1].modality.name = "labs";
    d.attributes.erase(d.attributes.begin());
    d.attributes[0].categories = {"male", "other"};
  });
  const SchemaMapping m = mapping(from, to);
  std::uint64_t dropped = 0;
  const Snapshot s = m.carry(to, full(), &dropped);
  EXPECT_EQ(dropped, 4U);  // glucose, avpu, the code, age
  EXPECT_EQ(s.attributes, std::vector<std::optional<float>>{0.0F});
  EXPECT_EQ(s.modalities[1].count, 0U);
  EXPECT_TRUE(says(m, SchemaChange::Effect::dropped, "code"));
  EXPECT_TRUE(says(m, SchemaChange::Effect::begins, "labs.glucose"));
}

}  // namespace
}  // namespace lacuna
