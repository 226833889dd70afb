// Protects: model checkpoints that are published in pieces. Whatever pieces are found, in whatever order, what is joined is
// the newest checkpoint that is whole, byte by byte, and never a mixture.

#include "state/model_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::Random;

std::string random_bytes(Random& random, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random.below(256));
  return out;
}

// Each checkpoint loses pieces, or has a byte changed, or is whole; its pieces are mixed with those of the others and of
// another instance, some of them twice. Which one must come out is known from how they were made.
TEST(ModelChunks, TheNewestWholeCheckpointIsJoined) {
  int found = 0, missing = 0, corrupt = 0, older = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<ModelChunk> all;
    std::string expected;
    bool any_whole = false, any_damaged = false;
    std::uint64_t newest_whole = 0;
    const std::uint64_t checkpoints = random.below(5);
    for (std::uint64_t number = 1; number <= checkpoints; ++number) {
      const std::string content = random_bytes(random, random.below(40));
      std::vector<ModelChunk> chunks = split_chunks("a", number, content, 1 + random.below(12));
      const std::uint64_t fate = random.below(3);
      if (fate == 0) {
        chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(random.below(chunks.size())));
      } else if (fate == 1 && !content.empty()) {
        ModelChunk& hit = chunks[random.below(chunks.size())];
        char& byte = hit.content[random.below(hit.content.size())];
        byte = static_cast<char>(byte ^ (1 << random.below(8)));
        any_damaged = true;
      } else {
        any_whole = true;
        newest_whole = number;
        expected = content;
      }
      for (const ModelChunk& c : chunks) {
        for (std::uint64_t times = 1 + random.below(2); times > 0; --times) all.push_back(c);
      }
    }
    for (ModelChunk& c : split_chunks("b", 9, random_bytes(random, 20), 7)) all.push_back(std::move(c));
    for (std::size_t i = all.size() - 1; i > 0; --i) std::swap(all[i], all[random.below(i + 1)]);

    const Result<std::string> joined = join_chunks(all, "a");
    if (any_whole) {
      ASSERT_TRUE(joined.ok()) << joined.status().to_string();
      ASSERT_EQ(*joined, expected);
      found += 1;
      older += newest_whole < checkpoints ? 1 : 0;
    } else {
      ASSERT_EQ(joined.code(), any_damaged ? Code::corrupt : Code::not_found);
      (any_damaged ? corrupt : missing) += 1;
    }
  }
  EXPECT_GT(found, 300);
  EXPECT_GT(older, 300);
  EXPECT_GT(missing, 300);
  EXPECT_GT(corrupt, 100);
}

TEST(ModelChunks, PiecesAreWithinTheBoundAndSurviveTheirEncoding) {
  Random random(5);
  const std::string content = random_bytes(random, 1000);
  for (const std::size_t bytes_max : {1U, 3U, 10U, 999U, 1000U, 1001U}) {
    const std::vector<ModelChunk> chunks = split_chunks("lacuna-0", 7, content, bytes_max);
    EXPECT_EQ(chunks.size(), (1000 + bytes_max - 1) / bytes_max);
    std::vector<ModelChunk> decoded;
    for (const ModelChunk& c : chunks) {
      EXPECT_LE(c.content.size(), bytes_max);
      const Result<ModelChunk> d = decode_model_chunk(encode_model_chunk(c));
      ASSERT_TRUE(d.ok()) << d.status().to_string();
      EXPECT_EQ(*d, c);
      decoded.push_back(*d);
    }
    EXPECT_EQ(*join_chunks(decoded, "lacuna-0"), content);
  }
  const std::vector<ModelChunk> empty = split_chunks("lacuna-0", 7, "", 10);
  ASSERT_EQ(empty.size(), 1U);
  EXPECT_EQ(*join_chunks(empty, "lacuna-0"), "");
}

// An instance that lost its disk may count from a number it has used before.
TEST(ModelChunks, TwoCheckpointsOfOneNumberAreNotMixed) {
  std::vector<ModelChunk> chunks = split_chunks("a", 3, "first first", 4);
  const std::vector<ModelChunk> second = split_chunks("a", 3, "second one!", 4);
  chunks[1] = second[1];
  EXPECT_EQ(join_chunks(chunks, "a").code(), Code::not_found);
  chunks.insert(chunks.end(), second.begin(), second.end());
  EXPECT_EQ(*join_chunks(chunks, "a"), "second one!");
}

// As a damaged or foreign message could have it: many pieces claimed, none there; a number beyond the count.
TEST(ModelChunks, ClaimsCostNothing) {
  ModelChunk huge{"a", 9, 0, 0xffffffff, 0, "x"};
  EXPECT_EQ(join_chunks(std::vector{huge}, "a").code(), Code::not_found);
  huge.chunks = 1;
  huge.chunk = 1;
  EXPECT_EQ(join_chunks(std::vector{huge}, "a").code(), Code::not_found);
  EXPECT_EQ(decode_model_chunk(encode_model_chunk(huge)).code(), Code::corrupt);
}

}  // namespace
}  // namespace lacuna::state
