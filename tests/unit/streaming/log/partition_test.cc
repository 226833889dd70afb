#include "streaming/log/partition.h"

#include <gtest/gtest.h>

#include "streaming/log/event_log.h"

namespace lacuna::streaming {
namespace {

// Protects: the hash is the Java client's. The vectors are those that Apache Kafka's own tests state for Utils.murmur2.
TEST(Partition, HashesAsTheJavaClientDoes) {
  EXPECT_EQ(murmur2("21"), -973932308);
  EXPECT_EQ(murmur2("foobar"), -790332482);
  EXPECT_EQ(murmur2("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(murmur2("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(murmur2("abc"), 479470107);
}

// Protects: negative hashes and odd counts still give a partition that exists.
TEST(Partition, StaysWithinTheTopic) {
  EXPECT_EQ(partition_for("21", 10), (-973932308 & 0x7fffffff) % 10);
  for (int count = 1; count < 50; ++count) {
    for (int i = 0; i < 200; ++i) {
      const std::int32_t partition = partition_for("patient-" + std::to_string(i), count);
      EXPECT_GE(partition, 0);
      EXPECT_LT(partition, count);
    }
  }
  EXPECT_EQ(partition_for("", 7), partition_for(std::string_view(), 7));
}

}  // namespace
}  // namespace lacuna::streaming
