#include "state/records/subgroups.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

// Protects: in which groups of patients values are counted: borders of bands, attributes that are not known, what a configuration may ask.

namespace lacuna {
namespace {

Attribute number(std::string name, std::vector<double> bands, bool subgroup = true) {
  Attribute a;
  a.name = std::move(name);
  a.bands = std::move(bands);
  a.subgroup = subgroup;
  return a;
}

Attribute classes(std::string name, std::vector<std::string> categories, bool subgroup = true) {
  Attribute a;
  a.name = std::move(name);
  a.categories = std::move(categories);
  a.subgroup = subgroup;
  return a;
}

Schema schema(std::vector<Attribute> attributes) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "vitals";
  specs[0].features.resize(1);
  specs[0].features[0].name = "hr";
  return Schema::make(std::move(specs), std::move(attributes)).value();
}

std::vector<std::string> names_in(const Subgroups& groups, const std::vector<std::optional<float>>& attributes) {
  std::vector<std::string> out;
  for (const std::uint16_t g : groups.of(attributes)) out.push_back(groups.names()[g]);
  return out;
}

TEST(Subgroups, ABandHoldsItsLowerBorderAndTheLastItsUpperOneToo) {
  const Attribute age = number("age", {0, 40, 65.5, 120});
  EXPECT_EQ(parts_of(age), (std::vector<std::string>{"0-40", "40-65.5", "65.5-120"}));
  EXPECT_EQ(part_of(age, 0), 0u);
  EXPECT_EQ(part_of(age, 39.99F), 0u);
  EXPECT_EQ(part_of(age, 40), 1u);
  EXPECT_EQ(part_of(age, 65.5F), 2u);
  EXPECT_EQ(part_of(age, 120), 2u);
  for (const float none : {-0.1F, 120.1F, std::numeric_limits<float>::quiet_NaN()}) EXPECT_FALSE(part_of(age, none)) << none;
  // No float is 0.1 or 36.6: what is sent as the border is above it all the same.
  const Attribute fine = number("x", {0, 0.1, 36.6, 50});
  EXPECT_EQ(part_of(fine, 0.1F), 1u);
  EXPECT_EQ(part_of(fine, 36.6F), 2u);
  EXPECT_TRUE(parts_of(number("weight", {})).empty());
  EXPECT_FALSE(part_of(number("weight", {}), 70));
}

TEST(Subgroups, OfAPatientAreThoseOfWhatIsKnown) {
  const Schema s = schema({number("age", {0, 50, 100}), classes("sex", {"female", "male"}), classes("ward", {"a", "b", "c"}, false)});
  const Subgroups groups = Subgroups::make(s, {"sex+age", "ward+sex"}).value();
  EXPECT_EQ(groups.names().size(), 1u + 2 + 2 + 4 + 6);
  EXPECT_EQ(names_in(groups, {30.0F, 1.0F, 2.0F}),
            (std::vector<std::string>{"all", "age=0-50", "sex=male", "sex=male,age=0-50", "ward=c,sex=male"}));
  EXPECT_EQ(names_in(groups, {100.0F, 0.0F, std::nullopt}),
            (std::vector<std::string>{"all", "age=50-100", "sex=female", "sex=female,age=50-100"}));
  EXPECT_EQ(names_in(groups, {101.0F, std::nullopt, 0.0F}), std::vector<std::string>{"all"});
  EXPECT_EQ(names_in(groups, {}), std::vector<std::string>{"all"});
  EXPECT_EQ(names_in(Subgroups(), {30.0F}), std::vector<std::string>{"all"});
}

TEST(Subgroups, EachPatientIsInOnePartOfEachDivision) {
  const Schema s = schema({number("age", {0, 10, 20, 30}), classes("sex", {"f", "m"}), classes("ward", {"a", "b"})});
  const Subgroups groups = Subgroups::make(s, {"age+sex+ward"}).value();
  std::vector<int> seen(groups.names().size());
  for (int age = 0; age <= 30; age += 5) {
    for (int sex = 0; sex < 2; ++sex) {
      for (int ward = 0; ward < 2; ++ward) {
        const auto in =
            groups.of(std::vector<std::optional<float>>{static_cast<float>(age), static_cast<float>(sex), static_cast<float>(ward)});
        EXPECT_EQ(in.size(), 5u);
        EXPECT_TRUE(std::is_sorted(in.begin(), in.end()));
        for (const std::uint16_t g : in) seen[g] += 1;
      }
    }
  }
  for (std::size_t g = 0; g < seen.size(); ++g) EXPECT_GT(seen[g], 0) << groups.names()[g];
}

TEST(Subgroups, WhatCannotBeDividedIsRefused) {
  const Schema s = schema({number("age", {0, 50, 100}), classes("sex", {"female", "male"}), number("weight", {}, false)});
  const auto why = [&](const std::vector<std::string>& together) { return Subgroups::make(s, together).status().message(); };
  EXPECT_EQ(why({"sex+age"}), "");
  EXPECT_EQ(why({"sex+aeg"}), "sex+aeg: the schema has no attribute aeg; did you mean age?");
  EXPECT_EQ(why({"sex+weight"}), "sex+weight: weight is a number without bands");
  EXPECT_EQ(why({"sex+sex"}), "sex+sex: sex comes twice");
  EXPECT_EQ(why({"sex+"}), "sex+: the schema has no attribute ");
  EXPECT_EQ(why({"sex"}), "sex: two attributes at least; one alone has `subgroup: true`");
  EXPECT_EQ(why({"sex+age", "age+sex"}), "age+sex: is there already");
  std::vector<double> borders(201);
  for (std::size_t i = 0; i < borders.size(); ++i) borders[i] = static_cast<double>(i);
  const Schema many = schema({number("age", borders), classes("sex", {"female", "male"})});
  EXPECT_TRUE(Subgroups::make(many, {}).ok());
  EXPECT_EQ(Subgroups::make(many, {"age+sex"}).status().message(), "more than 256 groups of patients");
}

}  // namespace
}  // namespace lacuna
