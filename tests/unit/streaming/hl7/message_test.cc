// Segments, fields and escapes are found as HL7's chapter 2 has them, and lines that senders write in ways of their own are still the same
// message. Texts are made here, each with what it must be.
#include "streaming/hl7/message.h"

#include <gtest/gtest.h>

namespace lacuna::streaming::hl7 {
namespace {

std::vector<std::string> bytes_of(const std::string& text) {
  MessageReader reader(text);
  Message message;
  std::vector<std::string> out;
  while (reader.next(message)) out.emplace_back(message.bytes());
  return out;
}

std::string plain_text(const std::string& text) {
  std::string out;
  unescape(text, {}, out);
  return out;
}

TEST(Message, LineEndsOfEachKindPartTheSameSegments) {
  for (const std::string end : {"\r", "\n", "\r\n", "\n\r"}) {
    const std::string text = "MSH|^~\\&|A" + end + "PID|1||7" + end + end + "OBX|1" + end;
    MessageReader reader(text);
    Message message;
    ASSERT_TRUE(reader.next(message));
    ASSERT_EQ(message.segments().size(), 3U);
    EXPECT_EQ(message.segments()[1].text, "PID|1||7");
    EXPECT_EQ(message.segments()[2].name, kObx);
    EXPECT_FALSE(reader.next(message));
  }
}

TEST(Message, ALineEndWithinAFieldBelongsToIt) {
  const std::string text = "MSH|^~\\&|A\rOBX|1|TX|R||first\nsecond line\rOBX|2|NM|X||5\r";
  MessageReader reader(text);
  Message message;
  ASSERT_TRUE(reader.next(message));
  ASSERT_EQ(message.segments().size(), 3U);
  EXPECT_EQ(field_of(message.segments()[1], message.delimiters(), 5), "first\nsecond line");
}

TEST(Message, FieldsAreCountedAsHl7CountsThem) {
  const std::string text = "MSH|^~\\&|APP^1.2^ISO|FAC||X|20260101||ORU^R01\rOBX|1|NM|C^N||5.4~6|mg/dL\r";
  MessageReader reader(text);
  Message message;
  ASSERT_TRUE(reader.next(message));
  const Delimiters& d = message.delimiters();
  Fields<10> f;
  split_fields(message.segments()[0], d, f);
  EXPECT_EQ(f[0], "MSH");
  EXPECT_EQ(f[1], "|");
  EXPECT_EQ(f[2], "^~\\&");
  EXPECT_EQ(f[3], "APP^1.2^ISO");
  EXPECT_EQ(f[9], "ORU^R01");
  EXPECT_EQ(f[10], "");
  for (std::size_t n = 1; n <= 10; ++n) EXPECT_EQ(field_of(message.segments()[0], d, n), f[n]) << n;
  EXPECT_EQ(piece(f[3], d.component, 2), "1.2");
  EXPECT_EQ(piece(f[3], d.component, 4), "");
  Fields<10> obx;
  split_fields(message.segments()[1], d, obx);
  EXPECT_EQ(obx[5], "5.4~6");
  EXPECT_EQ(obx[6], "mg/dL");
  for (std::size_t n = 1; n <= 10; ++n) EXPECT_EQ(field_of(message.segments()[1], d, n), obx[n]) << n;
}

TEST(Message, PiecesComeInOrderAndEmptyOnesToo) {
  std::vector<std::string> pieces;
  bool first = true;
  std::string_view left = "a~~b~", one;
  while (next_piece(left, first, '~', one)) pieces.emplace_back(one);
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "", "b", ""}));
  first = true;
  left = "";
  int count = 0;
  while (next_piece(left, first, '~', one)) ++count;
  EXPECT_EQ(count, 1);
  first = true;
  left = "a~b";
  ASSERT_TRUE(next_piece(left, first, '\0', one));
  EXPECT_EQ(one, "a~b") << "a delimiter that MSH-2 leaves out parts nothing";
}

TEST(Message, DelimitersAreTheSenders) {
  const std::string text = "MSH#*+!%#APP\rPID#1##7*x+8\r";
  MessageReader reader(text);
  Message message;
  ASSERT_TRUE(reader.next(message));
  const Delimiters& d = message.delimiters();
  EXPECT_EQ(message.problem(), "");
  EXPECT_EQ(d.component, '*');
  EXPECT_EQ(d.repetition, '+');
  EXPECT_EQ(d.escape, '!');
  EXPECT_EQ(d.subcomponent, '%');
  EXPECT_EQ(field_of(message.segments()[1], d, 3), "7*x+8");
}

TEST(Message, DelimitersThatCannotBeOnesAreSaid) {
  for (const std::string header : {"MSH", "MSH|", "MSH||", "MSH|^^~&|A", "MSH|^~\\a|A", "MSH|^|\\&|A"}) {
    MessageReader reader(header);
    Message message;
    ASSERT_TRUE(reader.next(message)) << header;
    if (header == "MSH|^|\\&|A") {
      EXPECT_EQ(message.problem(), "") << "what MSH-2 leaves out is not used";
      EXPECT_EQ(message.delimiters().escape, '\0');
    } else {
      EXPECT_NE(message.problem(), "") << header;
    }
  }
}

TEST(Message, SeveralAreReadFromOneTextInBatchesAndInFrames) {
  EXPECT_EQ(bytes_of("MSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\r"), (std::vector<std::string>{"MSH|^~\\&|1\rPID|1", "MSH|^~\\&|2"}));
  EXPECT_EQ(bytes_of("\x0bMSH|^~\\&|1\rPID|1\r\x1c\r\x0bMSH|^~\\&|2\r\x1c\r"),
            (std::vector<std::string>{"MSH|^~\\&|1\rPID|1", "MSH|^~\\&|2"}));
  const std::string batch =
      "\xef\xbb\xbf"
      "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rMSH|^~\\&|2\rBTS|2\rFTS|1\r";
  EXPECT_EQ(bytes_of(batch).size(), 2U);
  EXPECT_EQ(bytes_of(""), std::vector<std::string>{});
  MessageReader right(batch);
  Message message;
  while (right.next(message)) {
  }
  EXPECT_EQ(right.wrong_batches(), 0U);
  const std::string wrong = "BHS|^~\\&|A\rMSH|^~\\&|1\rBTS|2\r";
  MessageReader reader(wrong);
  while (reader.next(message)) {
  }
  EXPECT_EQ(reader.wrong_batches(), 1U);
  const std::string stray = "hello\rMSH|^~\\&|1\r";
  MessageReader strayed(stray);
  while (strayed.next(message)) {
  }
  EXPECT_EQ(strayed.stray_lines(), 1U);
}

TEST(Message, EscapesBecomeWhatTheyMean) {
  EXPECT_EQ(plain_text("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f"), "a|b^c&d~e\\f");
  EXPECT_EQ(plain_text("\\X48 \\ \\X4869\\"), "\\X48 \\ Hi") << "what is no sequence stays";
  EXPECT_EQ(plain_text("one\\.br\\two\\.sp2\\three\\.sk3\\x\\.in+4\\y\\.ce\\z"), "one\ntwo\n\nthree   xy\nz");
  EXPECT_EQ(plain_text("\\H\\loud\\N\\"), "loud");
  EXPECT_EQ(plain_text("\\Zabc\\x\\C2842\\y"), "xy");
  EXPECT_EQ(plain_text("C:\\dir\\F\\x"), "C:\\dir|x") << "the second mark may begin a sequence";
  EXPECT_EQ(plain_text("\\"), "\\");
  EXPECT_EQ(plain_text("\\\\"), "\\\\");
  std::string buffer;
  const std::string text = "nothing";
  EXPECT_EQ(plain(text, {}, buffer).data(), text.data()) << "and is not copied without need";
}

}  // namespace
}  // namespace lacuna::streaming::hl7
