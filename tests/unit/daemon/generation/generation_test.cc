// Protects: what is generated is what was asked for. Names and values are held against the schema, what is known is kept, the arms
// of an intervention differ by it alone, the same seed gives the same samples, and nothing generated passes for an observation.

#include "daemon/generation/generation.h"

#include <gmock/gmock.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/generation/latent_states.h"
#include "daemon/generation/output.h"
#include "model/learner.h"
#include "tests/unit/model/synthetic.h"

namespace lacuna::daemon {
namespace {

using namespace model::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Schema clinical_schema() {
  Feature hr{"hr", "/min", Likelihood::normal, 0, 300, {}, {}, {}};
  Feature creatinine{"creatinine", "mg/dL", Likelihood::log_normal, 0.1, 40, {}, {}, {}};
  Feature cells{"cells", "", Likelihood::negative_binomial, 0, 1000, {}, {}, {}};
  Feature tube{"tube", "", Likelihood::bernoulli, 0, 1, {}, {}, {}};
  Feature pain{"pain", "", Likelihood::ordinal, 0, 2, {"none", "some", "much"}, {}, {}};
  Feature state{"state", "", Likelihood::categorical, 0, 2, {"alert", "voice, loud", "says \"ow\""}, {}, {}};
  Modality vitals, chemistry, neuro, note;
  note.name = "note";
  note.kind = ModalityKind::text;
  note.payload.length = 8;
  vitals.name = "vitals";
  chemistry.name = "chemistry";
  neuro.name = "neuro";
  return Schema::make({{vitals, {hr}}, {chemistry, {creatinine, cells}}, {neuro, {tube, state, pain}}, {note, {}}},
                      {{"age", "a", {}, 0, 120, true}, {"sex", "", {"female", "male"}}})
      .value();
}

std::string error_of(const auto& result) { return result.ok() ? "ok" : result.status().message(); }

TEST(GenerationArguments, ValuesAreReadByTheRulesOfEvents) {
  const Schema schema = clinical_schema();
  const auto set = parse_assignments(schema,
                                     {"vitals.hr=120", "neuro.state=voice, loud", "neuro.tube=true", "chemistry.cells=7",
                                      "chemistry.creatinine = 88.4 umol/L", "attribute.age=63", "attributes.sex=male", "neuro.pain=some"},
                                     false);
  ASSERT_TRUE(set.ok()) << set.status().to_string();
  ASSERT_EQ(set->features.size(), 6U);
  EXPECT_EQ(set->features[0], (FeatureValue{0, 120}));
  EXPECT_EQ(set->features[1].feature, 1U);
  EXPECT_NEAR(set->features[1].value, 1.0, 0.001) << "converted";
  EXPECT_EQ(set->features[2], (FeatureValue{2, 7}));
  EXPECT_EQ(set->features[3], (FeatureValue{3, 1}));
  EXPECT_EQ(set->features[4], (FeatureValue{4, 1}));
  EXPECT_EQ(set->features[5], (FeatureValue{5, 1}));
  EXPECT_THAT(set->attributes, ElementsAre(AttributeValue{0, 63}, AttributeValue{1, 1}));
  EXPECT_EQ(parse_assignments(schema, {"age=63"}, true)->attributes.front(), (AttributeValue{0, 63}));
}

TEST(GenerationArguments, WhatIsWrongIsToldWithTheNearestNameAndWithoutTheValue) {
  const Schema schema = clinical_schema();
  const std::pair<const char*, const char*> cases[] = {{"vitals.hrr=1", "no feature 'vitals.hrr'; did you mean vitals.hr?"},
                                                       {"hr=1", "did you mean vitals.hr?"},
                                                       {"age=1", "did you mean attribute.age?"},
                                                       {"data_dir=/tmp", "--set"},
                                                       {"vitals.hr", "modality.feature=value"},
                                                       {"vitals.hr=301.5", "vitals.hr: outside the plausible range [0, 300]"},
                                                       {"vitals.hr=fast", "a number is expected"},
                                                       {"vitals.hr=nan", "vitals.hr"},
                                                       {"vitals.hr=", "no value"},
                                                       {"vitals.hr=true", "a number is expected"},
                                                       {"vitals.hr=3 kg", "vitals.hr"},
                                                       {"chemistry.cells=1.5", "not a whole count"},
                                                       {"neuro.tube=2", "neither 0 nor 1"},
                                                       {"neuro.state=alrt", "did you mean alert?"},
                                                       {"neuro.pain=1", "not one of its categories: none"},
                                                       {"neuro.state=0", "not one of its categories: alert, "},
                                                       {"attribute.age=200", "outside the plausible range"},
                                                       {"attribute.sex=1", "female, male"},
                                                       {"attribute.agee=3", "did you mean attribute.age?"}};
  for (const auto& [text, says] : cases) {
    const auto parsed = parse_assignments(schema, {text}, false);
    EXPECT_EQ(parsed.code(), Code::invalid) << text;
    EXPECT_THAT(error_of(parsed), HasSubstr(says)) << text;
    EXPECT_THAT(error_of(parsed), ::testing::Not(HasSubstr("301.5"))) << "a value is a patient's";
  }
  EXPECT_THAT(error_of(parse_assignments(schema, {"vitals.hr=1", "vitals.hr=2"}, false)), HasSubstr("given twice"));
  EXPECT_THAT(error_of(parse_assignments(schema, {"vitals.hr=1"}, true)), HasSubstr("no attribute"));
  const std::string both = error_of(parse_assignments(schema, {"x.y=1", "vitals.hr=-1"}, false));
  EXPECT_THAT(both, ::testing::AllOf(HasSubstr("x.y"), HasSubstr("vitals.hr"))) << "all at once";
}

TEST(GenerationArguments, ModalitiesAndFeaturesByName) {
  const Schema schema = clinical_schema();
  EXPECT_THAT(*parse_modalities(schema, {"neuro", "vitals"}), ElementsAre(2, 0));
  EXPECT_THAT(error_of(parse_modalities(schema, {"vital"})), HasSubstr("did you mean vitals?"));
  EXPECT_THAT(parse_features(schema, {"neuro", "vitals.hr", "neuro.tube"})->features, ElementsAre(0, 3, 4, 5));
  EXPECT_EQ(parse_features(schema, {"all"})->features.size(), schema.feature_count());
  EXPECT_THAT(parse_features(schema, {"all"})->payloads, ElementsAre(3));
  EXPECT_THAT(parse_features(schema, {"note"})->payloads, ElementsAre(3));
  EXPECT_TRUE(parse_features(schema, {"note"})->features.empty());
  EXPECT_THAT(error_of(parse_features(schema, {"chemistry.creatinin"})), HasSubstr("did you mean chemistry.creatinine?"));
}

TEST(GenerationArguments, GivenIsOneObjectOrOneALine) {
  const Schema schema = clinical_schema();
  const Time now = parse_rfc3339("2026-01-02T00:00:00Z").value();
  const std::string one = R"({"patient_id":"a","time":"2026-01-01T00:00:00Z","values":{"vitals":{"hr":80}}})";
  const auto parse = [&](const std::string& text) { return parse_given(schema, text, "given.json", {}, now); };
  EXPECT_EQ(parse(Json::parse(one).dump(2)).value().size(), 1U) << "spread over lines";
  const auto two = parse(one + "\r\n\n" + one + "\n");
  ASSERT_EQ(two.value().size(), 2U);
  EXPECT_EQ(two.value()[1].snapshot.features[0].last, 80);
  EXPECT_THAT(error_of(parse(one + "\n{\"time\":3}\n")), HasSubstr("given.json:2: "));
  EXPECT_THAT(error_of(parse(R"({"time":"2026-01-01T00:00:00Z","values":{"vitals":{"hr":999}}})")), HasSubstr("vitals.hr"));
  EXPECT_THAT(error_of(parse(" \n")), HasSubstr("no patient"));
  EXPECT_EQ(parse("[1,2]").code(), Code::invalid);
}

TEST(GenerationOutput, CsvFieldsAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(csv_field("plain text"), "plain text");
  EXPECT_EQ(csv_field("voice, loud"), "\"voice, loud\"");
  EXPECT_EQ(csv_field("says \"ow\""), "\"says \"\"ow\"\"\"");
  EXPECT_EQ(csv_field("a\nb"), "\"a\nb\"");
}

/// A row's fields, by RFC 4180.
std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') rows.back().back() += text[++i];
    else if (c == '"') quoted = !quoted;
    else if (!quoted && c == ',') rows.back().emplace_back();
    else if (!quoted && c == '\n') rows.push_back({""});
    else rows.back().back() += c;
  }
  rows.pop_back();
  return rows;
}

class Generated : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    options_.latent_dim = 8;
    options_.hidden_dim = 32;
    options_.device = model::Device::cpu;
    model::TrainOptions train;
    train.batch_size = 64;
    train.examples_per_step = 16;
    train.young_pace = 1;
    train.kl_warmup_steps = 50;
    train.learning_rate = 3e-3;
    SyntheticWard ward(5);
    auto learner = model::Learner::make(ward.schema(), options_, train, {}, nullptr, {});
    ASSERT_TRUE(learner.ok()) << learner.status().to_string();
    (*learner)->submit(ward.take(16 * 300));
    version_ = (*learner)->drain();
    checkpoint_ = (*learner)->checkpoint();
    for (const Example& e : ward.take(200)) {
      if (e.before.event_count >= 6) patient_ = e.before;
    }
    patient_.patient_id = "bed 3, \"window\"";
    patient_.features[kHr] = {71.25, patient_.last_time, 1, 71.25F, 71.25F, 0, 71.25F};
    patient_.features[kTube] = patient_.features[kState] = {};
  }
  static void TearDownTestSuite() { version_.reset(); }

  static Generation prepared(const GenerationPlan& plan, const Snapshot& patient, std::uint64_t number = 0) {
    auto made = prepare(schema_, plan, patient, number);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? std::move(*made) : Generation();
  }
  static std::vector<GeneratedPiece> pieces(const Generation& what, std::size_t count) {
    std::vector<GeneratedPiece> out;
    EXPECT_TRUE(generate(*version_, what, count, [&out](const GeneratedPiece& piece) {
                  out.push_back(piece);
                  return Status();
                }).ok());
    return out;
  }
  static std::string text(const GenerationPlan& plan, const Snapshot& patient, GenerationFormat format) {
    const Generation what = prepared(plan, patient);
    const GenerationRows rows(schema_, format, version_->id());
    std::string out = rows.header();
    for (const GeneratedPiece& piece : pieces(what, plan.count)) out += rows.rows(what, piece);
    return out;
  }
  static GenerationPlan plan(std::size_t count, const std::vector<std::string>& set = {}, const std::vector<std::string>& features = {}) {
    GenerationPlan out;
    out.count = count;
    out.intervention = parse_assignments(schema_, set, false).value();
    if (!features.empty()) out.features = parse_features(schema_, features).value();
    return out;
  }

  static const Schema schema_;
  static model::ModelOptions options_;
  static std::shared_ptr<const model::ModelVersion> version_;
  static std::string checkpoint_;
  static Snapshot patient_;
};
const Schema Generated::schema_ = synthetic_schema();
model::ModelOptions Generated::options_;
std::shared_ptr<const model::ModelVersion> Generated::version_;
std::string Generated::checkpoint_;
Snapshot Generated::patient_;

TEST_F(Generated, WhatIsKnownIsKeptAndTheRestIsDrawn) {
  const Generation what = prepared(plan(30), patient_);
  EXPECT_THAT(what.of_interest, ::testing::Contains(kTube));
  for (const GeneratedPiece& piece : pieces(what, 30)) {
    for (std::size_t j = 0; j < what.features.size(); ++j) {
      const FeatureState& state = patient_.features[what.features[j]];
      for (std::size_t i = 0; i < 30 && state.count > 0; ++i) EXPECT_EQ(piece.factual.at(i, j), state.last);
    }
  }
  GenerationPlan hidden = plan(30);
  hidden.hidden = {kVitals};
  const Generation without = prepared(hidden, patient_);
  ASSERT_EQ(without.features.front(), kHr);
  const auto drawn = pieces(without, 2);
  EXPECT_NE(drawn[0].factual.at(0, 0), drawn[0].factual.at(1, 0)) << "hidden: as if never measured";
}

// Of what the model has learned too little nothing is drawn, asked for or not; what is known or set of it stays.
TEST_F(Generated, WhatTheModelDoesNotKnowIsNotDrawn) {
  const auto has = [](const std::vector<FeatureId>& features, FeatureId f) {
    return std::find(features.begin(), features.end(), f) != features.end();
  };
  GenerationPlan some = plan(5);
  some.uninformed.features = {kHr, kTube};
  Generation what = prepared(some, patient_);
  EXPECT_FALSE(has(what.features, kTube));
  EXPECT_TRUE(has(what.features, kHr)) << "it is known";
  EXPECT_TRUE(has(what.features, kState));
  some.features = parse_features(schema_, {"notes", "vitals.hr"}).value();
  what = prepared(some, patient_);
  EXPECT_FALSE(has(what.features, kTube));
  EXPECT_TRUE(has(what.known, kHr)) << "kept, though it was asked to be drawn";
  some.features = parse_features(schema_, {"notes.tube"}).value();
  EXPECT_EQ(prepare(schema_, some, patient_, 0).code(), Code::not_found);
}

TEST_F(Generated, SettingAFeatureToWhatItIsChangesNothing) {
  for (const std::size_t count : {1UL, 40UL, 130UL}) {
    const Generation what = prepared(plan(count, {"vitals.hr=71.25"}, {"all"}), patient_);
    EXPECT_EQ(what.factual, what.intervention);
    for (const GeneratedPiece& piece : pieces(what, count)) EXPECT_EQ(piece.factual.values, piece.intervention.values);
  }
}

TEST_F(Generated, AnInterventionMovesWhatDependsOnIt) {
  // In the ward the heart rate and the tube follow the same hidden number.
  const Generation what = prepared(plan(400, {"vitals.hr=110"}), patient_);
  GenerationSummary summary(schema_);
  for (const GeneratedPiece& piece : pieces(what, 400)) summary.add(what, piece);
  summary.end_patient();
  bool seen = false;
  for (const GenerationSummary::Row& row : summary.rows()) {
    EXPECT_NE(row.feature, kRr) << "known and not set: of no interest";
    if (row.feature == kHr) {
      EXPECT_NEAR(row.difference, 110 - 71.25, 1e-9);
    }
    if (row.feature != kTube) continue;
    seen = true;
    EXPECT_GT(row.difference, 4 * row.difference_se);
    EXPECT_NEAR(row.mean_set - row.mean, row.difference, 1e-9);
    EXPECT_LT(row.difference_se, 0.5 / std::sqrt(400.0) * std::sqrt(2.0)) << "common noise: less than of two independent draws";
  }
  EXPECT_TRUE(seen);
}

TEST_F(Generated, SetAttributesAndLaterTimesReachTheModel) {
  const Generation old = prepared(plan(1, {"attribute.age=90"}), patient_);
  EXPECT_EQ(old.intervention.attributes[0], 90.0F);
  EXPECT_NE(old.factual.attributes[0], 90.0F);
  EXPECT_EQ(old.known, old.known_under_intervention);
  GenerationPlan later = plan(1, {"vitals.hr=90"});
  later.later = std::chrono::hours(5);
  later.attributes = parse_assignments(schema_, {"age=40"}, true).value();
  const Generation what = prepared(later, patient_);
  EXPECT_EQ(what.time, patient_.last_time + std::chrono::hours(5));
  EXPECT_EQ(what.factual.attributes[0], 40.0F);
  EXPECT_EQ(what.intervention.attributes[0], 40.0F);
  const FeatureState& hr = what.intervention.features[kHr];
  EXPECT_EQ(hr.time, what.time);
  EXPECT_EQ(hr.count, 2U) << "one more value, measured now";
  EXPECT_EQ(hr.previous, 71.25F);
}

TEST_F(Generated, ASetFeatureOfAHiddenModalityIsAllThatIsKnownOfIt) {
  GenerationPlan asked = plan(3, {"vitals.hr=90"});
  asked.hidden = {kVitals};
  const Generation what = prepared(asked, patient_);
  EXPECT_EQ(what.intervention.features[kHr].count, 1U);
  EXPECT_EQ(what.intervention.features[kRr].count, 0U);
  EXPECT_THAT(what.known, ::testing::Not(::testing::Contains(kHr)));
  EXPECT_THAT(what.known_under_intervention, ::testing::Contains(kHr));
  const auto drawn = pieces(what, 3);
  EXPECT_NE(drawn[0].factual.at(0, 0), 90);
  EXPECT_EQ(drawn[0].intervention.at(0, 0), 90);
}

TEST_F(Generated, TheSeedDecidesAndMoreSamplesBeginWithTheSame) {
  const Snapshot nobody = unknown_patient(schema_);
  const auto all = [&](const GenerationPlan& asked, std::uint64_t number = 0) {
    std::vector<double> out;
    for (const GeneratedPiece& piece : pieces(prepared(asked, nobody, number), asked.count)) {
      out.insert(out.end(), piece.factual.values.begin(), piece.factual.values.end());
    }
    return out;
  };
  const std::vector<double> first = all(plan(150));
  EXPECT_EQ(first, all(plan(150)));
  GenerationPlan other = plan(150);
  other.seed = 2;
  EXPECT_NE(first, all(other));
  EXPECT_NE(first, all(plan(150), 1)) << "another patient";
  const std::vector<double> more = all(plan(128));
  EXPECT_EQ(std::vector<double>(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(more.size())), more);
  // Beyond the first piece samples are new ones.
  const std::size_t width = schema_.feature_count();
  EXPECT_NE(std::vector<double>(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(width)),
            std::vector<double>(first.begin() + static_cast<std::ptrdiff_t>(128 * width),
                                first.begin() + static_cast<std::ptrdiff_t>(129 * width)));
}

TEST_F(Generated, NothingLeftToDrawIsSaid) {
  Snapshot complete = patient_;
  for (FeatureState& state : complete.features) state = {1, complete.last_time, 1, 1, 1, 0, 1};
  const auto made = prepare(schema_, plan(1), complete, 0);
  EXPECT_EQ(made.code(), Code::not_found);
  EXPECT_THAT(error_of(made), ::testing::AllOf(HasSubstr("--features"), HasSubstr("--hide")));
}

TEST_F(Generated, NdjsonSaysWhatItIsAndIsRefusedAsAnEvent) {
  streaming::EventDecoder decoder(schema_, {});
  std::size_t lines = 0;
  std::string all = text(plan(2, {"vitals.hr=90"}), patient_, GenerationFormat::ndjson);
  all += text(plan(1), unknown_patient(schema_), GenerationFormat::ndjson);
  for (std::size_t at = 0; at < all.size(); ++lines) {
    const std::size_t end = all.find('\n', at);
    const Json row = Json::parse(all.substr(at, end - at));
    EXPECT_EQ(row["imputed"], true);
    EXPECT_EQ(row["generated"], true);
    EXPECT_EQ(row["model_version"], version_->id());
    EXPECT_EQ(row.contains("time"), lines < 4);
    if (lines < 4) {
      EXPECT_EQ(row["arm"], lines % 2 == 0 ? "observed" : "set");
      EXPECT_EQ(row["sample"], lines / 2);
      EXPECT_EQ(row["given"], 1);
      EXPECT_EQ(row["patient_id"], patient_.patient_id);
      EXPECT_EQ(row["known"]["vitals"]["hr"], lines % 2 == 0 ? 71.25 : 90);
      EXPECT_TRUE(row["values"]["notes"]["tube"].is_boolean());
      EXPECT_THAT(row["values"]["notes"]["state"].get<std::string>(), ::testing::AnyOf("low", "middle", "high"));
      EXPECT_FALSE(row["values"].contains("vitals"));
    } else {
      EXPECT_FALSE(row.contains("patient_id") || row.contains("arm") || row.contains("known"));
      EXPECT_EQ(row["values"]["vitals"].size(), 2U);
    }
    const auto decoded = decoder.decode(all.substr(at, end - at), patient_.last_time);
    ASSERT_TRUE(decoded.refused);
    // Even dressed up as an event.
    Json event{{"schema_version", 1},
               {"event_id", "x"},
               {"patient_id", "x"},
               {"modality", "notes"},
               {"time", "2019-12-01T00:00:00Z"},
               {"values", row["values"]["notes"]},
               {"imputed", row["imputed"]}};
    const auto dressed = decoder.decode(event.dump(), patient_.last_time);
    ASSERT_TRUE(dressed.refused);
    EXPECT_EQ(dressed.refused->reason, streaming::Refusal::imputed);
    at = end + 1;
  }
  EXPECT_EQ(lines, 5U);
}

TEST_F(Generated, CsvHasAColumnAFeatureAndTheValuesOfNdjson) {
  const GenerationPlan asked = plan(4, {"vitals.hr=90"});
  const auto rows = read_csv(text(asked, patient_, GenerationFormat::csv));
  const std::string lines = text(asked, patient_, GenerationFormat::ndjson);
  ASSERT_EQ(rows.size(), 9U);
  const std::vector<std::string>& header = rows[0];
  std::size_t at = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), header.size());
    const std::size_t end = lines.find('\n', at);
    const Json json = Json::parse(lines.substr(at, end - at));
    at = end + 1;
    for (std::size_t c = 0; c < header.size(); ++c) {
      const std::size_t dot = header[c].find('.');
      if (header[c] == "patient_id") {
        EXPECT_EQ(rows[i][c], patient_.patient_id);
      }
      if (header[c] == "arm") {
        EXPECT_EQ(rows[i][c], json["arm"]);
      }
      if (header[c] == "imputed" || header[c] == "generated") {
        EXPECT_EQ(rows[i][c], "true");
      }
      if (header[c] == "known") {
        EXPECT_THAT(rows[i][c], HasSubstr("vitals.hr"));
      }
      if (dot == std::string::npos || header[c].starts_with("attribute.")) continue;
      const std::string modality = header[c].substr(0, dot), feature = header[c].substr(dot + 1);
      const Json& part = json["values"].contains(modality) && json["values"][modality].contains(feature) ? json["values"] : json["known"];
      const Json& value = part[modality][feature];
      EXPECT_EQ(value.is_string() ? Json(rows[i][c]) : Json::parse(rows[i][c]), value) << header[c];
    }
  }
}

TEST_F(Generated, ASummaryOfSeveralPatientsCountsPatients) {
  GenerationSummary summary(schema_);
  for (std::uint64_t number = 0; number < 3; ++number) {
    const Generation what = prepared(plan(20, {"notes.tube=true"}, {"notes.state"}), patient_, number);
    for (const GeneratedPiece& piece : pieces(what, 20)) summary.add(what, piece);
    summary.end_patient();
  }
  double shares = 0;
  std::size_t classes = 0;
  for (const GenerationSummary::Row& row : summary.rows()) {
    if (row.feature != kState) continue;
    EXPECT_EQ(row.samples, 60U);
    EXPECT_EQ(row.patients, 3U);
    shares += row.mean;
    ++classes;
  }
  EXPECT_EQ(classes, 3U);
  EXPECT_NEAR(shares, 1, 1e-9);
  const std::string csv = summary.text(GenerationFormat::csv, version_->id(), true);
  EXPECT_EQ(read_csv(csv).front().back(), "difference_se");
  const std::string json = summary.text(GenerationFormat::ndjson, version_->id(), true);
  EXPECT_EQ(Json::parse(json.substr(0, json.find('\n')))["imputed"], true);
}

// "<71.25" is no 71.25: of the arm in which it is known so there is no mean, and no difference to what is set.
TEST_F(Generated, ASummaryTakesNoLimitForItsNumber) {
  Snapshot patient = patient_;
  patient.features[kHr].comparator = Comparator::less;
  const Generation what = prepared(plan(20, {"vitals.hr=110"}), patient);
  GenerationSummary summary(schema_);
  for (const GeneratedPiece& piece : pieces(what, 20)) summary.add(what, piece);
  summary.end_patient();
  const std::string json = summary.text(GenerationFormat::ndjson, version_->id(), true);
  for (std::size_t from = 0, to = 0; (to = json.find('\n', from)) != std::string::npos; from = to + 1) {
    const Json row = Json::parse(json.substr(from, to - from));
    const bool hr = row["feature"] == "vitals.hr";
    EXPECT_EQ(row.contains("mean"), !hr) << row;
    EXPECT_EQ(row.contains("difference"), !hr) << row;
    EXPECT_TRUE(row.contains("mean_set")) << row;
  }
  for (const auto& row : read_csv(summary.text(GenerationFormat::csv, version_->id(), true))) {
    if (row[0] == "vitals.hr") {
      EXPECT_EQ(row[4] + row[5] + row[7] + row[8], "");
    }
  }
}

// Texts are drawn with the rest, written as an event would carry them, and kept where they are known.
TEST(GenerationOfPayloads, AreDrawnUnlessKnown) {
  const Schema schema = clinical_schema();
  model::ModelOptions options;
  options.latent_dim = 4;
  options.hidden_dim = 16;
  options.device = model::Device::cpu;
  const auto version = model::Learner::make(schema, options, {}, {}, nullptr, {}).value()->current();
  GenerationPlan plan;
  const auto rows = [&](const Generation& what) {
    std::vector<Json> out;
    const GenerationRows writer(schema, GenerationFormat::ndjson, version->id());
    EXPECT_TRUE(generate(*version, what, 3, [&](const GeneratedPiece& piece) {
                  std::istringstream lines(writer.rows(what, piece));
                  for (std::string line; std::getline(lines, line);) out.push_back(Json::parse(line));
                  return Status();
                }).ok());
    return out;
  };
  const auto nothing = prepare(schema, plan, unknown_patient(schema), 0);
  ASSERT_TRUE(nothing.ok()) << nothing.status().to_string();
  const auto drawn = rows(*nothing);
  ASSERT_EQ(drawn.size(), 3U);
  for (const Json& row : drawn) EXPECT_TRUE(row["payloads"]["note"]["text"].is_string()) << row;
  // Only the note: no feature at all.
  plan.features = parse_features(schema, {"note"}).value();
  EXPECT_EQ(rows(prepare(schema, plan, unknown_patient(schema), 0).value()).front()["values"], Json::object());
  // A known one is no target, and is not written.
  Snapshot known = unknown_patient(schema);
  known.modalities[3] = {Time{}, 1, PayloadRef(Payload{{}, {}, "no acute disease"})};
  EXPECT_THAT(error_of(prepare(schema, plan, known, 0)), HasSubstr("--hide"));
  plan.features.reset();
  EXPECT_FALSE(rows(prepare(schema, plan, known, 0).value()).front().contains("payloads"));
  plan.hidden = {3};
  EXPECT_TRUE(rows(prepare(schema, plan, known, 0).value()).front().contains("payloads"));
}

// A row for each patient of whom something is known, however many there are, each as if it were the only one.
TEST_F(Generated, LatentStatesAreOneRowAPatient) {
  std::ostringstream out;
  LatentRows rows(*version_, out);
  Snapshot merged = patient_;
  merged.event_count = 0;
  std::vector<Snapshot> asked;
  for (int i = 0; i < 300; ++i) {
    asked.push_back(patient_);
    asked.back().patient_id += std::to_string(i);
    asked.back().features[kHr].last = 40 + i;
    ASSERT_TRUE(rows.add(asked.back()).ok());
    ASSERT_TRUE(rows.add(merged).ok());
  }
  ASSERT_TRUE(rows.finish().ok());
  EXPECT_EQ(rows.rows(), 300U);
  const auto csv = read_csv(out.str());
  ASSERT_EQ(csv.size(), 301U);
  ASSERT_EQ(csv[0].size(), 3U + 2 * 8);
  EXPECT_THAT((std::vector<std::string>(csv[0].begin(), csv[0].begin() + 4)), ElementsAre("patient_id", "time", "model_version", "mean_0"));
  EXPECT_EQ(csv[0].back(), "sd_7");
  for (const int i : {0, 255, 256, 299}) {
    const auto& row = csv[static_cast<std::size_t>(i) + 1];
    model::Query query{&asked[static_cast<std::size_t>(i)], patient_.last_time, {}, {}, 0};
    query.latent = true;
    const LatentState state = version_->predict({&query, 1}).value()[0].latent.value();
    EXPECT_EQ(row[0], patient_.patient_id + std::to_string(i));
    EXPECT_EQ(row[1], format_rfc3339(patient_.last_time));
    EXPECT_EQ(row[2], version_->id());
    EXPECT_NEAR(std::stod(row[3 + 2]), state.mean[2], 1e-4);
    EXPECT_NEAR(std::stod(row[3 + 8 + 2]), state.sd[2], 1e-4);
  }
}

}  // namespace
}  // namespace lacuna::daemon
