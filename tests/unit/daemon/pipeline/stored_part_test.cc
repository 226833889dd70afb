#include "daemon/pipeline/stored_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/pipeline/stream_state.h"
#include "daemon/simulator/ward_schema.h"
#include "tests/support/scratch_folder.h"

// Protects: what the store has of the state that follows the stream is, after each batch, what the state is, though a batch writes only
// what has changed of it; and a batch that changes nothing writes nothing of it.

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

TEST(StoredPart, WritesWhatIsAnother) {
  StoredPart part;
  EXPECT_TRUE(part.anew());
  const Piece a = piece("a");
  state::PartChange first = part.change_to({a, piece("b")});
  EXPECT_TRUE(first.anew);
  EXPECT_EQ(first.count, 2u);
  EXPECT_EQ(first.pieces.size(), 2u);
  EXPECT_FALSE(part.anew());
  state::PartChange second = part.change_to({a, piece("B"), piece("c")});
  EXPECT_FALSE(second.anew);
  EXPECT_EQ(second.count, 3u);
  EXPECT_THAT(second.pieces, ElementsAre(Pair(1u, ::testing::Pointee(std::string("B"))), Pair(2u, ::testing::Pointee(std::string("c")))));
  state::PartChange third = part.change_to({piece("a"), piece("B"), piece("c")});
  EXPECT_FALSE(third.count);
  EXPECT_THAT(third.pieces, IsEmpty()) << "other objects of the same content";
}

TEST(StoredPart, GoesOnFromWhatTheStoreTold) {
  StoredPart part({piece("a"), piece("b")});
  const state::PartChange change = part.change_to({piece("a"), piece("c")});
  EXPECT_FALSE(change.anew);
  EXPECT_FALSE(change.count);
  EXPECT_THAT(change.pieces, ElementsAre(Pair(1u, ::testing::Pointee(std::string("c")))));
  EXPECT_TRUE(StoredPart(Pieces()).anew()) << "as an earlier build wrote it: whole";
}

class StreamStateInTheStore : public ::testing::Test {
 protected:
  StreamStateInTheStore() {
    config_.schema = std::make_shared<Schema>(ward_schema());
    config_.store.path = folder_.path() + "/state";
    auto opened = state::Store::open(*config_.schema, config_.store);
    if (opened.ok()) store_ = std::move(*opened);
  }
  /// A vital sign panel of one patient, scored.
  void event(StreamState& state, int patient, int minute) {
    const std::string id = "p" + std::to_string(patient);
    const Time time = *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute);
    const std::vector<FeatureValue> values{{0, 80.0 + patient}, {1, 20}};
    const std::vector<std::optional<float>> attributes{60.0F, 1.0F, 2.0F};
    state.monitor.observe(drift::Arrival{id, "icu", 0, time, values, {}, nullptr});
    for (const FeatureValue& v : values) {
      const model::Predictive predictive{Likelihood::normal, {1}, {static_cast<float>(v.value + 0.1 * patient)}, {1}, {}};
      const model::Score s = model::score_arrival(state.calibrator, {Likelihood::normal, v.value, 1}, model::Recency::fresh, predictive,
                                                  {v.feature, v.value, {}, 0.5, {}});
      state.scores.add(s);
      state.subgroups.add(id, attributes, time, s);
      state.monitor.observe(drift::Scored{id, v.feature, time, s.z, !s.central, s.error_model, attributes, v.value});
    }
    state.newest = time;
  }
  std::uint64_t write(StreamState& state) {
    const std::uint64_t before = store_->written();
    state::StateChange change;
    state.save_new(*config_.schema, change);
    EXPECT_TRUE(store_->apply(change).ok());
    return store_->written() - before;
  }
  void expect_stored(const StreamState& state) {
    StreamState again(config_);
    const Status loaded = again.load(config_, *store_);
    ASSERT_TRUE(loaded.ok()) << loaded.to_string();
    EXPECT_EQ(again.save(), state.save());
  }

  lacuna::testing::ScratchFolder folder_;
  Config config_;
  std::unique_ptr<state::Store> store_;
};

TEST_F(StreamStateInTheStore, IsWhatItIsAfterEachBatch) {
  ASSERT_TRUE(store_);
  StreamState state(config_);
  ASSERT_TRUE(state.load(config_, *store_).ok());
  for (int batch = 0; batch < 60; ++batch) {
    for (int i = 0; i < 5; ++i) event(state, (batch * 5 + i) % 40, 15 * batch + i);
    if (batch == 30) state.monitor.forget("p3"), state.subgroups.forget("p3");
    state.monitor.advance(state.newest - std::chrono::hours(2));
    write(state);
    if (batch % 10 != 9) continue;
    expect_stored(state);
    ASSERT_TRUE(state.load(config_, *store_).ok()) << "as after an aborted batch";
  }
  write(state);
  EXPECT_LT(write(state), 20u) << "nothing has changed: a write batch without anything in it";
}

// What a build before pieces left, and what is adopted from topics.model.
TEST_F(StreamStateInTheStore, TakesThePlaceOfAWhole) {
  ASSERT_TRUE(store_);
  StreamState before(config_);
  for (int i = 0; i < 50; ++i) event(before, i, i);
  state::StateChange whole;
  whole.meta = before.save();
  ASSERT_TRUE(store_->apply(whole).ok());
  StreamState state(config_);
  ASSERT_TRUE(state.load(config_, *store_).ok());
  EXPECT_EQ(state.save(), before.save());
  write(state);
  EXPECT_FALSE(store_->meta("monitor")->pieces.empty());
  expect_stored(before);
  event(state, 3, 60);
  write(state);
  expect_stored(state);
}

// One batch of one event writes little, however many are followed.
TEST_F(StreamStateInTheStore, CostsABatchWhatIsInIt) {
  ASSERT_TRUE(store_);
  StreamState state(config_);
  for (int i = 0; i < 100; ++i) event(state, i, i / 10);
  write(state);
  event(state, 1, 20);
  const std::uint64_t of_few = write(state);
  for (int i = 100; i < 3000; ++i) event(state, i, 20);
  write(state);
  event(state, 1, 21);
  EXPECT_LT(write(state), of_few * 11 / 10);
  EXPECT_LT(of_few, 10'000u);
}

}  // namespace
}  // namespace lacuna::daemon
