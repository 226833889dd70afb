// Protects: atomic batches. A child applies batches as fast as it can and is killed with SIGKILL at no particular moment.
// Afterwards everything in the store, the replay buffer and its counters included, must be what one whole prefix of the
// batches gives, and nothing whose apply() had returned may be missing.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::Contents;
using testing::contents;
using testing::Random;
using testing::Workload;

constexpr int kChildren = 10;
constexpr int kBatchesMax = 100'000;  // ends a child whose parent died

StoreOptions options(const std::string& path) {
  StoreOptions out;
  out.path = path;
  out.memory_bytes_max = 8u << 20;
  out.replay_capacity = 100;
  out.replay_strata_max = 8;
  return out;
}

Workload workload(const Schema& schema, int child) { return {schema, static_cast<std::uint64_t>(100 + child), 60, 20}; }

// Never returns: it ends by being killed. Writes one byte for each batch that was applied.
[[noreturn]] void run_child(const Schema& schema, const std::string& path, int child, int pipe) {
  auto store = Store::open(schema, options(path));
  if (!store.ok()) _exit(3);
  Workload work = workload(schema, child);
  for (int i = 0; i < kBatchesMax; ++i) {
    if (!(*store)->apply(work.next()).ok()) _exit(4);
    if (::write(pipe, "x", 1) != 1) _exit(5);
  }
  _exit(6);
}

// Starts a child, waits until it has applied `batches`, kills it. Returns how many it is known to have applied.
int kill_in_the_middle(const Schema& schema, const std::string& path, int child, int batches) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    run_child(schema, path, child, ends[1]);
  }
  ::close(ends[1]);
  int acknowledged = 0;
  char byte = 0;
  while (acknowledged < batches && ::read(ends[0], &byte, 1) == 1) ++acknowledged;
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  while (::read(ends[0], &byte, 1) == 1) ++acknowledged;
  ::close(ends[0]);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? acknowledged : -1;
}

TEST(StoreKill, LeavesOneWholePrefixOfTheBatches) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const std::uint64_t seed = 9;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  // All children first: this process must not have opened a store before it forks.
  std::vector<int> acknowledged;
  const auto path_of = [&](int child) { return scratch.path() + "/child-" + std::to_string(child); };
  for (int child = 0; child < kChildren; ++child) {
    const int batches = 1 + static_cast<int>(random.below(child % 2 == 0 ? 20 : 250));
    acknowledged.push_back(kill_in_the_middle(schema, path_of(child), child, batches));
    ASSERT_GE(acknowledged.back(), batches) << "the child failed on its own";
  }
  for (int child = 0; child < kChildren; ++child) {
    SCOPED_TRACE("child " + std::to_string(child));
    auto killed = Store::open(schema, options(path_of(child)));
    ASSERT_TRUE(killed.ok()) << killed.status().to_string();
    const Contents found = contents(**killed);

    // The scores name the batch they came with; an undisturbed store is taken to the same one.
    const std::int64_t batches = std::stoll(found.scores.substr(found.scores.rfind(' ')));
    EXPECT_GE(batches, acknowledged[static_cast<std::size_t>(child)]);
    EXPECT_LE(batches, acknowledged[static_cast<std::size_t>(child)] + 1);
    auto undisturbed = Store::open(schema, options(path_of(child) + "-reference"));
    ASSERT_TRUE(undisturbed.ok());
    Workload work = workload(schema, child);
    while (work.batches() < batches) ASSERT_TRUE((*undisturbed)->apply(work.next()).ok());
    EXPECT_EQ(found, contents(**undisturbed));

    // And it goes on from there as if nothing had happened.
    for (int i = 0; i < 5; ++i) {
      const StateChange change = work.next();
      ASSERT_TRUE((*killed)->apply(change).ok());
      ASSERT_TRUE((*undisturbed)->apply(change).ok());
    }
    EXPECT_EQ(contents(**killed), contents(**undisturbed));
  }
}

}  // namespace
}  // namespace lacuna::state
