#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/hl7/addressees.h"
#include "streaming/mllp/acknowledgement.h"
#include "streaming/mllp/answer_memory.h"
#include "streaming/mllp/frame_reader.h"

// Whatever comes over a connection: the frames are the same in whatever pieces it comes, within their bound; each has its answers, each of
// which is one whole message in one frame; and whom it is about is found, or it is said why not. Run by libFuzzer (-DLACUNA_FUZZ=ON) and,
// on the corpus, by the tests.

namespace {

using namespace lacuna;
using namespace lacuna::streaming;
using namespace lacuna::streaming::mllp;

constexpr std::size_t kBytesMax = 4096;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

std::vector<FrameReader::Frame> read(std::string_view bytes, std::size_t step) {
  FrameReader reader(kBytesMax);
  std::vector<FrameReader::Frame> out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    reader.push(bytes.substr(at, step));
    while (auto frame = reader.next()) out.push_back(std::move(*frame));
  }
  return out;
}

void check_answers(const MessageHeader& header) {
  for (const Verdict verdict : {Verdict::accepted, Verdict::error, Verdict::rejected}) {
    const auto said = answers(header, verdict, {kFieldMissing, "PID-3", "PID-3: why"}, "p-", {7, Time{}});
    require(said.size() <= (header.is_answer() ? 0u : header.enhanced() ? 2u : 1u), "no more answers than were asked for");
    require(header.enhanced() || header.is_answer() || said.size() == 1, "in the original mode there is one");
    for (const Answer& one : said) {
      FrameReader reader(1 << 20);
      reader.push(framed(one.message));
      const auto frame = reader.next();
      require(frame && frame->message == one.message && !reader.next() && !reader.inside(), "an answer is one frame");
      const MessageHeader again = read_header(one.message);
      require(again.is_answer() && again.control_id == (one.code[0] == 'C' || !header.enhanced() ? "p-7" : "p-8"),
              "an answer is an answer");
      require(again.application == header.receiving_application && again.receiving_application == header.application,
              "to whom it came from");
      require(one.message.size() < 14 * kFieldBytesMax, "an answer is bounded");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const hl7::FeedOptions options = [] {
    hl7::FeedOptions out;
    out.authority = "HOSP";
    out.ignored_messages = {"SIU"};
    return out;
  }();
  static const CodecLimits limits = [] {
    CodecLimits out;
    out.message_bytes_max = kBytesMax;
    out.id_bytes_max = 32;
    return out;
  }();
  static hl7::AddresseeReader addressees(options, limits);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto frames = read(bytes, bytes.size() + 1);
  for (const std::size_t step : {1, 3, 64}) {
    const auto again = read(bytes, step);
    require(again.size() == frames.size(), "as many frames in pieces");
    for (std::size_t i = 0; i < frames.size(); ++i) {
      require(again[i].message == frames[i].message && again[i].too_long == frames[i].too_long, "the same frames in pieces");
    }
  }
  std::vector<std::string> messages{std::string(bytes)};
  for (const auto& frame : frames) messages.push_back(frame.message);
  for (const std::string& message : messages) {
    const MessageHeader header = read_header(message);
    check_answers(header);
    require(AnswerMemory::key_of(header, message).known == !header.control_id.empty(), "a control id is a key");
    if (message.size() > kBytesMax) continue;
    hl7::Addressees whom;
    addressees.read(message, whom);
    require(!whom.persons.empty() || !whom.refused.empty(), "nobody is told of, and it is said why");
    require(whom.persons.size() <= hl7::kPersonsMax, "persons are bounded");
    for (const std::string& person : whom.persons) require(!person.empty() && person.size() <= 32, "an id is one");
  }
  return 0;
}
