// Protects: payloads on their way through a batch. What arrives at one time makes one example, a payload alone too; the newest is in
// the snapshot, its changelog record and its Examples; asked for is what is missing or stale, and only that is published, in the
// form that the configuration wants. Method: random events through a batch with a model that answers by a formula.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/imputation.h"
#include "state/patient.h"
#include "streaming/messages/encoders.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

enum : ModalityId { kVitals, kFilm, kReport, kCodes };

std::shared_ptr<const Schema> schema() {
  std::vector<Schema::ModalitySpec> specs(4);
  const auto declare = [&specs](ModalityId m, const char* name, ModalityKind kind, PayloadSpec spec) {
    specs[m].modality.name = name;
    specs[m].modality.kind = kind;
    specs[m].modality.payload = std::move(spec);
    specs[m].modality.stale_after = std::chrono::hours(10);
  };
  declare(kVitals, "vitals", ModalityKind::tabular, {});
  specs[kVitals].features.resize(1);
  specs[kVitals].features[0].name = "hr";
  declare(kFilm, "film", ModalityKind::image, {2, 1, 3, 0, TextModel::bag, 2000, {}});
  declare(kReport, "report", ModalityKind::text, {1, 0, 0, 16, TextModel::bag, 2000, {}});
  declare(kCodes, "codes", ModalityKind::embedding, {1, 0, 0, 2, TextModel::bag, 2000, {}});
  return std::make_shared<const Schema>(Schema::make(std::move(specs), {}).value());
}

/// Answers each payload with its index as mean, and remembers what it was asked for.
class FakeVersion final : public model::ModelVersion {
 public:
  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return 1; }
  std::int64_t parameter_count() const override { return 0; }
  double loss() const override { return 0; }
  Result<std::vector<model::Prediction>> predict(std::span<const model::Query> queries) const override {
    std::vector<model::Prediction> out;
    for (const model::Query& q : queries) {
      model::Prediction& p = out.emplace_back();
      p.features = q.wanted;
      p.predictive.assign(q.wanted.size(), model::Predictive{Likelihood::normal, {1}, {70}, {1}, {}});
      for (const ModalityId m : q.wanted_payloads) p.payloads.push_back(payload(m));
    }
    return out;
  }
  static model::PayloadPrediction payload(ModalityId m) {
    model::PayloadPrediction p;
    p.modality = m;
    if (m == kReport) {
      for (int i = 0; i < 300; ++i) {
        p.vocabulary.push_back("w" + std::to_string(i));
        p.mean.push_back(static_cast<float>(i % 100));
      }
      return p;
    }
    for (int i = 0; i < (m == kFilm ? 6 : 2); ++i) p.mean.push_back(static_cast<float>(i));
    p.sd.assign(p.mean.size(), 2);
    p.low.assign(p.mean.size(), -1);
    p.high.assign(p.mean.size(), 9);
    return p;
  }
  Result<std::vector<std::vector<float>>> codes(std::span<const model::Query> queries) const override {
    return std::vector<std::vector<float>>(queries.size(), {0, 0});
  }
  Result<std::vector<model::Samples>> sample(std::span<const model::SampleQuery>) const override {
    return Status(Code::internal, "not asked");
  }
  model::LearnedFrom learned_from(FeatureId) const override { return {1000, 100}; }
  model::LearnedFrom learned_from_payload(ModalityId) const override { return {1000, 100}; }
  std::pair<double, double> moments(FeatureId) const override { return {0, 1}; }

 private:
  std::string id_ = "v";
};

class PayloadBatch : public ::testing::Test {
 protected:
  PayloadBatch() {
    config_.schema = schema();
    config_.model.latent_dim = 2;
    config_.alerts.latent_dimensions = 2;
    config_.late_max = std::chrono::hours(1000);
    state::StoreOptions options;
    options.path = folder_.path() + "/state";
    auto opened = state::Store::open(*config_.schema, options);
    if (opened.ok()) store_ = std::move(*opened);
  }
  Event event(ModalityId m, int minute) {
    Event e;
    e.event_id = std::to_string(sent_++);
    e.patient_id = "p";
    e.modality = m;
    e.time = at(minute);
    Payload payload;
    switch (m) {
      case kVitals: e.values = {{0, static_cast<double>(sent_)}}; return e;
      case kReport: payload.text = "report " + e.event_id; break;
      default: payload.values.assign(m == kFilm ? 6 : 2, static_cast<float>(sent_)); break;
    }
    e.payload = PayloadRef(std::move(payload));
    return e;
  }
  static Time at(int minute) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute); }

  /// The whole way; the store has what the batch wrote when it returns.
  void run(const std::vector<Event>& events) {
    std::vector<streaming::Record> records;
    for (const Event& e : events) {
      streaming::Record& r = records.emplace_back();
      r.position = {"lacuna.events", 0, static_cast<std::int64_t>(offset_++)};
      r.key = e.patient_id;
      r.value = streaming::encode_event(*config_.schema, e);
    }
    Batch batch(config_, std::move(records));
    RecordDecoder decoder(config_);
    batch.decode(decoder, at(100'000), {});
    ASSERT_TRUE(batch.load(*store_, nullptr).ok());
    StreamState state(config_);
    batch.advance(state.monitor);
    ASSERT_TRUE(batch.settle(*store_).ok());
    batch.score(version_, state);
    batch.impute(version_, state.calibrator);
    Tallies tallies;
    transaction_ = batch.encode({}, tallies, store_->schemas(), {});
    imputations_ = batch.imputations();
    auto change = batch.change(state, tallies, at(0));
    examples_ = change.examples;
    ASSERT_TRUE(store_->apply(change).ok());
    ASSERT_EQ(batch.counts().refused, 0U);
  }
  Snapshot changelog() const {
    for (const auto& output : transaction_.outputs) {
      if (output.topic == config_.topics.state && output.key == "p/tabular")
        return state::decode_snapshot(*config_.schema, *output.value).value();
    }
    return {};
  }

  Config config_;
  lacuna::testing::ScratchFolder folder_;
  std::unique_ptr<state::Store> store_;
  FakeVersion version_;
  int sent_ = 1, offset_ = 0;
  streaming::Transaction transaction_;
  std::vector<Imputation> imputations_;
  std::vector<Example> examples_;
};

// Against a plain model: apply in order, one example for each time that is not behind, with what arrived then.
TEST_F(PayloadBatch, RandomStreamsMakeTheExamplesAndStatesOfAPlainModel) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Snapshot plain = store_->snapshot("p").ok() ? store_->snapshot("p").value() : state::new_snapshot(*config_.schema, "p");
    std::vector<Event> events;
    const int base = static_cast<int>(seed) * 50;
    for (int i = 0; i < 40; ++i) events.push_back(event(static_cast<ModalityId>(random() % 4), base + static_cast<int>(random() % 40)));
    run(events);
    if (HasFatalFailure()) return;
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    std::vector<Example> expected;
    for (std::size_t i = 0; i < events.size();) {
      Example e{plain, events[i].time, {}};
      e.before.recent_ids.clear();
      std::map<FeatureId, double> values;
      std::map<ModalityId, PayloadRef> payloads;
      for (; i < events.size() && events[i].time == e.time; ++i) {
        for (const FeatureValue& v : events[i].values) values[v.feature] = v.value;
        if (events[i].payload) payloads[events[i].modality] = events[i].payload;
        state::apply_fresh(*config_.schema, plain, events[i], {}, Millis::max());
      }
      for (const auto& [f, v] : values) e.arrived.push_back({f, v});
      for (const auto& [m, p] : payloads) e.arrived_payloads.push_back({m, p});
      if (e.before.event_count == 0) {  // of the first moment what holds for the stay is known
        e.before.attributes = plain.attributes;
        e.before.site = plain.site;
      }
      expected.push_back(e);
    }
    ASSERT_EQ(examples_.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      Example got = examples_[i];
      std::sort(got.arrived_payloads.begin(), got.arrived_payloads.end(),
                [](const PayloadValue& a, const PayloadValue& b) { return a.modality < b.modality; });
      got.before.source = expected[i].before.source;
      ASSERT_EQ(got, expected[i]) << i;
    }
    Snapshot logged = changelog(), stored = store_->snapshot("p").value();
    ASSERT_EQ(logged, stored);
    stored.source = plain.source;
    ASSERT_EQ(stored, plain);
  }
  const auto drawn = store_->draw(500, 3);
  ASSERT_TRUE(drawn.ok());
  EXPECT_TRUE(std::any_of(drawn->begin(), drawn->end(), [](const Example& e) { return !e.arrived_payloads.empty() && e.arrived.empty(); }))
      << "the replay buffer holds moments of payloads alone";
}

TEST_F(PayloadBatch, OnlyWhatIsMissingOrStaleIsPublished) {
  run({event(kVitals, 0), event(kFilm, 1)});
  ASSERT_EQ(imputations_.size(), 1U);
  EXPECT_EQ(imputations_[0].based_on, (std::vector<ModalityId>{kVitals, kFilm}));
  ASSERT_EQ(imputations_[0].payloads.size(), 2U);
  EXPECT_EQ(imputations_[0].payloads[0].modality, kReport);
  EXPECT_EQ(imputations_[0].payloads[0].reason, ImputationReason::never_measured);
  EXPECT_EQ(imputations_[0].payloads[1].modality, kCodes);

  run({event(kReport, 11 * 60 + 30)});  // by now the film is stale
  ASSERT_EQ(imputations_.size(), 1U);
  EXPECT_EQ(imputations_[0].based_on, (std::vector<ModalityId>{kReport}));
  ASSERT_EQ(imputations_[0].payloads.size(), 2U);
  EXPECT_EQ(imputations_[0].payloads[0].modality, kFilm);
  EXPECT_EQ(imputations_[0].payloads[0].reason, ImputationReason::stale);

  config_.imputation_features = "never_measured";
  run({event(kReport, 11 * 60 + 31)});
  ASSERT_EQ(imputations_[0].payloads.size(), 1U);
  EXPECT_EQ(imputations_[0].payloads[0].modality, kCodes);
  config_.imputation_payloads = PayloadDetail::none;
  run({event(kReport, 11 * 60 + 32)});
  EXPECT_TRUE(imputations_[0].payloads.empty());
}

TEST_F(PayloadBatch, WholeOrInShort) {
  const ImputedPayload film =
      make_imputed_payload(*config_.schema, FakeVersion::payload(kFilm), ImputationReason::stale, PayloadDetail::summary);
  ASSERT_EQ(film.channels.size(), 2U);
  EXPECT_TRUE(film.mean.empty() && film.sd.empty() && film.low.empty() && film.high.empty());
  EXPECT_EQ(film.channels[0].mean, 1);
  EXPECT_EQ(film.channels[1].mean, 4);
  EXPECT_NEAR(film.channels[0].sd, std::sqrt(4 + 2.0 / 3), 1e-9) << "uncertainty, and the spread from place to place";
  const ImputedPayload codes =
      make_imputed_payload(*config_.schema, FakeVersion::payload(kCodes), ImputationReason::stale, PayloadDetail::summary);
  ASSERT_EQ(codes.channels.size(), 1U);
  const ImputedPayload whole =
      make_imputed_payload(*config_.schema, FakeVersion::payload(kFilm), ImputationReason::stale, PayloadDetail::whole);
  EXPECT_TRUE(whole.channels.empty());
  EXPECT_EQ(whole.mean, FakeVersion::payload(kFilm).mean);
  EXPECT_EQ(whole.high, std::vector<float>(6, 9));

  const auto words = [&](PayloadDetail detail) {
    return make_imputed_payload(*config_.schema, FakeVersion::payload(kReport), ImputationReason::stale, detail).words;
  };
  ASSERT_EQ(words(PayloadDetail::summary).size(), kWordsInSummary);
  ASSERT_EQ(words(PayloadDetail::whole).size(), kWordsInWhole);
  EXPECT_EQ(words(PayloadDetail::summary)[0].word, "w99");
  EXPECT_EQ(words(PayloadDetail::summary)[1].word, "w199") << "of equal ones the vocabulary's order";
  EXPECT_EQ(words(PayloadDetail::summary)[3].expected, 98);
}

// A model that cannot predict payloads, or not yet, answers with none: nothing is published of them, and nothing breaks.
TEST_F(PayloadBatch, AModelThatPredictsNoPayloads) {
  model::Prediction none;
  const Imputation made =
      make_imputation(config_, state::new_snapshot(*config_.schema, "p"), at(0), none, StreamState(config_).calibrator, version_);
  EXPECT_TRUE(made.payloads.empty());
  EXPECT_TRUE(made.based_on.empty());
}

}  // namespace
}  // namespace lacuna::daemon
