// The sets of HL7's table 0211 become UTF-8, bytes that are not of their set are noticed, and UTF-8 is what RFC 3629 says.
#include "streaming/hl7/character_set.h"

#include <gtest/gtest.h>

namespace lacuna::streaming::hl7 {
namespace {

std::string converted(const char* name, const std::string& bytes) {
  CharacterSets sets;
  CharacterSet* const set = sets.find(name, '~');
  if (set == nullptr) return "unknown";
  std::string out;
  return set->to_utf8(bytes, out) ? out : "not of it";
}

TEST(CharacterSets, OfTheTableAreRead) {
  EXPECT_EQ(converted("8859/1", "M\xfcller"), "Müller");
  EXPECT_EQ(converted("8859/2", "\xb1"), "ą");
  EXPECT_EQ(converted("8859/5", "\xb1"), "Б");
  EXPECT_EQ(converted("8859/15", "\xa4"), "€");
  EXPECT_EQ(converted("ISO-8859-1", "\xe9"), "é");
  EXPECT_EQ(converted("UNICODE UTF-8", "é"), "é");
  EXPECT_EQ(converted("UNICODE UTF-8", "\xe9"), "not of it");
  EXPECT_EQ(converted("", "é"), "é");
  EXPECT_EQ(converted("ASCII", "abc"), "abc");
  EXPECT_EQ(converted("GB 18030-2000", "\xd6\xd0"), "中");
  EXPECT_EQ(converted("KS X 1001", "\xb0\xa1"), "가");
  EXPECT_EQ(converted("~ISO IR87", "a\x1b$B4A\x1b(B|"), "a漢|") << "what is not ASCII decides";
  EXPECT_EQ(converted("UTF-8~UNICODE", "é"), "é");
  EXPECT_EQ(converted("KLINGON", "a"), "unknown");
  EXPECT_EQ(converted("ISO IR87", "\x1b$B\xff"), "not of it");
}

TEST(CharacterSets, Utf8IsWhatTheStandardSays) {
  for (const char* good : {"", "a", "é", "€", "𝄞", "plain text that is longer than thirty-two bytes, and one é"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
  EXPECT_TRUE(is_ascii("0123456789012345678901234567890123456789"));
  EXPECT_FALSE(is_ascii("0123456789012345678901234567890123456\xe9"));
  EXPECT_FALSE(is_ascii("\xe9"));
}

}  // namespace
}  // namespace lacuna::streaming::hl7
