// Goal: each message gets the answer that HL7 v2 says, in both modes and whatever is wrong with its MSH, and an answer is always one
// message in one frame. Method: answers written out by hand; hostile headers.
#include "streaming/mllp/acknowledgement.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lacuna::streaming::mllp {
namespace {

using namespace std::string_literals;
const Time kNow = *parse_rfc3339("2026-01-01T00:07:00.250Z");
const Fault kFault{kFieldMissing, "PID-3", "PID-3: it holds no identifier"};

std::string header(const std::string& mode = "2.5") { return "MSH|^~\\&|LIS|LAB|LACUNA|ICU|20260101080000||ORU^R01^ORU_R01|17|P|" + mode; }
std::vector<std::string> answer(const std::string& message, Verdict verdict = Verdict::accepted) {
  std::vector<std::string> out;
  for (const Answer& one : answers(read_header(message), verdict, kFault, "p-", {31, kNow})) out.push_back(one.message);
  return out;
}
std::string codes(const std::string& message, Verdict verdict) {
  std::string out;
  for (const Answer& one : answers(read_header(message), verdict, kFault, "p-", {31, kNow}))
    out += (out.empty() ? "" : " ") + std::string(one.code);
  return out;
}

TEST(Acknowledgement, RepeatsWhatTheSenderKnowsItsMessageBy) {
  EXPECT_EQ(answer(header() + "\rPID|||1\r"),
            (std::vector{"MSH|^~\\&|LACUNA|ICU|LIS|LAB|20260101000700.250+0000||ACK^R01^ACK|p-1f|P|2.5\rMSA|AA|17\r"s}));
}

TEST(Acknowledgement, SaysWhatIsWrongAndWhereInTheFormOfTheSendersVersion) {
  EXPECT_EQ(answer(header(), Verdict::rejected).front(),
            "MSH|^~\\&|LACUNA|ICU|LIS|LAB|20260101000700.250+0000||ACK^R01^ACK|p-1f|P|2.5\rMSA|AR|17|PID-3: it holds no identifier\r"
            "ERR||PID^1^3|101^Required field missing^HL70357|E||||PID-3: it holds no identifier\r");
  EXPECT_EQ(answer(header("2.3"), Verdict::error).front(),
            "MSH|^~\\&|LACUNA|ICU|LIS|LAB|20260101000700.250+0000||ACK|p-1f|P|2.3\rMSA|AE|17|PID-3: it holds no identifier\r"
            "ERR|PID^1^3^101&Required field missing&HL70357\r");
  const auto log = answers(read_header(header("2.3.1")), Verdict::error, {kInternalError, "", "log"}, "p", {1, kNow});
  EXPECT_NE(log.front().message.find("||ACK^R01^ACK|p1|P|2.3.1\rMSA|AE|17|log\rERR|^^^207&Application internal error&HL70357\r"),
            std::string::npos)
      << log.front().message;
}

TEST(Acknowledgement, TheEnhancedModeAnswersWhatIsAskedFor) {
  const auto mode = [](const std::string& accept, const std::string& application) { return header("2.5|||" + accept + "|" + application); };
  EXPECT_EQ(codes(mode("AL", "NE"), Verdict::accepted), "CA");
  EXPECT_EQ(codes(mode("AL", "NE"), Verdict::error), "CE");
  EXPECT_EQ(codes(mode("AL", "NE"), Verdict::rejected), "CR");
  EXPECT_EQ(codes(mode("AL", ""), Verdict::accepted), "CA");
  EXPECT_EQ(codes(mode("AL", "AL"), Verdict::accepted), "CA AA");
  EXPECT_EQ(codes(mode("AL", "AL"), Verdict::rejected), "CR") << "what was not accepted is not worked on";
  EXPECT_EQ(codes(mode("NE", "AL"), Verdict::rejected), "AR") << "somebody has to hear of it";
  EXPECT_EQ(codes(mode("NE", "AL"), Verdict::accepted), "AA");
  EXPECT_EQ(codes(mode("ER", "NE"), Verdict::accepted), "");
  EXPECT_EQ(codes(mode("ER", "NE"), Verdict::error), "CE");
  EXPECT_EQ(codes(mode("SU", "ER"), Verdict::accepted), "CA");
  EXPECT_EQ(codes(mode("SU", "ER"), Verdict::error), "AE");
  EXPECT_EQ(codes(mode("NE", "NE"), Verdict::rejected), "");
  EXPECT_EQ(codes(mode("", ""), Verdict::accepted), "AA") << "the original mode";
  EXPECT_EQ(codes(mode("\"\"", "\"\""), Verdict::accepted), "AA");
  EXPECT_EQ(codes(mode("??", "NE"), Verdict::accepted), "CA");
  const auto two = answers(read_header(mode("AL", "AL")), Verdict::accepted, {}, "p", {31, kNow});
  EXPECT_NE(two[0].message.find("|p1f|"), std::string::npos);
  EXPECT_NE(two[1].message.find("|p20|"), std::string::npos) << "each has a control id of its own";
}

// Two receivers that acknowledge acknowledgements never end.
TEST(Acknowledgement, NobodyAnswersAnAnswer) {
  EXPECT_TRUE(answer("MSH|^~\\&|A|B|C|D|2026||ACK^R01|5|P|2.5\rMSA|AA|4\r").empty());
  EXPECT_TRUE(answer("MSH|^~\\&|A|B|C|D|2026||ACK|5|P|2.3\rMSA|AA|4\r", Verdict::rejected).empty());
}

TEST(Acknowledgement, TheSendersDelimitersAreItsOwn) {
  EXPECT_EQ(answer("MSH#*~!&#A#B#C#D#2026##ORU*R01#7#T#2.4##########").front().substr(0, 58),
            "MSH#*~!&#C#D#A#B#20260101000700.250+0000##ACK*R01*ACK#p-1f");
  const std::string said = answer("MSH:^~\\&:A:B:C:D:2026::ORU^R01:7:P:2.5", Verdict::rejected).front();
  EXPECT_NE(said.find("PID-3\\F\\ it holds"), std::string::npos) << said;
}

TEST(Acknowledgement, ABrokenHeaderIsAnsweredWithWhatCouldBeFound) {
  for (const std::string broken : {"", "MSH", "MSHX", "no HL7", "PID|||1", "\x0b", "MSH\r", "M|SH", "{}"}) {
    const auto said = answer(broken, Verdict::rejected);
    ASSERT_EQ(said.size(), 1u) << broken;
    EXPECT_EQ(said.front().substr(0, said.front().find('\r')), "MSH|^~\\&|||||20260101000700.250+0000||ACK|p-1f|P|2.5") << broken;
    EXPECT_NE(said.front().find("\rMSA|AR|\x7c"), std::string::npos) << said.front();
  }
  EXPECT_NE(answer("MSH||LIS|LAB|||2026||ORU^R01|9").front().find("\rMSA|AA|9\r"), std::string::npos) << "MSH-2 is empty";
  EXPECT_NE(answer("MSH|^~\\&|||||||ORU|9").front().find("\rMSA|AA|9\r"), std::string::npos) << "cut short";
  EXPECT_NE(answer("BHS|^~\\&|X\rMSH|^~\\&|LIS||||||ORU|9").front().find("\rMSA|AA|9\r"), std::string::npos);
  EXPECT_NE(answer("\xef\xbb\xbfMSH|^~\\&|LIS||||||ORU|9").front().find("\rMSA|AA|9\r"), std::string::npos);
}

// What is repeated can neither end the frame, nor a segment, nor grow without bound.
TEST(Acknowledgement, NothingThatIsRepeatedBreaksTheAnswer) {
  const std::string said = answer(
                               "MSH|^~\\&|L\x1c|\x0b"
                               "B|C\x1c|D\x1c|2026||ORU^R01|4\x1c\0\t2|P\x1c|2.5\x1c|||||\x1c"s)
                               .front();
  EXPECT_EQ(said.find('\x1c'), std::string::npos);
  EXPECT_EQ(said.find('\x0b'), std::string::npos);
  EXPECT_NE(said.find("\rMSA|AA|42\r"), std::string::npos) << said;
  const std::string wide(100'000, 'x');
  EXPECT_LT(answer("MSH|^~\\&|" + wide + "|" + wide + "|" + wide + "|" + wide + "||" + wide + "|ORU^" + wide + "|" + wide + "|" + wide +
                   "|" + wide + "||||||" + wide)
                .front()
                .size(),
            12 * kFieldBytesMax);
}

}  // namespace
}  // namespace lacuna::streaming::mllp
