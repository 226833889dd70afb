// Goal: a packed or UTF-16 file reads as its text, and one that is cut off or damaged never reads as a whole one. Method: random texts,
// packed by libarchive, then cut and altered at random places.
#include "streaming/files/byte_source.h"

#include <gtest/gtest.h>

#include <archive.h>
#include <archive_entry.h>

#include <random>

#include "streaming/files/csv_reader.h"
#include "streaming/messages/json_writer.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::streaming {
namespace {

using AddFilter = int (*)(archive*);

struct Packing {
  const char* name;
  AddFilter add;
};
const Packing kPackings[] = {{"gzip", archive_write_add_filter_gzip},
                             {"xz", archive_write_add_filter_xz},
                             {"zstd", archive_write_add_filter_zstd},
                             {"bzip2", archive_write_add_filter_bzip2}};

std::string pack(const std::string& text, AddFilter add) {
  archive* out = archive_write_new();
  add(out);
  archive_write_set_format_raw(out);
  archive_write_set_bytes_in_last_block(out, 1);  // no zeros behind the end
  std::string packed(text.size() + (1 << 16), '\0');
  std::size_t size = 0;
  EXPECT_EQ(archive_write_open_memory(out, packed.data(), packed.size(), &size), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  EXPECT_EQ(archive_write_header(out, entry), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(out, text.data(), text.size()), static_cast<la_ssize_t>(text.size()));
  archive_entry_free(entry);
  archive_write_close(out);
  archive_write_free(out);
  packed.resize(size);
  return packed;
}

struct Read {
  std::string text, problem;
  std::uint64_t bytes = 0;
};

class ByteSourceTest : public ::testing::Test {
 protected:
  ByteSourceTest() : seed_(std::random_device{}()), random_(seed_), trace_(__FILE__, __LINE__, "seed " + std::to_string(seed_)) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  /// Compresses somewhat, and is longer than the readers' blocks.
  std::string random_text(std::size_t size) {
    std::string text;
    while (text.size() < size) text += "patient" + std::to_string(below(1'000'000)) + ",HR," + std::to_string(below(200)) + "\n";
    return text;
  }
  Read read(const std::string& bytes) {
    Read out;
    auto lines = LineReader::open(scratch_.write("file", bytes));
    if (!lines.ok()) return {"", lines.status().message(), 0};
    std::string_view line;
    LineReader::Outcome outcome;
    while ((outcome = lines->next(line)) == LineReader::Outcome::line) out.text.append(line).append("\n");
    out.problem = lines->problem();
    out.bytes = lines->bytes_read();
    EXPECT_EQ(outcome, out.problem.empty() ? LineReader::Outcome::end : LineReader::Outcome::failed);
    EXPECT_EQ(lines->next(line), outcome) << "it stays so";
    return out;
  }

  const unsigned seed_;
  std::mt19937 random_;
  ::testing::ScopedTrace trace_;
  lacuna::testing::ScratchFolder scratch_;
};

TEST_F(ByteSourceTest, WhatWasPackedIsRead) {
  for (const Packing& packing : kPackings) {
    SCOPED_TRACE(packing.name);
    const std::string text = random_text(400'000), more = random_text(1000);
    const std::string packed = pack(text, packing.add);
    ASSERT_LT(packed.size(), text.size());
    const Read one = read(packed);
    EXPECT_EQ(one.text, text);
    EXPECT_EQ(one.problem, "");
    EXPECT_EQ(one.bytes, packed.size()) << "of the file, not of the text";
    EXPECT_EQ(read(packed + pack(more, packing.add)).text, text + more) << "one behind the other";
    EXPECT_EQ(open_bytes(scratch_ / "file")->packing, packing.name);
    EXPECT_EQ(read(pack("\xEF\xBB\xBF" + more, packing.add)).text, more) << "a mark inside";
    EXPECT_EQ(read(pack("", packing.add)).problem, "");
  }
  const std::string text = random_text(1000);
  EXPECT_EQ(read(pack(text, archive_write_add_filter_gzip) + std::string(700, '\0')).problem, "") << "a tape's block";
  EXPECT_NE(read(pack(text, archive_write_add_filter_gzip) + "more").problem, "") << "something behind it that is not read";
}

// Protects: of a file that is not whole nobody learns without being told.
TEST_F(ByteSourceTest, WhatIsCutOffIsAProblem) {
  for (const Packing& packing : kPackings) {
    SCOPED_TRACE(packing.name);
    const std::string text = random_text(300'000);
    const std::string packed = pack(text, packing.add);
    for (int i = 0; i < 20; ++i) {
      const std::size_t size = i == 0 ? packed.size() - 1 : 10 + below(packed.size() - 10);
      const Read cut = read(packed.substr(0, size));
      EXPECT_NE(cut.problem, "") << size << " of " << packed.size();
      EXPECT_TRUE(text.starts_with(cut.text));
    }
    if (packing.name == std::string("bzip2")) continue;  // all of it is one block
    EXPECT_NE(read(packed.substr(0, packed.size() / 2)).text, "") << "what could be read is read";
  }
}

TEST_F(ByteSourceTest, WhatIsDamagedIsAProblem) {
  for (const Packing& packing : kPackings) {
    if (packing.name == std::string("zstd")) continue;  // libarchive writes no checksum there
    SCOPED_TRACE(packing.name);
    const std::string text = random_text(100'000);
    const std::string packed = pack(text, packing.add);
    for (int i = 0; i < 50; ++i) {
      std::string damaged = packed;
      const std::size_t at = 10 + below(packed.size() - 10);
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << below(8)));
      const Read read_it = read(damaged);
      EXPECT_TRUE(!read_it.problem.empty() || read_it.text == text) << "byte " << at << " of " << packed.size();
    }
  }
}

std::string utf8(char32_t c) {
  std::string out;
  if (c < 0x80) return {static_cast<char>(c)};
  const int tails = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned kHeads[] = {0, 0xC0, 0xE0, 0xF0};
  for (int i = 0; i < tails; ++i, c >>= 6) out.insert(out.begin(), static_cast<char>(0x80U | (c & 0x3FU)));
  return static_cast<char>(kHeads[tails] | c) + out;
}

TEST_F(ByteSourceTest, Utf16IsReadAsUtf8) {
  for (const bool big_endian : {false, true}) {
    std::string expected, bytes = big_endian ? "\xFE\xFF" : "\xFF\xFE";
    const auto add = [&](char32_t unit) {
      const char high = static_cast<char>(unit >> 8), low = static_cast<char>(unit & 0xFF);
      bytes += big_endian ? high : low;
      bytes += big_endian ? low : high;
    };
    for (int i = 0; i < 60'000; ++i) {
      char32_t c = below(4) != 0 ? 'a' + below(26) : below(2) != 0 ? 0x80 + below(0xD000) : 0x10000 + below(0x100000);
      if (i % 100 == 99) c = '\n';
      expected += utf8(c);
      if (c >= 0x10000) {
        add(0xD800 + ((c - 0x10000) >> 10));
        add(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        add(c);
      }
    }
    const Read whole = read(bytes);
    EXPECT_EQ(whole.text, expected);
    EXPECT_EQ(whole.problem, "");
    EXPECT_EQ(read(pack(bytes, archive_write_add_filter_gzip)).text, expected);
    EXPECT_NE(read(bytes + "a").problem, "") << "half a unit";
    add('a'), add(0xD800), add('b'), add('\n'), add(0xDC00);
    const Read lone = read(bytes);
    EXPECT_EQ(lone.text.substr(0, expected.size()), expected);
    EXPECT_FALSE(is_utf8(std::string_view(lone.text).substr(expected.size()))) << "must not be taken for another character";
  }
}

TEST_F(ByteSourceTest, PlainFilesAndNone) {
  EXPECT_EQ(read("").text, "");
  EXPECT_EQ(read("a").text, "a\n");
  EXPECT_EQ(read("BZh").text, "BZh\n") << "a word that begins like a packing";
  EXPECT_EQ(open_bytes(scratch_ / "nothing").code(), Code::not_found);
  EXPECT_NE(LineReader::open(scratch_.path())->problem(), "") << "a folder";
}

}  // namespace
}  // namespace lacuna::streaming
