#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// HL7 v2 messages (2.1 to 2.9) as views into their bytes: nothing is copied, and a field is looked for when it is asked for. Lenient about
// what does not change the meaning: line ends, blank lines, a line that goes on, MLLP's frame, a mark of byte order, segments that no
// standard has. What is read is valid for as long as the bytes are.

namespace lacuna::streaming::hl7 {

/// MSH-1 and MSH-2. Those that MSH-2 leaves out are 0: no text has them.
struct Delimiters {
  char field = '|';
  char component = '^';
  char repetition = '~';
  char escape = '\\';
  char subcomponent = '&';
};

/// The three letters of a segment's name as a number.
constexpr std::uint32_t name_of(std::string_view letters) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(letters[0])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(letters[1])) << 8 | static_cast<unsigned char>(letters[2]);
}
inline constexpr std::uint32_t kMsh = name_of("MSH"), kPid = name_of("PID"), kPd1 = name_of("PD1"), kPv1 = name_of("PV1"),
                               kPv2 = name_of("PV2"), kEvn = name_of("EVN"), kMrg = name_of("MRG"), kOrc = name_of("ORC"),
                               kObr = name_of("OBR"), kObx = name_of("OBX"), kSpm = name_of("SPM");

struct Segment {
  std::uint32_t name = 0;
  std::string_view text{};  ///< from its name on, without its end
};

/// The first N fields of a segment, counted as HL7 counts them, from 1; [0] is its name. Those that are not there are empty.
template <std::size_t N>
using Fields = std::array<std::string_view, N + 1>;
void split_fields(const Segment& segment, const Delimiters& delimiters, std::span<std::string_view> out);
/// One field; empty where it is not there.
std::string_view field_of(const Segment& segment, const Delimiters& delimiters, std::size_t number);

/// The n-th piece, from 1; empty where it is not there.
std::string_view piece(std::string_view text, char separator, std::size_t n);
/// Takes the next piece off the front; false: none is left. Begin with `first` true.
bool next_piece(std::string_view& left, bool& first, char separator, std::string_view& out);
/// Without the blanks around it.
std::string_view stripped(std::string_view text);
/// HL7's "this field is to be deleted".
constexpr bool is_null(std::string_view field) { return field == "\"\""; }

/// One message. Reused, so that reading allocates nothing once its list of segments has grown.
class Message {
 public:
  std::string_view bytes() const { return bytes_; }  ///< from its MSH to the end of its last segment
  const Delimiters& delimiters() const { return delimiters_; }
  std::span<const Segment> segments() const { return segments_; }  ///< the first is MSH
  /// What is wrong with it as a whole; empty: it can be read.
  std::string_view problem() const { return problem_; }
  bool has_escapes() const { return has_escapes_; }  ///< anywhere behind MSH-2

 private:
  friend class MessageReader;
  void begin(const char* at);
  void read_delimiters(std::string_view header);
  void look_for_escapes();

  std::string_view bytes_;
  std::string_view problem_;  // a literal
  Delimiters delimiters_;
  std::vector<Segment> segments_;
  bool has_escapes_ = true;
};

/// More segments make a message one of something else.
inline constexpr std::size_t kSegmentsMax = std::size_t{1} << 16;

/// The messages of a text, one after the other: alone, in a row, in batches and files (FHS, BHS, BTS, FTS).
class MessageReader {
 public:
  explicit MessageReader(std::string_view text);
  /// False at the end.
  bool next(Message& message);

  std::uint64_t stray_lines() const { return stray_lines_; }      ///< that stand before any MSH, and are no header of a batch
  std::uint64_t wrong_batches() const { return wrong_batches_; }  ///< whose BTS-1 tells another number of messages than there are

 private:
  bool read(Message& message);
  bool next_line(std::string_view& line);
  void take_batch_line(std::string_view line);

  std::string_view left_;
  char ends_[2] = {'\r', '\n'};  // equal: the text has only one of them
  std::uint64_t stray_lines_ = 0, wrong_batches_ = 0;
  std::uint64_t in_batch_ = 0;
  bool batch_open_ = false;
};

/// Appends `text` without its escape sequences: \F\ \S\ \T\ \R\ \E\ \P\, \Xhh..\, and the formatting of texts, of which line breaks and
/// blanks stay. What is no sequence stays as it is. `from_bytes` takes what \X..\ means to UTF-8, in place; null: its bytes as they are.
using BytesToText = void (*)(void* context, std::string& bytes);
void unescape(std::string_view text, const Delimiters& delimiters, std::string& out, BytesToText from_bytes = nullptr,
              void* context = nullptr);

/// `text` itself where it holds no escape sequence, else `buffer`, into which it is written.
std::string_view plain(std::string_view text, const Delimiters& delimiters, std::string& buffer, BytesToText from_bytes = nullptr,
                       void* context = nullptr);

}  // namespace lacuna::streaming::hl7
