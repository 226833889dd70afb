#include "daemon/pipeline/latent_reference.h"

#include <gtest/gtest.h>

#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "state/patient.h"
#include "tests/support/scratch_folder.h"

// Protects the fixed reference of the latent codes: it is gathered once, holds no name, outlives a restart piece by piece, and is
// encoded anew by each version, so that a version alone never looks like drift.

namespace lacuna::daemon {
namespace {

Time at(int hour) { return Time(std::chrono::hours(hour)); }

/// Codes are the patient's first temperature, as this version sees it.
class FakeVersion final : public model::ModelVersion {
 public:
  FakeVersion(std::string id, float factor) : id_(std::move(id)), factor_(factor) {}
  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return 1; }
  std::int64_t parameter_count() const override { return 0; }
  double loss() const override { return 0; }
  Result<std::vector<model::Prediction>> predict(std::span<const model::Query>) const override {
    return Status(Code::internal, "not asked");
  }
  Result<std::vector<std::vector<float>>> codes(std::span<const model::Query> queries) const override {
    encoded += queries.size();
    std::vector<std::vector<float>> out;
    for (const model::Query& q : queries) out.push_back({factor_ * static_cast<float>(q.snapshot->features[0].last), factor_});
    return out;
  }
  Result<std::vector<model::Samples>> sample(std::span<const model::SampleQuery>) const override {
    return Status(Code::internal, "not asked");
  }
  model::LearnedFrom learned_from(FeatureId) const override { return {1000, 100}; }
  model::LearnedFrom learned_from_payload(ModalityId) const override { return {1000, 100}; }
  std::pair<double, double> moments(FeatureId) const override { return {0, 1}; }
  mutable std::size_t encoded = 0;

 private:
  std::string id_;
  float factor_;
};

class LatentReferenceTest : public ::testing::Test {
 protected:
  LatentReferenceTest() {
    options_.latent_dimensions = 2;
    options_.learning = std::chrono::hours(1);
    monitor_.emplace(schema_, options_);
    state::StoreOptions store;
    store.path = folder_.path() + "/state";
    auto opened = state::Store::open(schema_, store);
    if (opened.ok()) store_ = std::move(*opened);
  }
  Snapshot patient(int number, double value) {
    Snapshot s = state::new_snapshot(schema_, "patient-" + std::to_string(number));
    s.event_count = 3;
    s.first_time = at(number);
    s.last_time = at(number + 6);
    s.features[0].last = value;
    s.features[0].count = 1;
    s.features[0].time = s.last_time;
    return s;
  }
  /// Patients come one after the other; each is due once.
  void come(LatentReference& reference, const FakeVersion& version, int from, int count, double shift) {
    for (int i = from; i < from + count; ++i) {
      const Snapshot s = patient(i, shift + (i * 7919 % 1000) / 1000.0);
      monitor_->observe(drift::Arrival{s.patient_id, "", 0, s.first_time, {}, {}});
      for (const int hour : {6, 7}) {
        if (monitor_->code_due(s.patient_id, s.first_time + std::chrono::hours(hour))) reference.observe(version, *monitor_, {&s});
      }
    }
  }
  drift::SubjectView view() const {
    for (const drift::SubjectView& v : monitor_->subjects()) {
      if (v.kind == "latent") return v;
    }
    return {};
  }
  void keep(LatentReference& reference) {
    state::StateChange change;
    change.meta = reference.save_new(schema_);
    ASSERT_TRUE(store_->apply(change).ok());
  }

  const lacuna::testing::ScratchFolder folder_;
  const Schema schema_ = ward_schema();
  drift::MonitorOptions options_;
  std::optional<drift::Monitor> monitor_;
  std::unique_ptr<state::Store> store_;
};

TEST_F(LatentReferenceTest, IsGatheredOnceAndThenCodesAreHeldAgainstIt) {
  const FakeVersion version("one", 1);
  LatentReference reference;
  come(reference, version, 0, static_cast<int>(drift::Monitor::kReference), 0);
  EXPECT_EQ(version.encoded, 0u);
  EXPECT_EQ(view().state, drift::SubjectState::armed);
  EXPECT_EQ(view().updates, drift::Monitor::kReference);
  come(reference, version, 400, 300, 0);
  EXPECT_EQ(version.encoded, drift::Monitor::kReference + 300);  // the reference once, each patient once
  EXPECT_EQ(view().updates, drift::Monitor::kReference + 300);
  // Another version, of which the codes are ten times as large: no drift.
  const FakeVersion next("two", 10);
  come(reference, next, 700, 300, 0);
  EXPECT_EQ(next.encoded, drift::Monitor::kReference + 300);
  EXPECT_TRUE(monitor_->take_alerts().empty());
  // Other patients: drift.
  come(reference, next, 1000, 200, 0.5);
  const auto alerts = monitor_->take_alerts();
  ASSERT_FALSE(alerts.empty());
  EXPECT_EQ(alerts.front().kind, "latent");
  // Taken as the new normal, it is gathered anew.
  ASSERT_TRUE(monitor_->accept("latent", "codes", at(1200)).ok());
  come(reference, next, 1200, static_cast<int>(drift::Monitor::kReference) + 200, 0.5);
  EXPECT_EQ(view().state, drift::SubjectState::armed);
  for (const Alert& a : monitor_->take_alerts()) EXPECT_EQ(a.resolution, Resolution::accepted);
}

TEST_F(LatentReferenceTest, OutlivesARestartPieceByPieceAndHoldsNoName) {
  const FakeVersion version("one", 1);
  LatentReference reference;
  std::size_t pieces = 0;
  for (int i = 0; i < 8; ++i) {
    come(reference, version, i * 50, 50, 0);
    const auto written = reference.save_new(schema_);
    EXPECT_EQ(written.size(), 51u);  // each patient once, and how many there are
    pieces += written.size() - 1;
    for (const auto& [name, bytes] : written) EXPECT_EQ(bytes.find("patient-"), std::string::npos) << name;
    state::StateChange change;
    change.meta = written;
    ASSERT_TRUE(store_->apply(change).ok());
    EXPECT_TRUE(reference.save_new(schema_).empty());
  }
  EXPECT_EQ(pieces, drift::Monitor::kReference);
  LatentReference restored;
  ASSERT_TRUE(restored.load(*store_).ok());
  EXPECT_TRUE(restored.save_new(schema_).empty());
  come(reference, version, 400, 20, 0);
  come(restored, version, 420, 20, 0);
  EXPECT_EQ(view().updates, drift::Monitor::kReference + 40);
  EXPECT_EQ(version.encoded, 2 * (drift::Monitor::kReference + 20));
  // Without it, after the disk was lost, it is gathered anew.
  LatentReference lost;
  come(lost, version, 440, 20, 0);
  EXPECT_TRUE(monitor_->gathers_reference());
  EXPECT_EQ(view().updates, 19u);  // the first one was met by the loss
}

}  // namespace
}  // namespace lacuna::daemon
