// Goal: frames are found whatever pieces their bytes come in, and no byte of a message is lost or made up. Method: the same stream cut at
// each place and at random ones; hostile streams with known answers.
#include "streaming/mllp/frame_reader.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace lacuna::streaming::mllp {
namespace {

using namespace std::string_literals;

std::vector<std::string> read_all(FrameReader& reader) {
  std::vector<std::string> out;
  while (auto frame = reader.next()) out.push_back((frame->too_long ? "long:" : "") + frame->message);
  return out;
}
std::vector<std::string> frames_of(const std::string& bytes, std::size_t bytes_max = 100) {
  FrameReader reader(bytes_max);
  reader.push(bytes);
  return read_all(reader);
}
using Frames = std::vector<std::string>;

TEST(FrameReader, FindsFramesOneAfterTheOther) {
  EXPECT_EQ(frames_of("\x0b"
                      "a\x1c\r\x0b"
                      "b\rc\r\x1c\r"s),
            (Frames{"a", "b\rc\r"}));
  EXPECT_EQ(frames_of("\x0b\x1c\r"s), (Frames{""}));
  EXPECT_EQ(frames_of(framed("x") + framed("y")), (Frames{"x", "y"}));
  EXPECT_EQ(frames_of(""), Frames{});
}

TEST(FrameReader, TakesWhatSendersDoBetweenFramesAndCountsTheRest) {
  FrameReader reader(100);
  reader.push(
      "\r\nnoise\x0b"
      "a\x1c\r\n\n\x0b"
      "b\x1c\r?"s);
  EXPECT_EQ(read_all(reader), (Frames{"a", "b"}));
  EXPECT_EQ(reader.stray_bytes(), 6u) << "line ends are not counted";
  EXPECT_FALSE(reader.inside());
}

// A frame whose CR is missing ends with the next one's VT; an FS or a VT elsewhere belongs to the message.
TEST(FrameReader, AnEndIsOneOnlyWhereAFrameCanEnd) {
  EXPECT_EQ(frames_of("\x0b"
                      "a\x1c\x0b"
                      "b\x1c\r"s),
            (Frames{"a", "b"}));
  EXPECT_EQ(frames_of("\x0b"
                      "a\x1c"
                      "b\x1c\x1c\x1c\r"s),
            (Frames{"a\x1c"
                    "b\x1c\x1c"}));
  EXPECT_EQ(frames_of("\x0b"
                      "a\x0b"
                      "b\x1c\r"s),
            (Frames{"a\x0b"
                    "b"}));
  EXPECT_EQ(frames_of("\x0b"
                      "a\x1c"s),
            Frames{})
      << "what follows decides";
  EXPECT_EQ(frames_of("\x0b"
                      "a\0b\x1c\r"s),
            (Frames{"a\0b"s}));
}

TEST(FrameReader, OnlyTheBeginningOfATooLongFrameIsKept) {
  EXPECT_EQ(frames_of(framed("12345") + framed("123456") + framed("1"), 5), (Frames{"12345", "long:12345", "1"}));
  EXPECT_EQ(frames_of(framed("1234\x1c") + framed("12345\x1c") + framed("1"), 5), (Frames{"1234\x1c", "long:12345", "1"}));
  FrameReader reader(10);
  reader.push("\x0b");
  for (int i = 0; i < 1000; ++i) {
    reader.push(std::string(1000, 'x'));
    ASSERT_FALSE(reader.next());
  }
  EXPECT_TRUE(reader.inside());
  reader.push("\x1c\r");
  EXPECT_EQ(read_all(reader), (Frames{"long:xxxxxxxxxx"}));
}

TEST(FrameReader, ItMakesNoDifferenceInWhichPiecesTheBytesCome) {
  const std::string bytes =
      "\r\x0bMSH|1\rPID\r\x1c\r??\x0b\x1c\x1c\r\x0b"
      "a\x1c\x0b"
      "b\x0b\x1c"
      "c\x1c\r\n\x0b"
      "0123456789abc\x1c\r\x0bopen";
  const Frames expected = frames_of(bytes, 12);
  ASSERT_EQ(expected.size(), 5u);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameReader reader(12);
    reader.push(bytes.substr(0, cut));
    Frames found = read_all(reader);
    reader.push(bytes.substr(cut));
    for (std::string& frame : read_all(reader)) found.push_back(std::move(frame));
    EXPECT_EQ(found, expected) << "cut at " << cut;
    EXPECT_TRUE(reader.inside());
    EXPECT_EQ(reader.stray_bytes(), 2u);
  }
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    FrameReader reader(12);
    Frames found;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t length = std::uniform_int_distribution<std::size_t>(1, 4)(random);
      reader.push(bytes.substr(at, length));
      at += length;
      for (std::string& frame : read_all(reader)) found.push_back(std::move(frame));
    }
    EXPECT_EQ(found, expected);
  }
}

// Whoever takes a frame late, since too much waits, finds the rest of what was read.
TEST(FrameReader, WhatWasReadWaitsForWhoeverTakesIt) {
  FrameReader reader(10);
  reader.push(framed("1") + framed("2"));
  EXPECT_EQ(reader.next()->message, "1");
  reader.push(framed("3"));
  EXPECT_EQ(read_all(reader), (Frames{"2", "3"}));
}

}  // namespace
}  // namespace lacuna::streaming::mllp
