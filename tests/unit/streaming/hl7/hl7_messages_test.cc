// Messages of others, made up by people who test integrations and odd on purpose (shared/data/hl7v2, or LACUNA_TEST_DATA): each is taken or
// refused with a reason, and every value of an OBX ends in a count. With a map of every code that they use, nothing is left but what the
// standard says is no value.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/hl7/feed_fixture.h"

namespace lacuna::streaming::hl7 {
namespace {

namespace fs = std::filesystem;

class RealMessages : public Feed {
 protected:
  void SetUp() override {
    const char* data = std::getenv("LACUNA_TEST_DATA");
    const fs::path archive = fs::path(data != nullptr ? data : "../shared/data") / "hl7v2" / "hl7v2-messages.tar.xz";
    if (!fs::exists(archive)) GTEST_SKIP() << "no real data: " << archive << " (set LACUNA_TEST_DATA)";
    const std::string command = "tar -xf '" + archive.string() + "' -C '" + scratch_.path() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path())) {
      if (entry.path().extension() == ".hl7") files_.push_back(entry.path());
    }
    std::sort(files_.begin(), files_.end());
    ASSERT_GT(files_.size(), 200U);
  }
  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  testing::ScratchFolder scratch_;
  std::vector<fs::path> files_;
};

/// How many OBX with a value a text holds, found by other means than the reader's.
std::size_t obx_of(const std::string& text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("OBX|", at)) != std::string::npos; at += 4) {
    if (at == 0 || text[at - 1] == '\r' || text[at - 1] == '\n') ++count;
  }
  return count;
}

TEST_F(RealMessages, EachIsTakenOrRefusedAndNoObxIsLost) {
  FeedCounts all;
  std::size_t observations = 0, silent = 0;
  for (const fs::path& file : files_) {
    SCOPED_TRACE(file.filename().string());
    const std::string text = read(file);
    decode(text, {{}, {}, true});
    EXPECT_EQ(out_.counts.messages, 1U);
    EXPECT_EQ(out_.counts.observations, obx_of(text));
    observations += obx_of(text);
    all += out_.counts;
    for (const RefusedPart& part : out_.refused) {
      EXPECT_FALSE(part.what.empty());
      EXPECT_GT(part.message.size(), 8U);
    }
    const bool counted = out_.counts.observations > out_.counts.refused;
    if (out_.events.empty() && out_.refused.empty() && !counted) {
      silent += 1;
      EXPECT_NE(text.find("ADT^"), std::string::npos) << "only an ADT that tells nothing new may pass without a word";
    }
  }
  EXPECT_EQ(all.observations, 529U) << "as grep counts them";
  EXPECT_EQ(observations, all.observations);
  EXPECT_LT(silent, 5U);
}

TEST_F(RealMessages, WhatEachCodeSaysIsTakenAsText) {
  // Every code leads to a text, so that no map is in the way of what OBX-2 and OBX-5 say.
  std::set<std::string> codes;
  for (const fs::path& file : files_) decode(read(file), {{}, {}, true});
  for (const UnmappedCode& code : decoder_->unmapped().by_volume()) codes.insert(code.code);
  for (const std::string& code : codes) {
    if (!code.empty() && code.find('^') == std::string::npos) options_.codes.try_emplace(code, CodeTarget{"report", "", {}, {}});
  }
  decoder_.reset();
  FeedCounts all;
  for (const fs::path& file : files_) {
    decode(read(file), {{}, {}, true});
    all += out_.counts;
    for (const Event& event : out_.events) {
      if (event.payload) {
        EXPECT_FALSE(event.payload->text.empty());
      }
    }
  }
  EXPECT_GT(all.taken + all.joined, 150U) << "most others are in the future, or of a day";
  EXPECT_EQ(all.sum(), all.observations);
}

}  // namespace
}  // namespace lacuna::streaming::hl7
