// Protects: small checkpointed state. What was written comes back, and a reader of damaged bytes says so and never reads
// past the end or reserves memory that a wrong length asks for.

#include "state/records/bytes.h"

#include <gtest/gtest.h>

#include <random>

namespace lacuna {
namespace {

std::string sample() {
  ByteWriter out;
  out.put<std::uint8_t>(7);
  out.put_text("modality");
  out.put_all(std::vector<double>{1.5, -2, 3e300});
  out.put<std::int64_t>(-5);
  return out.take();
}

bool read(std::string_view bytes) {
  ByteReader in(bytes);
  const bool same = in.get<std::uint8_t>() == 7 && in.get_text() == "modality" &&
                    in.get_all<double>() == std::vector<double>{1.5, -2, 3e300} && in.get<std::int64_t>() == -5;
  return same && in.ok() && in.at_end();
}

TEST(Bytes, RoundTrip) { EXPECT_TRUE(read(sample())); }

TEST(Bytes, EveryTruncationIsNoticed) {
  const std::string bytes = sample();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ByteReader in(std::string_view(bytes).substr(0, n));
    in.get<std::uint8_t>();
    in.get_text();
    in.get_all<double>();
    in.get<std::int64_t>();
    EXPECT_FALSE(in.ok()) << n;
  }
}

TEST(Bytes, WrongLengthsDoNotReserve) {
  ByteWriter out;
  out.put<std::uint32_t>(0xffffffff);
  const std::string bytes = out.take();
  ByteReader numbers(bytes), text(bytes);
  EXPECT_TRUE(numbers.get_all<double>().empty());
  EXPECT_TRUE(text.get_text().empty());
  EXPECT_FALSE(numbers.ok() || text.ok());
}

}  // namespace
}  // namespace lacuna
