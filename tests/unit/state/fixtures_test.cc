// Protects: data in the field. What the first version wrote is read by this one with the same meaning, and what a newer
// version writes is refused whole. The files are in the repository; docs/formats.md says how they are kept.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/state/fixture_records.h"

namespace lacuna::state {
namespace {

using testing::Fixture;

std::string folder(int version) { return std::string(LACUNA_FIXTURES) + "/formats-v" + std::to_string(version); }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string read_fixture(int version, const std::string& file) { return read_file(folder(version) + "/" + file); }

TEST(Fixtures, OfEveryVersionAreReadAsTheyWereMeant) {
  const Schema schema = testing::test_schema();
  for (int version = 1; version <= static_cast<int>(kFormatVersion); ++version) {
    std::size_t read = 0;
    for (const Fixture& fixture : testing::fixtures(schema)) {
      if (fixture.since > version || fixture.until < version) continue;
      const Result<bool> same = fixture.same(read_fixture(version, fixture.file));
      ASSERT_TRUE(same.ok()) << version << " " << fixture.file << ": " << same.status().to_string();
      EXPECT_TRUE(*same) << version << " " << fixture.file;
      read += 1;
    }
    const auto files = std::filesystem::directory_iterator(folder(version));
    EXPECT_EQ(static_cast<std::size_t>(std::distance(begin(files), end(files))), read) << "a file that no test reads";
  }
}

// They have a version of their own.
TEST(Fixtures, OfPersonsAreReadAsTheyWereMeant) {
  for (int version = 1; version <= 4; ++version) {
    for (const Fixture& fixture : testing::person_fixtures()) {
      if (fixture.since > version || fixture.until < version) continue;
      const std::string bytes = read_file(std::string(LACUNA_FIXTURES) + "/persons-v" + std::to_string(version) + "/" + fixture.file);
      const Result<bool> same = fixture.same(bytes);
      ASSERT_TRUE(same.ok()) << version << " " << fixture.file << ": " << same.status().to_string();
      EXPECT_TRUE(*same) << version << " " << fixture.file;
      if (version == fixture.until) {
        EXPECT_EQ(bytes, fixture.bytes) << fixture.file << ": as this version writes it";
      }
    }
  }
}

// A newer version is refused before anything else is looked at: with all fields as we know them, with fields we do not know,
// and with fields that would be corrupt under our version.
TEST(Fixtures, OfANewerVersionAreRefused) {
  const Schema schema = testing::test_schema();
  constexpr char kNewer = kFormatVersion + 1;
  for (const Fixture& fixture : testing::fixtures(schema)) {
    if (fixture.file == "checkpoint.bin") continue;  // below
    std::string newer = read_fixture(fixture.until, fixture.file);
    ASSERT_TRUE(newer.starts_with(std::string{'\x08', static_cast<char>(fixture.until)}))
        << fixture.file << ": the version does not come first";
    newer[1] = kNewer;
    EXPECT_EQ(fixture.same(newer).code(), Code::unsupported) << fixture.file;
    EXPECT_NE(fixture.same(newer).status().message().find("format version " + std::to_string(kNewer)), std::string::npos) << fixture.file;
    EXPECT_EQ(fixture.same(newer + "\xfa\x07\x03new").code(), Code::unsupported) << fixture.file;
    EXPECT_EQ(fixture.same(std::string("\x08\xff\xff\xff\xff\x0f", 6)).code(), Code::unsupported) << fixture.file;
  }
}

// The checksum is computed here as docs/formats.md has it.
TEST(Fixtures, ANewerCheckpointIsRefusedAndADamagedVersionIsNot) {
  constexpr char kNewer = kFormatVersion + 1;
  std::string newer = read_fixture(kPlainFormatVersion, "checkpoint.bin");
  newer[1] = kNewer;
  EXPECT_EQ(decode_checkpoint_file(newer).code(), Code::corrupt) << "the version alone was changed";
  const NamedBlob checkpoint = testing::documented_checkpoint();
  const std::uint32_t crc = crc32_of(std::string{kNewer} + std::string("\0\0\0\x0f\0\0\0", 7) + checkpoint.name + checkpoint.content);
  for (std::size_t i = 0; i < 4; ++i) newer[3 + i] = static_cast<char>(crc >> (8 * i) & 0xff);
  EXPECT_EQ(decode_checkpoint_file(newer).code(), Code::unsupported);
  EXPECT_EQ(decode_checkpoint_file(newer + "\xfa\x07\x03new").code(), Code::unsupported) << "with a field we do not know";
}

}  // namespace
}  // namespace lacuna::state
