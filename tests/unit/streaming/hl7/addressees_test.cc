// Goal: whoever writes a message once for each person that is named here loses nothing of it: the decoder takes each person's part from the
// record that is keyed by that person. Method: the decoder itself, given each record as it would lie on the log.
#include "streaming/hl7/addressees.h"

#include "tests/unit/streaming/hl7/feed_fixture.h"

namespace lacuna::streaming::hl7 {
namespace {

using Ids = std::vector<std::string>;

class AddresseesTest : public Feed {
 protected:
  AddresseesTest()
      : Feed([] {
          FeedOptions options = hospital_options();
          options.authority = "HOSP";
          options.ignored_messages = {"SIU", "ADT^A08"};
          return options;
        }()) {}

  Addressees read(const std::string& message) {
    Addressees out;
    AddresseeReader(options_, limits_).read(message, out);
    return out;
  }
  static std::string header(const std::string& type, const std::string& set = "") {
    return "MSH|^~\\&|S|F|||20260102100000+0000||" + type + "|1|P|2.5||||||" + set + "\r";
  }
  static std::string pid(const std::string& id) { return "PID|||" + id + "^^^HOSP^MR\r"; }
  static std::string glucose(int value) {
    return "OBR|1||F1|C|||20260102080000\rOBX|1|NM|GLU||" + std::to_string(value) + "|mg/dL|||||F\r";
  }
  /// What the decoder takes of the records that a writer makes of it: "1001=100" for values, "a>b" for merges.
  Ids taken(const std::string& message) {
    Ids out;
    const Addressees whom = read(message);
    for (const std::string& person : whom.persons) {
      Addressee addressee{person, {}, false};
      if (whom.persons.size() > 1) addressee.person = person;
      for (const Event& event : decode(message, addressee).events) {
        EXPECT_EQ(event.patient_id, person) << "a record is of its key";
        if (!event.merged_into.empty()) out.push_back(event.patient_id + ">" + event.merged_into);
        for (const FeatureValue& value : event.values)
          out.push_back(event.patient_id + "=" + std::to_string(static_cast<int>(value.value)));
      }
      EXPECT_TRUE(out_.refused.empty()) << out_.refused.front().what << out_.refused.front().message;
    }
    return out;
  }
};

TEST_F(AddresseesTest, OneMessageOfOnePerson) {
  const std::string message = header("ORU^R01") + "PID|||9^^^OTHER^PI~1001^^^HOSP^MR\r" + glucose(100);
  EXPECT_EQ(read(message).persons, Ids{"1001"});
  EXPECT_EQ(taken(message), Ids{"1001=100"});
}

TEST_F(AddresseesTest, EachPersonOfAMessageOnce) {
  const std::string message = header("ORU^R01") + pid("1") + glucose(100) + pid("2") + glucose(200) + pid("1") + glucose(300);
  EXPECT_EQ(read(message).persons, (Ids{"1", "2"}));
  EXPECT_EQ(taken(message), (Ids{"1=100", "1=300", "2=200"}));
}

TEST_F(AddresseesTest, AMergeIsForThePriorPersons) {
  const std::string one = header("ADT^A40") + "EVN||20260102\r" + pid("5") + "MRG|4^^^HOSP^MR\r";
  EXPECT_EQ(read(one).persons, Ids{"4"});
  EXPECT_EQ(taken(one), Ids{"4>5"});
  const std::string two = one + pid("5") + "MRG|3^^^HOSP^MR\r" + pid("7") + "MRG|6^^^HOSP^MR\r";
  EXPECT_EQ(read(two).persons, (Ids{"4", "3", "6"}));
  EXPECT_EQ(taken(two), (Ids{"4>5", "3>5", "6>7"}));
}

TEST_F(AddresseesTest, AMergeThatBringsResultsIsForTheSurvivingPersonToo) {
  const std::string message = header("ADT^A40") + "EVN||20260102\r" + pid("5") + "MRG|4^^^HOSP^MR\r" + glucose(100);
  EXPECT_EQ(read(message).persons, (Ids{"5", "4"}));
  EXPECT_EQ(taken(message), (Ids{"5=100", "4>5"}));
}

TEST_F(AddresseesTest, WithoutOneThatIsAskedForItSaysWhy) {
  const auto why = [this](const std::string& message) {
    const Addressees whom = read(message);
    EXPECT_TRUE(whom.persons.empty());
    return whom.refused.empty() ? "" : whom.refused.front().what + ": " + whom.refused.front().message;
  };
  EXPECT_EQ(why(header("ORU^R01") + "PID|||1001^^^OTHER^MR\r"), "PID-3: none of its identifiers is the one of hl7.identifier");
  EXPECT_EQ(why(header("ORU^R01") + "OBX|1\r"), "PID: the message has none");
  EXPECT_EQ(why(header("ADT^A40") + pid("5")), "MRG: the message has none");
  EXPECT_EQ(why(header("ADT^A40") + "PID|||\rMRG|4^^^HOSP^MR\r").substr(0, 6), "PID-3:");
  EXPECT_EQ(why(header("ADT^A40") + pid("5") + "MRG|4^^^OTHER\r").substr(0, 6), "MRG-1:");
  EXPECT_EQ(why("nothing"), "record: it holds no MSH, so no HL7 v2 message");
  EXPECT_EQ(why(header("ORU^R01") + pid("1") + header("ORU^R01") + pid("1")), "record: it holds more than one message");
  EXPECT_EQ(why(header("ORU^R01", "KLINGON") + "PID|||\xe4\r").substr(0, 7), "MSH-18:");
  EXPECT_EQ(why(std::string(limits_.message_bytes_max + 1, 'x')).substr(0, 7), "record:");
  std::string crowd = header("ORU^R01");
  for (std::size_t i = 0; i <= kPersonsMax; ++i) crowd += pid(std::to_string(i));
  EXPECT_EQ(why(crowd), "PID: it tells of more than 100 persons");
}

// The others of the message are not held up by one that cannot be told.
TEST_F(AddresseesTest, OneWithoutAnIdentifierLeavesTheOthers) {
  const Addressees whom = read(header("ORU^R01") + "PID|||\r" + glucose(1) + pid("2") + glucose(2));
  EXPECT_EQ(whom.persons, Ids{"2"});
  EXPECT_EQ(whom.refused.size(), 1u);
}

TEST_F(AddresseesTest, KnowsWhatIsLeftOutOnPurpose) {
  EXPECT_TRUE(read(header("SIU^S12")).ignored);
  EXPECT_TRUE(read(header("ADT^A08") + pid("1")).ignored);
  EXPECT_FALSE(read(header("ADT^A09") + pid("1")).ignored);
}

// Keys are placed by their bytes, which must not hang on the sender's character set.
TEST_F(AddresseesTest, IdsAreUtf8WhateverTheMessageIs) {
  EXPECT_EQ(read(header("ORU^R01", "8859/1") + "PID|||M\xfcller^^^HOSP^MR\r").persons, Ids{"M\xc3\xbcller"});
  EXPECT_EQ(read(header("ORU^R01") + "PID|||a\\T\\b^^^HOSP^MR\r").persons, Ids{"a&b"});
}

}  // namespace
}  // namespace lacuna::streaming::hl7
