// The simulated log keeps the contract of event_log.h while its faults are off, and its faults are those of Kafka.

#include "tests/support/simulated_log.h"
#include "tests/support/event_log_contract.h"

namespace lacuna::streaming {
namespace {

class SimulatedUnderTest final : public LogUnderTest {
 public:
  LogFactory& factory() override { return log_; }
  void reopen() override {}  // what is in memory is what a broker would have on its disks
  std::string name(const std::string& base) override { return base; }

 private:
  std::mt19937_64 random_{1};
  SimulatedClock clock_{*parse_rfc3339("2026-03-01T00:00:00Z")};
  SimulatedLog log_{clock_, random_};
};

INSTANTIATE_TEST_SUITE_P(Simulated, EventLogContract, ::testing::Values(MakeLog{[] { return std::make_unique<SimulatedUnderTest>(); }}),
                         [](const auto&) { return "Log"; });

class SimulatedLogFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log_.ensure_topics({{"in", 2, {}}, {"out", 1, {}}}).ok());
    auto appender = log_.appender();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE((*appender)->append({"in", i % 2, "k", std::to_string(i), {}}).ok());
  }
  std::unique_ptr<EventLog> join(const std::string& id, AssignmentListener listener = {}) {
    auto client = log_.open("g", id);
    EXPECT_TRUE((*client)->subscribe({"in"}, std::move(listener)).ok());
    EXPECT_TRUE((*client)->poll(0, Millis(0)).ok());
    return std::move(*client);
  }
  /// One output, and the first partition's position.
  static Transaction step(std::int64_t next) { return {{{"out", 0, "k", std::to_string(next), {}}}, {{{"in", 0}, next}}, ""}; }
  std::vector<std::int64_t> visible() {
    std::vector<std::int64_t> offsets;
    const auto records = (*log_.reader())->read({"out", 0}, 0, 100, Millis(0));
    for (const Record& r : *records) offsets.push_back(r.position.offset);
    return offsets;
  }
  std::uint64_t count(Fault fault) const { return log_.counts()[static_cast<std::size_t>(fault)]; }

  std::mt19937_64 random_{1};
  SimulatedClock clock_{*parse_rfc3339("2026-03-01T00:00:00Z")};
  SimulatedLog log_{clock_, random_};
};

TEST_F(SimulatedLogFaults, MarkersAndTornStepsTakeOffsets) {
  const auto a = join("a");
  ASSERT_TRUE(a->commit(step(1)).ok());
  ASSERT_TRUE(a->commit(step(2)).ok());
  EXPECT_EQ(visible(), (std::vector<std::int64_t>{0, 2}));  // a marker after each
  log_.set_probability(Fault::commit_torn, 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(a->commit(step(3)).code(), Code::aborted);
    ASSERT_TRUE(a->poll(0, Millis(0)).ok());
  }
  EXPECT_EQ(a->committed({"in", 0}, Millis(0))->next_offset, 2);
  log_.calm();
  ASSERT_TRUE(a->commit(step(3)).ok());
  ASSERT_EQ(visible().size(), 3u);
  EXPECT_GT(visible().back(), 4);
}

// A poll that is to put the read positions back may be refused; nothing that moves a position is made before one was not.
TEST_F(SimulatedLogFaults, TheNextPollPutsBackWhatAFailedStepMoved) {
  const auto a = join("a");
  ASSERT_EQ(a->poll(20, Millis(0))->size(), 20u);
  log_.set_probability(Fault::commit_aborted, 1);
  EXPECT_EQ(a->commit(step(3)).code(), Code::aborted);
  log_.calm();
  log_.set_probability(Fault::rewind_refused, 1);
  EXPECT_EQ(a->poll(20, Millis(0)).code(), Code::unavailable);
  EXPECT_EQ(a->commit(step(3)).code(), Code::aborted);
  EXPECT_TRUE(a->commit({{{"out", 0, "k", "alone", {}}}, {}, ""}).ok());
  log_.calm();
  EXPECT_EQ(a->poll(20, Millis(0))->size(), 20u);
  EXPECT_TRUE(a->commit(step(3)).ok());
  EXPECT_TRUE(a->poll(20, Millis(0))->empty());
}

TEST_F(SimulatedLogFaults, AnUnknownOutcomeIsFoundOutByTheNextClient) {
  for (const bool applied : {true, false}) {
    log_.set_probability(applied ? Fault::commit_unknown_applied : Fault::commit_unknown_lost, 1);
    auto a = join("a");
    const std::int64_t before = a->committed({"in", 0}, Millis(0))->next_offset;
    EXPECT_EQ(a->commit(step(before + 1)).code(), Code::internal);
    EXPECT_EQ(a->poll(1, Millis(0)).code(), Code::fenced);
    a.reset();
    log_.calm();
    EXPECT_EQ(join("a")->committed({"in", 0}, Millis(0))->next_offset, before + (applied ? 1 : 0));
  }
}

TEST_F(SimulatedLogFaults, AMemberThatWasPutOutCommitsNothing) {
  bool told = false;
  AssignmentListener listener;
  listener.revoked = [&](const std::vector<TopicPartition>&, bool lost) { told = lost; };
  const auto a = join("a", listener);
  ASSERT_EQ(a->poll(100, Millis(0))->size(), 20u);
  clock_.advance(SimulatedLog::kSessionTimeout + Millis(1));
  const auto b = join("b");
  EXPECT_EQ(log_.owner("g", {"in", 0}), "b");
  EXPECT_EQ(a->commit(step(1)).code(), Code::aborted);
  EXPECT_EQ(count(Fault::stale_commit), 1u);
  EXPECT_FALSE(told);
  EXPECT_TRUE(a->poll(0, Millis(0)).ok());
  EXPECT_TRUE(told);
  EXPECT_TRUE(visible().empty());
}

// A step on its way when the partition moves: whoever reads the position next sees it decided, and so does the old owner.
TEST_F(SimulatedLogFaults, AStepOnItsWayIsDecidedBeforeThePositionIsRead) {
  log_.set_probability(Fault::commit_delayed, 1);
  for (std::int64_t next = 1; next <= 10; ++next) {
    auto a = join("a");
    a->start_commit(step(next));
    clock_.advance(SimulatedLog::kSessionTimeout + Millis(1));
    auto b = join("b");
    const std::int64_t seen = b->committed({"in", 0}, Millis(0))->next_offset;
    const auto outcome = a->finish_commit();
    EXPECT_EQ(outcome.ok(), seen == next);
    EXPECT_EQ(b->committed({"in", 0}, Millis(0))->next_offset, seen);
  }
}

TEST_F(SimulatedLogFaults, PartitionsMoveOneByOne) {
  const auto a = join("a");
  const auto b = join("b");
  EXPECT_TRUE(b->assignment().empty());  // its owner has not given it up
  ASSERT_TRUE(a->poll(0, Millis(0)).ok());
  EXPECT_EQ(a->assignment().size(), 1u);
  ASSERT_TRUE(b->poll(0, Millis(0)).ok());
  EXPECT_EQ(b->assignment().size(), 1u);
}

TEST_F(SimulatedLogFaults, TheDeadKeepTheirPartitionsUntilTheirTimeIsOver) {
  auto a = join("a");
  log_.set_crashing(true);
  a.reset();
  log_.set_crashing(false);
  const auto b = join("b");
  EXPECT_TRUE(b->assignment().empty());
  clock_.advance(SimulatedLog::kSessionTimeout - Millis(1));
  ASSERT_TRUE(b->poll(0, Millis(0)).ok());
  EXPECT_TRUE(b->assignment().empty());
  clock_.advance(Millis(2));
  ASSERT_TRUE(b->poll(0, Millis(0)).ok());
  EXPECT_EQ(b->assignment().size(), 2u);
}

TEST_F(SimulatedLogFaults, CompactionKeepsTheNewestOfEachKey) {
  const auto a = join("a");
  for (std::int64_t next = 1; next <= 5; ++next) ASSERT_TRUE(a->commit(step(next)).ok());
  log_.compact("out");
  EXPECT_EQ(visible(), (std::vector<std::int64_t>{8}));
}

}  // namespace
}  // namespace lacuna::streaming
