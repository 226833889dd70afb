#include "daemon/config/values.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "daemon/config/keys.h"

namespace lacuna::daemon {
namespace {

using namespace values;

// Protects: a size that is read as another one than was printed.
TEST(ConfigValues, SizesReadBack) {
  const unsigned seed = 3;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t size = random() >> (random() % 60);
    EXPECT_EQ(parse_size(format_size(size)), size) << "seed " << seed;
  }
  EXPECT_EQ(parse_size("256MiB"), 256ULL << 20);
  EXPECT_EQ(parse_size("17"), 17u);
  for (const char* wrong : {"", "MiB", "1MB", "1 MiB", "-1KiB", "1.5GiB", "99999999999999999999", "18446744073709551615KiB"}) {
    EXPECT_FALSE(parse_size(wrong)) << wrong;
  }
}

TEST(ConfigValues, NumbersReadBack) {
  const unsigned seed = 4;
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 1e6);
  for (int i = 0; i < 1000; ++i) {
    const double value = normal(random);
    EXPECT_EQ(parse_number(format_number(value)), value) << "seed " << seed;
  }
  for (const char* wrong : {"", "nan", ".nan", "inf", "1,5", "0x10", "1e", "1 "}) EXPECT_FALSE(parse_number(wrong)) << wrong;
}

}  // namespace
}  // namespace lacuna::daemon
