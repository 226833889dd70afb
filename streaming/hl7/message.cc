#include "streaming/hl7/message.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "streaming/files/cell_text.h"

namespace lacuna::streaming::hl7 {

namespace {

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter_or_digit(char c) { return is_upper(c) || is_digit(c) || (c >= 'a' && c <= 'z'); }

constexpr std::uint32_t kBhs = name_of("BHS"), kFhs = name_of("FHS"), kBts = name_of("BTS"), kFts = name_of("FTS");

bool is_named(std::string_view line) {
  return line.size() >= 3 && is_upper(line[0]) && (is_upper(line[1]) || is_digit(line[1])) && (is_upper(line[2]) || is_digit(line[2]));
}

/// MSH and the lines around batches: the character behind the name is the sender's own.
bool opens(std::string_view line, std::uint32_t name) {
  return line.size() >= 3 && name_of(line) == name && (line.size() == 3 || !is_letter_or_digit(line[3]));
}
bool is_batch_line(std::string_view line) {
  return line.size() >= 3 && (line[0] == 'B' || line[0] == 'F') &&
         (opens(line, kBhs) || opens(line, kFhs) || opens(line, kBts) || opens(line, kFts));
}

constexpr bool has_own_delimiters(std::uint32_t name) { return name == kMsh || name == kBhs || name == kFhs; }

const char* find(const char* from, const char* end, char c) {
  return from == end ? nullptr : static_cast<const char*>(std::memchr(from, c, static_cast<std::size_t>(end - from)));
}

constexpr std::uint64_t kEachByte = 0x0101010101010101ULL;
constexpr std::size_t kWord = sizeof(std::uint64_t);

/// A bit for each of the eight bytes that is `c` (times kEachByte): the highest of the byte.
std::uint64_t matches(const char* at, std::uint64_t c) {
  constexpr std::uint64_t kLow = 0x7f * kEachByte;
  std::uint64_t word = 0;
  std::memcpy(&word, at, kWord);
  word ^= c;
  return ~(((word & kLow) + kLow) | word | kLow);
}
/// The place of the first of them.
std::size_t first_of(std::uint64_t found) {
  return static_cast<std::size_t>(std::endian::native == std::endian::little ? std::countr_zero(found) : std::countl_zero(found)) / 8;
}
std::uint64_t without_first(std::uint64_t found) {
  if constexpr (std::endian::native == std::endian::little) return found & (found - 1);
  return found & ~(std::uint64_t{1} << 63 >> std::countl_zero(found));
}

/// As find(), for texts that are mostly shorter than a call of memchr is worth; `end` where there is none.
const char* find_near(const char* at, const char* end, char c) {
  const std::uint64_t wanted = static_cast<unsigned char>(c) * kEachByte;
  for (; static_cast<std::size_t>(end - at) >= kWord; at += kWord) {
    if (const std::uint64_t found = matches(at, wanted); found != 0) return at + first_of(found);
  }
  while (at != end && *at != c) ++at;
  return at;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool read_hex(std::string_view digits, std::string& out) {
  if (digits.empty() || digits.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return true;
}

/// ".br", ".sp3": what a formatting command is in plain text. False: it is none.
bool take_formatting(std::string_view command, std::string& out) {
  constexpr int kRepeatsMax = 100;
  if (command.size() < 3) return false;
  const auto lower = [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; };
  const char name[2] = {lower(command[1]), lower(command[2])};
  const std::string_view is(name, 2);
  std::string_view digits = command.substr(3);
  if (!digits.empty() && (digits.front() == '+' || digits.front() == ' ')) digits.remove_prefix(1);
  int times = 1;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), times);
  if (!digits.empty() && (end.ec != std::errc() || end.ptr != digits.data() + digits.size())) return false;
  times = std::clamp(times, 0, kRepeatsMax);
  if (is == "br" || is == "ce") out.push_back('\n');
  else if (is == "sp") out.append(static_cast<std::size_t>(times), '\n');
  else if (is == "sk") out.append(static_cast<std::size_t>(times), ' ');
  else if (is != "in" && is != "ti" && is != "fi" && is != "nf") return false;
  return true;
}

/// What stands between two escape characters. False: it is no sequence.
bool take_sequence(std::string_view body, const Delimiters& d, std::string& out, BytesToText from_bytes, void* context) {
  if (body.empty()) return false;
  if (body.size() == 1) {
    switch (body[0]) {
      case 'F': out.push_back(d.field); return true;
      case 'S': out.push_back(d.component); return true;
      case 'T': out.push_back(d.subcomponent); return true;
      case 'R': out.push_back(d.repetition); return true;
      case 'E': out.push_back(d.escape); return true;
      case 'P': out.push_back('#'); return true;
      case 'H':
      case 'N': return true;  // highlighting begins and ends
      default: return false;
    }
  }
  std::string bytes;
  switch (body[0]) {
    case 'X':
      if (!read_hex(body.substr(1), bytes)) return false;
      if (from_bytes != nullptr) from_bytes(context, bytes);
      out += bytes;
      return true;
    case 'C':
    case 'M': return read_hex(body.substr(1), bytes);  // another character set from here on: of the one that MSH-18 tells all is read
    case 'Z': return true;                             // between sender and receiver alone
    case '.': return take_formatting(body, out);
    default: return false;
  }
}

}  // namespace

void split_fields(const Segment& segment, const Delimiters& delimiters, std::span<std::string_view> out) {
  const char* at = segment.text.data();
  const char* const end = at + segment.text.size();
  std::size_t n = 0;
  out[n++] = segment.text.substr(0, 3);
  at = std::min(end, at + 3);
  if (has_own_delimiters(segment.name) && at != end && n < out.size()) out[n++] = {at, 1};
  if (at != end) {
    const char* begin = ++at;  // behind the separator
    const auto part = [&](const char* separator) {
      if (n < out.size()) out[n++] = {begin, static_cast<std::size_t>(separator - begin)};
      begin = separator + 1;
    };
    const std::uint64_t wanted = static_cast<unsigned char>(delimiters.field) * kEachByte;
    for (; static_cast<std::size_t>(end - at) >= kWord && n < out.size(); at += kWord) {
      for (std::uint64_t found = matches(at, wanted); found != 0; found = without_first(found)) part(at + first_of(found));
    }
    for (; at != end && n < out.size(); ++at) {
      if (*at == delimiters.field) part(at);
    }
    if (n < out.size()) part(end);
  }
  for (; n < out.size(); ++n) out[n] = {};
}

std::string_view field_of(const Segment& segment, const Delimiters& delimiters, std::size_t number) {
  if (has_own_delimiters(segment.name)) {
    if (number == 1) return segment.text.substr(std::min<std::size_t>(3, segment.text.size()), 1);
    --number;
  }
  return piece(segment.text, delimiters.field, number + 1);
}

std::string_view piece(std::string_view text, char separator, std::size_t n) {
  if (separator == '\0') return n == 1 ? text : std::string_view();
  const char* at = text.data();
  const char* const end = at + text.size();
  for (; n > 1; --n) {
    at = find_near(at, end, separator);
    if (at == end) return {};
    ++at;
  }
  return {at, static_cast<std::size_t>(find_near(at, end, separator) - at)};
}

std::string_view stripped(std::string_view text) {
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f; };
  return text.empty() || (is_plain(text.front()) && is_plain(text.back())) ? text : trim(text);
}

bool next_piece(std::string_view& left, bool& first, char separator, std::string_view& out) {
  if (!first && left.data() == nullptr) return false;
  first = false;
  const std::size_t end = separator == '\0' ? std::string_view::npos : left.find(separator);
  out = left.substr(0, end);
  if (end == std::string_view::npos) left = {};
  else left = {left.data() + end + 1, left.size() - end - 1};
  return true;
}

void Message::begin(const char* at) {
  bytes_ = {at, 0};
  problem_ = {};
  segments_.clear();
  has_escapes_ = true;
}

void Message::read_delimiters(std::string_view header) {
  delimiters_ = {};
  if (header.size() < 5) {
    problem_ = "MSH-2 is missing";
    return;
  }
  delimiters_.field = header[3];
  const std::string_view encoding = piece(header.substr(4), header[3], 1);
  char* const parts[] = {&delimiters_.component, &delimiters_.repetition, &delimiters_.escape, &delimiters_.subcomponent};
  for (std::size_t i = 0; i < std::size(parts); ++i) *parts[i] = i < encoding.size() ? encoding[i] : '\0';
  if (encoding.empty()) problem_ = "MSH-2 is empty";
  const char all[] = {delimiters_.field, delimiters_.component, delimiters_.repetition, delimiters_.escape, delimiters_.subcomponent};
  for (std::size_t i = 0; i < std::size(all); ++i) {
    if (is_letter_or_digit(all[i])) problem_ = "MSH-1 or MSH-2 holds a letter or digit";
    if (all[i] != '\0' && std::count(std::begin(all), std::end(all), all[i]) > 1) problem_ = "MSH-1 and MSH-2 hold a character twice";
  }
}

void Message::look_for_escapes() {
  const std::string_view header = segments_.empty() ? std::string_view() : segments_.front().text;
  const std::size_t behind = std::min(bytes_.size(), header.size() < 4 ? 4 : 4 + piece(header.substr(4), delimiters_.field, 1).size());
  has_escapes_ = delimiters_.escape != '\0' && bytes_.find(delimiters_.escape, behind) != std::string_view::npos;
}

MessageReader::MessageReader(std::string_view text) : left_(text) {
  if (left_.starts_with("\xef\xbb\xbf")) left_.remove_prefix(3);
  const bool cr = left_.find('\r') != std::string_view::npos, lf = left_.find('\n') != std::string_view::npos;
  if (!lf) ends_[1] = '\r';
  else if (!cr) ends_[0] = '\n';
}

bool MessageReader::next_line(std::string_view& line) {
  if (left_.empty()) return false;
  const char* const begin = left_.data();
  const char* const end = begin + left_.size();
  const char* at = find(begin, end, ends_[0]);
  if (ends_[0] != ends_[1]) {
    const char* const other = find(begin, at != nullptr ? at : end, ends_[1]);
    if (other != nullptr) at = other;
  }
  line = {begin, static_cast<std::size_t>((at != nullptr ? at : end) - begin)};
  left_.remove_prefix(line.size() + (at != nullptr ? 1 : 0));
  return true;
}

void MessageReader::take_batch_line(std::string_view line) {
  if (opens(line, kBhs)) {
    batch_open_ = true;
    in_batch_ = 0;
  } else if (opens(line, kBts)) {
    const std::string_view told = line.size() > 4 ? piece(line.substr(4), line[3], 1) : std::string_view();
    std::uint64_t count = 0;
    const auto end = std::from_chars(told.data(), told.data() + told.size(), count);
    if (batch_open_ && !told.empty() && end.ec == std::errc() && end.ptr == told.data() + told.size() && count != in_batch_)
      wrong_batches_ += 1;
    batch_open_ = false;
  }
}

bool MessageReader::next(Message& message) {
  const bool found = read(message);
  if (found) message.look_for_escapes();
  return found;
}

bool MessageReader::read(Message& message) {
  bool open = false;
  std::string_view line;
  for (std::string_view before = left_; next_line(line); before = left_) {
    while (!line.empty() && (line.front() == '\x0b' || line.front() == '\x1c')) line.remove_prefix(1);  // MLLP's frame
    if (!line.empty() && line.back() == '\x1c') line.remove_suffix(1);
    if (line.empty()) continue;
    if (opens(line, kMsh)) {
      if (open) {
        left_ = before;
        return true;
      }
      open = true;
      in_batch_ += 1;
      message.begin(line.data());
      message.read_delimiters(line);
    } else if (is_batch_line(line)) {
      take_batch_line(line);
      if (open) return true;
      continue;
    } else if (!open) {
      if (line.find_first_not_of(" \t") != std::string_view::npos) stray_lines_ += 1;
      continue;
    }
    const char* const end = line.data() + line.size();
    if (is_named(line) && (line.size() == 3 || line[3] == message.delimiters_.field)) {
      if (message.segments_.size() == kSegmentsMax) message.problem_ = "it has too many segments";
      else message.segments_.push_back({name_of(line), line});
    } else if (!message.segments_.empty()) {  // a line end that a field holds
      std::string_view& last = message.segments_.back().text;
      last = {last.data(), static_cast<std::size_t>(end - last.data())};
    }
    message.bytes_ = {message.bytes_.data(), static_cast<std::size_t>(end - message.bytes_.data())};
  }
  return open;
}

void unescape(std::string_view text, const Delimiters& delimiters, std::string& out, BytesToText from_bytes, void* context) {
  while (!text.empty()) {
    const std::size_t begin = delimiters.escape == '\0' ? std::string_view::npos : text.find(delimiters.escape);
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    const std::size_t end = text.find(delimiters.escape, 1);
    if (end == std::string_view::npos) {
      out += text;
      return;
    }
    if (take_sequence(text.substr(1, end - 1), delimiters, out, from_bytes, context)) {
      text.remove_prefix(end + 1);
    } else {  // the second may begin one
      out += text.substr(0, end);
      text.remove_prefix(end);
    }
  }
}

std::string_view plain(std::string_view text, const Delimiters& delimiters, std::string& buffer, BytesToText from_bytes, void* context) {
  if (delimiters.escape == '\0' || text.find(delimiters.escape) == std::string_view::npos) return text;
  buffer.clear();
  unescape(text, delimiters, buffer, from_bytes, context);
  return buffer;
}

}  // namespace lacuna::streaming::hl7
