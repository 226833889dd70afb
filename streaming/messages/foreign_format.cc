#include "streaming/messages/foreign_format.h"

#include <cstddef>

namespace lacuna::streaming {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLookedAtMax = 4096;
constexpr std::size_t kFramingBytes = 5;  // a zero and a schema's number

struct Sign {
  std::string_view begin;
  std::string_view format;
};

constexpr Sign kBegins[] = {
    {"\xef\xbb\xbf"sv, "JSON behind a byte-order mark"},
    {"\xff\xfe"sv, "text in UTF-16"},
    {"\xfe\xff"sv, "text in UTF-16"},
    {"\x1f\x8b"sv, "something compressed (gzip) by the sender"},
    {"\x28\xb5\x2f\xfd"sv, "something compressed (zstd) by the sender"},
    {"Obj\x01"sv, "an Avro file"},
    {"MSH|"sv, "an HL7 v2 message"},
    {"\x0bMSH"sv, "an HL7 v2 message in MLLP framing"},
    {"BHS|"sv, "a batch of HL7 v2 messages"},
    {"FHS|"sv, "a file of HL7 v2 messages"},
};

/// Of a JSON object: members that an event of ours does not have, and that name another format.
struct Members {
  std::string_view first;
  std::string_view second;  ///< empty: the first is enough
  std::string_view format;
};

constexpr Members kMembers[] = {
    {"\"resourceType\"", "", "a FHIR resource"},
    {"\"specversion\"", "", "a CloudEvent: its data are the event"},
    {"\"schema\"", "\"payload\"", "Kafka Connect's envelope (schemas.enable): its payload is the event"},
    {"\"before\"", "\"after\"", "a change event of a database: its `after` is a row"},
};

}  // namespace

std::string_view foreign_format(std::string_view bytes) {
  for (const Sign& sign : kBegins) {
    if (bytes.starts_with(sign.begin)) return sign.format;
  }
  if (bytes.size() > kFramingBytes && bytes.front() == '\0') {
    return bytes[kFramingBytes] == '{' ? "JSON behind five bytes of a schema registry's framing"
                                       : "Avro or Protocol Buffers in a schema registry's framing";
  }
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return bytes.empty() ? "" : "nothing but white space";
  if (bytes[first] == '<') return "XML";
  if (bytes[first] == '[') return "a JSON array: an event is a record of its own";
  if (bytes[first] != '{') return "";
  const std::string_view head = bytes.substr(0, kLookedAtMax);
  for (const Members& members : kMembers) {
    if (head.find(members.first) != std::string_view::npos && head.find(members.second) != std::string_view::npos) return members.format;
  }
  return "";
}

}  // namespace lacuna::streaming
