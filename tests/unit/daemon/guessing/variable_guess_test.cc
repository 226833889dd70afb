// Goal: a variable is taken for what it is: unit, likelihood, classes, range, attribute or nothing. Method: columns of each sort.
#include "daemon/guessing/variable_guess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using Kind = VariableGuess::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Make>
Variable variable(const std::string& name, Make make, std::size_t rows = 400) {
  Variable out{name, "", false, ColumnProfile()};
  for (std::size_t i = 0; i < rows; ++i) out.profile.add(make(i));
  return out;
}

/// In a table of visits; each patient has the value several times, and it changes.
VariableGuess guess(const Variable& v, TableFacts facts = {.patients = 100},
                    Course course = {.values = 400, .patients = 100, .repeated = 100}) {
  const UnitGuess unit = guess_unit(v);
  return guess_variable(v, unit, guess_marks(v.profile, unit.limits), course, facts);
}

TEST(VariableGuessTest, UnitsFollowTheMiddleOfTheValues) {
  const auto around = [](double middle, double spread) { return [=](std::size_t i) { return fixed(middle + spread * bell(1, i), 2); }; };
  EXPECT_EQ(guess_unit(variable("Temp", around(36.8, 0.5))).code, "Cel");
  EXPECT_EQ(guess_unit(variable("Temp", around(98.4, 0.9))).code, "[degF]");
  EXPECT_EQ(guess_unit(variable("creatinine", around(90, 20))).code, "umol/L");
  EXPECT_EQ(guess_unit(variable("creatinine", around(1.1, 0.2))).code, "mg/dL");
  EXPECT_EQ(guess_unit(variable("glucose", around(6, 1))).code, "mmol/L");
  EXPECT_EQ(guess_unit(variable("SpO2", around(0.96, 0.01))).code, "");
  EXPECT_EQ(guess_unit(variable("hr", around(4000, 10))).limits.known, false) << "in no unit that is known";
  const UnitGuess named = guess_unit(variable("Crea (µmol/L)", around(1.1, 0.2)));
  EXPECT_EQ(named.code, "umol/L") << "the header says so";
  EXPECT_FALSE(named.guessed);
  Variable said = variable("potassium", around(4, 0.4));
  said.units = {{"MEQ/L", 3}, {"mmol/L", 90}};
  EXPECT_EQ(guess_unit(said).code, "mmol/L");
}

TEST(VariableGuessTest, LikelihoodsOfNumbers) {
  EXPECT_EQ(guess(variable("x", [](auto i) { return fixed(bell(1, i), 3); })).likelihood, Likelihood::normal);
  EXPECT_EQ(guess(variable("x", [](auto i) { return fixed(std::exp(3 + bell(1, i)), 3); })).likelihood, Likelihood::log_normal);
  EXPECT_EQ(guess(variable("x", [](auto i) { return fixed(bell(1, i) / (0.02 + even(2, i)), 3); })).likelihood, Likelihood::student_t);
  EXPECT_EQ(guess(variable("x", [](auto i) { return std::string(even(1, i) < 0.3 ? "1" : "0"); })).likelihood, Likelihood::bernoulli);
  EXPECT_EQ(guess(variable("num.co", [](auto i) { return fixed(std::floor(-2 * std::log(1 - even(1, i))), 0); })).likelihood,
            Likelihood::negative_binomial);
  const VariableGuess code = guess(variable("slope", [](auto i) { return std::to_string(1 + i % 3); }));
  EXPECT_EQ(code.likelihood, Likelihood::categorical);
  EXPECT_THAT(code.categories, ElementsAre("1", "2", "3"));
  const VariableGuess grade = guess(variable("edema", [](auto i) { return std::string(i % 3 == 0 ? "0" : i % 3 == 1 ? "0.5" : "1"); }));
  EXPECT_EQ(grade.likelihood, Likelihood::ordinal);
  EXPECT_THAT(grade.categories, ElementsAre("0", "0.5", "1"));
  EXPECT_EQ(guess(variable("GCS", [](auto i) { return std::to_string(3 + i % 13); })).likelihood, Likelihood::normal)
      << "its unit is known";
}

TEST(VariableGuessTest, Words) {
  const VariableGuess words = guess(variable("race", [](auto i) { return std::string(i % 2 ? "white" : i % 3 ? "black" : "NA"); }));
  EXPECT_EQ(words.likelihood, Likelihood::categorical);
  EXPECT_THAT(words.categories, ElementsAre("black", "white"));
  EXPECT_EQ(guess(variable("x", [](auto i) { return std::string(i % 2 ? "True" : "False"); })).likelihood, Likelihood::bernoulli);
  const VariableGuess text = guess(variable("remark", [](auto i) { return "remark " + std::to_string(i); }));
  EXPECT_EQ(text.kind, Kind::left_out);
  EXPECT_THAT(text.why, HasSubstr("free text"));
}

TEST(VariableGuessTest, RangesHoldWhatIsThere) {
  const VariableGuess known = guess(variable("hr", [](auto i) { return fixed(80 + 10 * bell(1, i), 0); }));
  EXPECT_EQ(known.low, 1);
  EXPECT_EQ(known.high, 300);
  const VariableGuess excess = guess(variable("BE", [](auto i) { return fixed(std::exp(0.7 * bell(1, i)), 2); }));
  EXPECT_EQ(excess.likelihood, Likelihood::log_normal);
  EXPECT_EQ(excess.low, 0) << "its scale has no room below";
  EXPECT_FALSE(guess(variable("x", [](auto i) { return std::string(i % 2 ? "1." : "-1.") + std::to_string(i % 97) + "e307"; })).has_range);
  const VariableGuess unknown = guess(variable("x", [](auto i) { return fixed(50 * even(1, i) - 20, 2); }));
  EXPECT_LT(unknown.low, -20);
  EXPECT_GT(unknown.high, 30);
  const VariableGuess share = guess(variable("x", [](auto i) { return fixed(even(1, i), 3); }));
  EXPECT_EQ(share.low, 0);
  EXPECT_EQ(share.high, 1);
  const VariableGuess fahrenheit = guess(variable("temp", [](auto i) { return fixed((i % 2 ? 98 : 37) + 0.5 * bell(1, i), 1); }));
  EXPECT_GE(fahrenheit.high, 98) << "nothing is lost that is too frequent to be a mistake";
}

TEST(VariableGuessTest, AFewValuesInAnotherUnitAreDoubted) {
  const VariableGuess mixed = guess(variable("temp", [](auto i) { return fixed((i % 40 == 7 ? 98.2 : 36.8) + 0.4 * bell(1, i), 1); }));
  EXPECT_EQ(mixed.unit, "Cel");
  EXPECT_EQ(mixed.marks.beyond, 10u);
  EXPECT_THAT(mixed.doubts, ElementsAre(HasSubstr("10 values that cannot be in Cel could be in [degF]")));
}

TEST(VariableGuessTest, ConstantsAndIdsAreLeftOut) {
  EXPECT_EQ(guess(variable("x", [](auto) { return std::string("7"); })).why, "always the same: nothing to impute");
  EXPECT_EQ(guess(variable("x", [](auto) { return std::string(); })).why, "has no value");
  const Course once{.values = 100, .patients = 100};
  EXPECT_EQ(guess(variable("RecordID", [](auto i) { return std::to_string(13000 + 3 * i); }), {.is_long = true, .patients = 100}, once).why,
            "an id");
}

TEST(VariableGuessTest, WhatNeverChangesIsAnAttribute) {
  const Course constant{.values = 400, .patients = 100, .repeated = 100, .constant = 100};
  const VariableGuess trt = guess(variable("trt", [](auto i) { return std::to_string(i % 2); }), {.patients = 100}, constant);
  EXPECT_EQ(trt.kind, Kind::attribute);
  EXPECT_THAT(trt.categories, ElementsAre("0", "1"));
  EXPECT_TRUE(trt.subgroup);
  Course some = constant;
  some.patients = 60;
  const auto number = [](auto i) { return fixed(50 + bell(1, i), 2); };
  EXPECT_EQ(guess(variable("stiffness", number), {.patients = 100}, some).kind, Kind::feature) << "an attribute is never imputed";
  EXPECT_EQ(guess(variable("age", number), {.patients = 100}, some).kind, Kind::attribute);
  const Course one{.values = 400, .patients = 400};
  EXPECT_EQ(guess(variable("age", number), {.one_moment = true, .patients = 400}, one).kind, Kind::attribute);
  EXPECT_EQ(guess(variable("age", number), {.one_moment = true, .patients = 500}, one).kind, Kind::feature)
      << "to be imputed where it is missing";
  EXPECT_EQ(guess(variable("weight_at_entry", number), {.one_moment = true, .patients = 400}, one).kind, Kind::feature);
}

TEST(VariableGuessTest, WhatHardlyAnybodyHasIsLeftOut) {
  const auto number = [](auto i) { return fixed(bell(1, i), 2); };
  const Course seldom{.values = 41, .patients = 24, .repeated = 10};
  EXPECT_EQ(guess(variable("crp", number), {.patients = 1154}, seldom).why, "in 24 of 1154 patients: too few to learn from");
  EXPECT_EQ(guess(variable("crp", number), {.patients = 100}, seldom).kind, Kind::feature);
}

TEST(VariableGuessTest, SexCodesKnowTheirMarks) {
  const VariableGuess sex = guess(variable("Gender", [](auto i) { return std::string(i % 50 == 3 ? "-1"
                                                                                     : i % 2     ? "1"
                                                                                                 : "0"); }),
                                  {.is_long = true, .patients = 400}, {.values = 400, .patients = 400});
  EXPECT_EQ(sex.kind, Kind::attribute);
  EXPECT_THAT(sex.categories, ElementsAre("0", "1"));
  EXPECT_THAT(sex.marks.texts(), ElementsAre("-1"));
}

}  // namespace
}  // namespace lacuna::daemon
