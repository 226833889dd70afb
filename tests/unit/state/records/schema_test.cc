// Protects: a deployment's declaration. Every mistake is named, all at once; what passes has consistent indices; and the
// fingerprint changes with everything that gives stored arrays their meaning and with nothing else.

#include "state/records/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

namespace lacuna {
namespace {

using testing::HasSubstr;
using Specs = std::vector<Schema::ModalitySpec>;
using Attributes = std::vector<Attribute>;

Feature feature(std::string name, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = std::move(name);
  f.likelihood = likelihood;
  if (has_categories(likelihood)) f.categories = {"none", "mask", "tube"};
  return f;
}

Specs specs() {
  Specs out(2);
  out[0].modality.name = "vitals";
  out[0].modality.stale_after = std::chrono::hours(4);
  out[0].features = {feature("hr"), feature("support", Likelihood::categorical), feature("paced", Likelihood::bernoulli)};
  out[0].features[0].unit = "/min";
  out[0].features[0].low = 0;
  out[0].features[0].high = 300;
  out[1].modality.name = "lab";
  out[1].features = {feature("alt", Likelihood::log_normal), feature("cells", Likelihood::negative_binomial), feature("hr")};
  out[1].features[0].stale_after = std::chrono::hours(48);
  return out;
}

Attributes attributes() {
  Attribute age, sex;
  age.name = "age";
  age.unit = "a";
  sex.name = "sex";
  sex.categories = {"female", "male"};
  return {age, sex};
}

TEST(Schema, IndicesAndNamesFit) {
  const Result<Schema> made = Schema::make(specs(), attributes());
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  const Schema& schema = *made;
  ASSERT_EQ(schema.feature_count(), 6u);
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    EXPECT_EQ(schema.find_modality(modality.name), m);
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      EXPECT_EQ(schema.features()[f].modality, m);
      EXPECT_EQ(schema.find_feature(m, schema.features()[f].name), f);
    }
  }
  EXPECT_EQ(schema.qualified_name(5), "lab.hr");
  EXPECT_EQ(schema.find_modality("hr"), kNoModality);
  EXPECT_FALSE(schema.find_feature(0, "alt").has_value());
  EXPECT_FALSE(schema.find_feature(kNoModality, "hr").has_value());
  EXPECT_EQ(schema.find_attribute("sex"), std::size_t{1});
  EXPECT_EQ(schema.stale_after(0), std::chrono::hours(4));
  EXPECT_EQ(schema.stale_after(3), std::chrono::hours(48));
}

TEST(Schema, LikelihoodsBoundTheRange) {
  const Schema schema = *Schema::make(specs(), {});
  EXPECT_EQ(schema.features()[1].high, 2);  // index of the last category
  Specs heavy = specs();
  heavy[1].features[2].likelihood = Likelihood::student_t;
  EXPECT_LT(Schema::make(heavy, {})->features()[5].low, -1e300);  // its own scale: any value
  heavy[1].features[2].low = -40;
  EXPECT_TRUE(Schema::make(heavy, {}).ok());
  Specs ordered = specs();
  ordered[0].features[1].likelihood = Likelihood::ordinal;
  EXPECT_EQ(Schema::make(ordered, {})->features()[1].low, 0);
  EXPECT_EQ(Schema::make(ordered, {})->features()[1].high, 2);
  EXPECT_EQ(schema.features()[2].low, 0);
  EXPECT_EQ(schema.features()[2].high, 1);
  EXPECT_EQ(schema.features()[3].low, 0);  // log(1 + x) has no place for less
  EXPECT_EQ(schema.features()[4].low, 0);
  EXPECT_LT(schema.features()[5].low, -1e300);
}

TEST(Schema, MakingAgainChangesNothing) {
  const Schema schema = *Schema::make(specs(), attributes());
  Specs again;
  for (const Modality& m : schema.modalities()) {
    again.push_back({m, {schema.features().begin() + m.first_feature, schema.features().begin() + m.first_feature + m.feature_count}});
  }
  const Result<Schema> made = Schema::make(again, schema.attributes());
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_EQ(made->fingerprint(), schema.fingerprint());
}

struct Mistake {
  const char* says;
  std::function<void(Specs&, Attributes&)> make;
};

void make_embedding(Schema::ModalitySpec& spec) {
  spec.modality.kind = ModalityKind::embedding;
  spec.modality.payload.length = 2;
  spec.features.clear();
}

std::vector<Mistake> mistakes() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"modalities: there are none", [](Specs& s, Attributes&) { s.clear(); }},
      {"lab: the name is used twice", [](Specs& s, Attributes&) { s[0].modality.name = "lab"; }},
      {"modality 2: the name is empty", [](Specs& s, Attributes&) { s[1].modality.name = ""; }},
      {"Lab: the name must be", [](Specs& s, Attributes&) { s[1].modality.name = "Lab"; }},
      {"lab/x: the name must be", [](Specs& s, Attributes&) { s[1].modality.name = "lab/x"; }},
      {"lab: it has no features", [](Specs& s, Attributes&) { s[1].features.clear(); }},
      {"lab: stale_after must be above zero", [](Specs& s, Attributes&) { s[1].modality.stale_after = Millis(0); }},
      {"lab: a modality of kind tabular has no range", [](Specs& s, Attributes&) { s[1].modality.high = 5; }},
      {"lab: a modality of kind tabular has no mark for missing", [](Specs& s, Attributes&) { s[1].modality.missing = -1; }},
      {"lab: the range is empty",
       [](Specs& s, Attributes&) {
         make_embedding(s[1]);
         s[1].modality.low = s[1].modality.high = 5;
       }},
      {"lab: missing is not finite in single precision",
       [](Specs& s, Attributes&) {
         make_embedding(s[1]);
         s[1].modality.missing = 1e300;
       }},
      {"vitals.hr: the name is used twice", [](Specs& s, Attributes&) { s[0].features[2].name = "hr"; }},
      {"vitals.feature 1: the name is empty", [](Specs& s, Attributes&) { s[0].features[0].name = ""; }},
      {"vitals.hr: the range is empty", [](Specs& s, Attributes&) { s[0].features[0].low = 300; }},
      {"vitals.hr: a limit of the range is not a number", [nan](Specs& s, Attributes&) { s[0].features[0].high = nan; }},
      {"vitals.hr: only a categorical",
       [](Specs& s, Attributes&) {
         s[0].features[0].categories = {"a", "b"};
       }},
      {"vitals.hr: stale_after is negative", [](Specs& s, Attributes&) { s[0].features[0].stale_after = Millis(-1); }},
      {"vitals.hr: the unit must be", [](Specs& s, Attributes&) { s[0].features[0].unit = "per min"; }},
      {"vitals.support: a categorical feature needs", [](Specs& s, Attributes&) { s[0].features[1].categories = {"a"}; }},
      {"vitals.hr: only a categorical or ordinal",
       [](Specs& s, Attributes&) {
         s[0].features[0].likelihood = Likelihood::student_t;
         s[0].features[0].categories = {"a", "b"};
       }},
      {"vitals.support: an ordinal feature needs at least two",
       [](Specs& s, Attributes&) {
         s[0].features[1].likelihood = Likelihood::ordinal;
         s[0].features[1].categories = {"a"};
       }},
      {"vitals.support: a discrete feature takes no range",
       [](Specs& s, Attributes&) {
         s[0].features[1].likelihood = Likelihood::ordinal;
         s[0].features[1].high = 3;
       }},
      {"vitals.support: the category 'mask' is given twice", [](Specs& s, Attributes&) { s[0].features[1].categories[0] = "mask"; }},
      {"vitals.support: a category is empty", [](Specs& s, Attributes&) { s[0].features[1].categories[0] = ""; }},
      {"vitals.support: a discrete feature takes no range", [](Specs& s, Attributes&) { s[0].features[1].high = 9; }},
      {"vitals.paced: a discrete feature takes no range", [](Specs& s, Attributes&) { s[0].features[2].low = -1; }},
      {"lab.alt: low must not be negative", [](Specs& s, Attributes&) { s[1].features[0].low = -0.5; }},
      {"lab.cells: low must not be negative", [](Specs& s, Attributes&) { s[1].features[1].low = -3; }},
      {"attribute age: the range is empty", [](Specs&, Attributes& a) { a[0].low = a[0].high = 5; }},
      {"attribute age: the name is used twice", [](Specs&, Attributes& a) { a[1].name = "age"; }},
      {"attribute 1: the name is empty", [](Specs&, Attributes& a) { a[0].name = ""; }},
      {"attribute sex: a category is empty", [](Specs&, Attributes& a) { a[1].categories[0] = ""; }},
      {"modalities: more than 64",
       [](Specs& s, Attributes&) {
         for (int i = 0; i < 64; ++i) {
           s.push_back(s[0]);
           s.back().modality.name.append("m").append(std::to_string(i));
         }
       }},
  };
}

TEST(Schema, EachMistakeIsNamedAlone) {
  for (const Mistake& mistake : mistakes()) {
    Specs s = specs();
    Attributes a = attributes();
    mistake.make(s, a);
    const Result<Schema> made = Schema::make(s, a);
    ASSERT_FALSE(made.ok()) << mistake.says;
    EXPECT_EQ(made.code(), Code::invalid);
    EXPECT_THAT(made.status().message(), HasSubstr(mistake.says));
    EXPECT_THAT(made.status().message(), HasSubstr("schema: 1 problem: ")) << mistake.says;
  }
}

TEST(Schema, AllMistakesAreNamedTogether) {
  Specs s = specs();
  Attributes a = attributes();
  s[0].features[0].low = 300;
  s[1].features[0].low = -1;
  a[1].name = "age";
  const std::string message = Schema::make(s, a).status().message();
  for (const char* part : {"3 problems", "vitals.hr", "lab.alt", "attribute age"}) EXPECT_THAT(message, HasSubstr(part));
}

TEST(Schema, FingerprintFollowsMeaning) {
  const std::uint64_t base = Schema::make(specs(), attributes())->fingerprint();
  const auto changed = [](const std::function<void(Specs&, Attributes&)>& change) {
    Specs s = specs();
    Attributes a = attributes();
    change(s, a);
    const Result<Schema> made = Schema::make(s, a);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made->fingerprint();
  };
  std::vector<std::uint64_t> prints{
      base,
      changed([](Specs& s, Attributes&) { std::swap(s[0], s[1]); }),
      changed([](Specs& s, Attributes&) { std::swap(s[0].features[0], s[0].features[2]); }),
      changed([](Specs& s, Attributes&) { s[0].features[0].name = "pulse"; }),
      changed([](Specs& s, Attributes&) { s[0].features[0].unit = "Hz"; }),
      changed([](Specs& s, Attributes&) { s[0].features[0].likelihood = Likelihood::log_normal; }),
      changed([](Specs& s, Attributes&) { s[0].features[0].likelihood = Likelihood::student_t; }),
      changed([](Specs& s, Attributes&) { s[0].features[1].likelihood = Likelihood::ordinal; }),
      changed([](Specs& s, Attributes&) { std::swap(s[0].features[1].categories[0], s[0].features[1].categories[1]); }),
      changed([](Specs& s, Attributes&) { s[0].features[1].categories.pop_back(); }),
      changed([](Specs& s, Attributes&) { s[1].features.pop_back(); }),
      changed([](Specs& s, Attributes&) {  // the last feature moves to the other modality: same features, same order
        s[1].features.insert(s[1].features.begin(), s[0].features.back());
        s[0].features.pop_back();
      }),
      changed([](Specs&, Attributes& a) { a.pop_back(); }),
      changed([](Specs&, Attributes& a) { std::swap(a[0], a[1]); }),
      changed([](Specs&, Attributes& a) {
        a[1].categories = {"fe", "malemale"};
      }),
  };
  std::sort(prints.begin(), prints.end());
  EXPECT_EQ(std::adjacent_find(prints.begin(), prints.end()), prints.end()) << "two different schemas look alike";

  EXPECT_EQ(base, changed([](Specs& s, Attributes&) { s[0].features[0].high = 250; }));
  EXPECT_EQ(base, changed([](Specs& s, Attributes&) { s[0].modality.stale_after = std::chrono::hours(1); }));
  EXPECT_EQ(base, changed([](Specs&, Attributes& a) { a[1].subgroup = true; }));
}

TEST(Names, EveryValueReadsBack) {
  for (int i = 0; i <= static_cast<int>(Likelihood::student_t); ++i) {
    EXPECT_EQ(parse_likelihood(to_string(static_cast<Likelihood>(i))), static_cast<Likelihood>(i));
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(parse_modality_kind(to_string(static_cast<ModalityKind>(i))), static_cast<ModalityKind>(i));
  }
  EXPECT_FALSE(parse_likelihood("Normal").has_value());
  EXPECT_FALSE(parse_modality_kind("").has_value());
}

}  // namespace
}  // namespace lacuna
