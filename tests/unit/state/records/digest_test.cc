// Digests are stored, as parts of event ids: the values stay, whatever the machine, and every byte counts.
#include "state/records/digest.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace lacuna {
namespace {

TEST(Digest, NeverChanges) {
  EXPECT_EQ(digest64(""), 0xff704845ce248be1ULL);
  EXPECT_EQ(digest64("MSH|^~\\&|"), 0xe20301c8438e5340ULL);
  EXPECT_EQ(digest64("The quick brown fox jumps over the lazy dog, twice and once more."), 0xff7dd906f42ac9bbULL);
}

TEST(Digest, EveryByteAndTheLengthCount) {
  std::set<std::uint64_t> seen;
  std::size_t made = 0;
  for (std::size_t size = 0; size < 80; ++size) {
    const std::string zeros(size, '\0');
    seen.insert(digest64(zeros));
    ++made;
    for (std::size_t i = 0; i < size; ++i) {
      std::string other = zeros;
      other[i] = '\1';
      seen.insert(digest64(other));
      ++made;
    }
  }
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace lacuna
