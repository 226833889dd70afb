// Protects: model checkpoints. A checkpoint is whole or absent; every flipped bit and every lost byte is noticed; a name
// cannot leave the folder; what an interrupted write left is cleared and never listed.

#include "state/checkpoint_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::Random;

std::string slurp(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}
void spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

TEST(CheckpointFiles, PutGetListDrop) {
  lacuna::testing::ScratchFolder scratch;
  const CheckpointFiles all = *CheckpointFiles::open(scratch.path() + "/a/checkpoints");
  EXPECT_EQ(all.get("000001-ab").code(), Code::not_found);
  const std::string large(3 << 20, 'x');
  ASSERT_TRUE(all.put("000002-cd", large).ok());
  ASSERT_TRUE(all.put("000001-ab", std::string("a\0b", 3)).ok());
  ASSERT_TRUE(all.put("empty", "").ok());
  ASSERT_TRUE(all.put("000001-ab", std::string("new\0", 4)).ok());  // replaces
  EXPECT_EQ(*all.get("000001-ab"), std::string("new\0", 4));
  EXPECT_EQ(*all.get("000002-cd"), large);
  EXPECT_EQ(*all.get("empty"), "");
  EXPECT_EQ(*all.names(), (std::vector<std::string>{"000001-ab", "000002-cd", "empty"}));
  ASSERT_TRUE(all.drop("000001-ab").ok());
  ASSERT_TRUE(all.drop("000001-ab").ok());
  EXPECT_EQ(all.get("000001-ab").code(), Code::not_found);
}

TEST(CheckpointFiles, BesideAWriterNothingIsTouched) {
  lacuna::testing::ScratchFolder scratch;
  const std::string folder = scratch.path() + "/checkpoints";
  EXPECT_TRUE(CheckpointFiles::open_read_only(folder).names()->empty());
  EXPECT_FALSE(std::ifstream(folder).good()) << "looking makes no folder";
  const CheckpointFiles writer = *CheckpointFiles::open(folder);
  ASSERT_TRUE(writer.put("000001-ab", "x").ok());
  spill(folder + "/.writing-000002-cd", "half");
  EXPECT_EQ(*CheckpointFiles::open_read_only(folder).get("000001-ab"), "x");
  EXPECT_EQ(slurp(folder + "/.writing-000002-cd"), "half") << "it is being written by someone else";
}

TEST(CheckpointFiles, EveryDamageIsNoticed) {
  lacuna::testing::ScratchFolder scratch;
  const CheckpointFiles all = *CheckpointFiles::open(scratch.path());
  ASSERT_TRUE(all.put("model", "weights and optimiser state").ok());
  const std::string path = scratch.path() + "/model";
  const std::string good = slurp(path);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    spill(path, bad);
    ASSERT_EQ(all.get("model").code(), Code::corrupt) << "bit " << bit;
  }
  for (std::size_t n = 0; n < good.size(); ++n) {
    spill(path, good.substr(0, n));
    ASSERT_EQ(all.get("model").code(), Code::corrupt) << n << " bytes left";
  }
  spill(path, good + "x");
  EXPECT_EQ(all.get("model").code(), Code::corrupt);
  spill(scratch.path() + "/other", good);
  EXPECT_EQ(all.get("other").code(), Code::corrupt) << "a file under another name";
  spill(path, good);
  EXPECT_TRUE(all.get("model").ok());
}

TEST(CheckpointFiles, NamesStayInTheFolder) {
  lacuna::testing::ScratchFolder scratch;
  const CheckpointFiles all = *CheckpointFiles::open(scratch.path() + "/in");
  for (const std::string& name : {std::string(), std::string("../out"), std::string("a/b"), std::string(".hidden"), std::string(".."),
                                  std::string("a b"), std::string("a\0b", 3), std::string(129, 'a')}) {
    EXPECT_EQ(all.put(name, "x").code(), Code::invalid);
    EXPECT_EQ(all.get(name).code(), Code::invalid);
    EXPECT_EQ(all.drop(name).code(), Code::invalid);
  }
  EXPECT_FALSE(std::filesystem::exists(scratch.path() + "/out"));
}

TEST(CheckpointFiles, LeftoversAreClearedAndNeverListed) {
  lacuna::testing::ScratchFolder scratch;
  ASSERT_TRUE(CheckpointFiles::open(scratch.path())->put("kept", "x").ok());
  spill(scratch.path() + "/.writing-model", "half");
  EXPECT_EQ(*CheckpointFiles::open(scratch.path())->names(), std::vector<std::string>{"kept"});
  EXPECT_FALSE(std::filesystem::exists(scratch.path() + "/.writing-model"));
}

TEST(CheckpointFiles, AFailedWriteLeavesTheOldOne) {
  lacuna::testing::ScratchFolder scratch;
  const CheckpointFiles all = *CheckpointFiles::open(scratch.path());
  ASSERT_TRUE(all.put("model", "old").ok());
  std::filesystem::create_directory(scratch.path() + "/.writing-model");  // in the way of the temporary file
  EXPECT_FALSE(all.put("model", "new").ok());
  EXPECT_EQ(*all.get("model"), "old");
}

}  // namespace
}  // namespace lacuna::state
