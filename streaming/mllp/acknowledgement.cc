#include "streaming/mllp/acknowledgement.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>

namespace lacuna::streaming::mllp {

namespace {

using hl7::Delimiters;

/// The line of the first MSH; empty: there is none.
std::string_view find_msh(std::string_view message) {
  for (std::size_t at = message.find("MSH"); at != std::string_view::npos; at = message.find("MSH", at + 1)) {
    const std::string_view before = message.substr(0, at);
    const bool begins = before.empty() || before.back() == '\r' || before.back() == '\n' ||
                        before.find_first_not_of(" \t\x0b\xef\xbb\xbf") == std::string_view::npos;
    if (!begins) continue;
    const std::string_view line = message.substr(at);
    return line.substr(0, line.find_first_of("\r\n"));
  }
  return {};
}

bool may_delimit(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isgraph(byte) != 0 && std::isalnum(byte) == 0;
}

/// What may be written into a segment again: no line end, nothing that ends a frame, and nothing that parts fields, where other ones do in
/// the answer. ESC changes between character sets.
std::string repeatable(std::string_view field, char delimiter) {
  std::string out(field.substr(0, kFieldBytesMax));
  std::erase_if(out, [delimiter](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\x1b') || c == delimiter; });
  return out;
}

std::string_view without_null(std::string_view field) { return hl7::is_null(field) ? std::string_view() : hl7::stripped(field); }

/// Our own words, in which a sender's delimiters may stand.
std::string escaped(std::string_view text, const Delimiters& d) {
  std::string out;
  for (const char c : text) {
    const char name = c == d.field          ? 'F'
                      : c == d.component    ? 'S'
                      : c == d.repetition   ? 'R'
                      : c == d.subcomponent ? 'T'
                      : c == d.escape       ? 'E'
                                            : '\0';
    if (name == '\0' || d.escape == '\0') out.push_back(name == '\0' ? c : ' ');
    else out.append({d.escape, name, d.escape});
  }
  return out;
}

/// "20260101000700.250+0000": HL7's time, in UTC.
std::string hl7_time(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss<Millis> clock(time - day);
  char out[40];
  std::snprintf(out, sizeof out, "%04d%02u%02u%02d%02d%02d.%03d+0000", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return out;
}

/// 205 of "2.5", 231 of "2.3.1": 2.10 is above 2.9. 0: none that is known.
int version_number(std::string_view version) {
  int parts[3] = {0, 0, 0};
  std::size_t part = 0;
  for (const char c : version) {
    if (c == '.') {
      if (++part == 3) break;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 && parts[part] < 100) {
      parts[part] = parts[part] * 10 + (c - '0');
    } else {
      break;
    }
  }
  return parts[0] * 10'000 + parts[1] * 100 + parts[2];
}
constexpr int kVersion231 = 20'301, kVersion25 = 20'500;

std::string_view words_of(int code) {
  switch (code) {
    case kSegmentError: return "Segment sequence error";
    case kFieldMissing: return "Required field missing";
    case kUnknownInTable: return "Table value not found";
    case kTooLong: return "Value too long";
    default: return "Application internal error";
  }
}

/// A location in the components of ERR-1 (before 2.5) and ERR-2: segment, its sequence, field. "PID-3" -> "PID^1^3".
std::string components_of(std::string_view location, const Delimiters& d) {
  const std::size_t dash = location.find('-');
  std::string out(location.substr(0, dash));
  if (out.size() != 3) return {};
  out.append({d.component, '1'});
  if (dash != std::string_view::npos) out.append(1, d.component).append(location.substr(dash + 1));
  return out;
}

std::string error_segment(const MessageHeader& header, const Fault& fault) {
  const Delimiters& d = header.delimiters;
  const std::string f(1, d.field), code = std::to_string(fault.code), words(words_of(fault.code));
  if (d.component == '\0') return "ERR" + f;
  const std::string c(1, d.component), place = components_of(fault.location, d);
  const int version = version_number(header.version);
  if (version != 0 && version < kVersion25) {
    if (d.subcomponent == '\0') return "ERR" + f + place;
    const std::string s(1, d.subcomponent);
    return "ERR" + f + (place.empty() ? c + c : place + (fault.location.find('-') == std::string::npos ? c : "")) + c + code + s + words +
           s + "HL70357";
  }
  return "ERR" + f + f + place + f + code + c + words + c + "HL70357" + f + "E" + f + f + f + f + escaped(fault.text, d);
}

struct Codes {
  const char *accepted, *error, *rejected;
  std::string_view of(Verdict verdict) const {
    return verdict == Verdict::accepted ? accepted : verdict == Verdict::error ? error : rejected;
  }
};
constexpr Codes kApplication{"AA", "AE", "AR"}, kAccept{"CA", "CE", "CR"};

/// HL7's table 0155; what is not in it asks for an answer.
bool wants(std::string_view condition, Verdict verdict) {
  if (condition.empty() || condition == "NE") return false;
  if (condition == "ER") return verdict != Verdict::accepted;
  if (condition == "SU") return verdict == Verdict::accepted;
  return true;
}

std::string one_answer(const MessageHeader& header, std::string_view code, Verdict verdict, const Fault& fault,
                       const std::string& control_id, Time time) {
  const Delimiters& d = header.delimiters;
  const std::string f(1, d.field);
  const int version = version_number(header.version);
  std::string type = "ACK";
  if (d.component != '\0' && version >= kVersion231 && !header.trigger.empty()) {
    type += std::string(1, d.component) + header.trigger + d.component + "ACK";
  }
  std::string out = "MSH" + f + header.encoding + f + header.receiving_application + f + header.receiving_facility + f +
                    header.application + f + header.facility + f + hl7_time(time) + f + f + type + f + control_id + f +
                    (header.processing.empty() ? "P" : header.processing) + f + (header.version.empty() ? "2.5" : header.version);
  if (!header.character_set.empty()) out += f + f + f + f + f + f + header.character_set;
  out += "\rMSA" + f + std::string(code) + f + header.control_id;
  if (verdict != Verdict::accepted) {
    out += f + escaped(fault.text, d) + "\r" + error_segment(header, fault);
  }
  return out + "\r";
}

}  // namespace

MessageHeader read_header(std::string_view message) {
  MessageHeader out;
  const std::string_view line = find_msh(message);
  if (line.size() < 4 || !may_delimit(line[3])) return out;
  Delimiters d;
  d.field = line[3];
  const std::string_view encoding = hl7::piece(line.substr(4), d.field, 1);
  const auto at = [&encoding](std::size_t i) { return i < encoding.size() ? encoding[i] : '\0'; };
  // Those that our own words could hold would part them.
  if (encoding.size() <= 5 && std::ranges::all_of(encoding, may_delimit) &&
      std::string_view("-.+").find(d.field) == std::string_view::npos) {
    d.component = at(0);
    d.repetition = at(1);
    d.escape = at(2);
    d.subcomponent = at(3);
    out.delimiters = d;
    out.encoding = encoding;
  }
  const auto printable = [&out](std::string_view field) { return repeatable(field, out.delimiters.field); };
  const auto field = [&](std::size_t number) { return hl7::piece(line.substr(4), d.field, number - 1); };
  out.application = printable(field(3));
  out.facility = printable(field(4));
  out.receiving_application = printable(field(5));
  out.receiving_facility = printable(field(6));
  out.type = printable(hl7::stripped(hl7::piece(field(9), d.component, 1)));
  out.trigger = printable(hl7::stripped(hl7::piece(field(9), d.component, 2)));
  out.control_id = printable(field(10));
  out.processing = printable(field(11));
  out.version = printable(hl7::piece(field(12), d.component, 1));
  out.accept_condition = printable(without_null(field(15)));
  out.application_condition = printable(without_null(field(16)));
  out.character_set = printable(field(18));
  return out;
}

std::vector<Answer> answers(const MessageHeader& header, Verdict verdict, const Fault& fault, std::string_view process,
                            const AnswerStamp& stamp) {
  std::vector<Answer> out;
  if (header.is_answer()) return out;
  const auto add = [&](const Codes& codes, std::uint64_t number) {
    const std::string_view code = codes.of(verdict);
    char hex[20];
    std::snprintf(hex, sizeof hex, "%llx", static_cast<unsigned long long>(number));
    out.push_back({code, one_answer(header, code, verdict, fault, std::string(process) + hex, stamp.time)});
  };
  if (!header.enhanced()) {
    add(kApplication, stamp.number);
    return out;
  }
  if (wants(header.accept_condition, verdict)) add(kAccept, stamp.number);
  // What was not even accepted is not answered as if it had been worked on, unless nobody would hear of it.
  if (wants(header.application_condition, verdict) && (verdict == Verdict::accepted || out.empty())) add(kApplication, stamp.number + 1);
  return out;
}

}  // namespace lacuna::streaming::mllp
