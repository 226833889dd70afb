// Protects: payload bytes. What was encoded comes back; a text that is not exactly what an encoder writes is refused, so no damaged
// payload passes for another one. Against the vectors of RFC 4648 section 10, and on random bytes and random texts.

#include "streaming/messages/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace lacuna::streaming {
namespace {

TEST(Base64, VectorsOfTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8=Zm8=", "====", "Zm 9", "Zm9v\n", "Zm9-", "Zm9_", "=m9v", "Z=9v",
                           "Zm9v====", "\xc3\xa4g=="}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

TEST(Base64, RandomBytesComeBackAndEachHasOneText) {
  std::mt19937 random(1);
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    std::string text = base64_encode(bytes);
    ASSERT_EQ(base64_decode(text), bytes);
    if (text.empty()) continue;
    text[random() % text.size()] = "AQgwZ09+/=\n-"[random() % 12];
    const auto decoded = base64_decode(text);
    if (!decoded) continue;
    ++taken;
    ASSERT_EQ(base64_encode(*decoded), text);
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace lacuna::streaming
