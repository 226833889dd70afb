#include "daemon/config/values.h"

#include <algorithm>
#include <array>

namespace lacuna::daemon {

namespace values {

namespace {

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<SizeUnit, 5> kSizeUnits{
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};

template <typename T>
std::optional<T> parse_whole(std::string_view text) {
  if (has_leading_zero(text)) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string format_number(double value) {
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 64> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::string(text.data(), end) : std::string();
}

std::string format_size(std::uint64_t bytes) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (bytes >= unit.bytes && bytes % unit.bytes == 0) return std::to_string(bytes / unit.bytes) + std::string(unit.name);
  }
  return "0B";
}

std::optional<double> parse_number(std::string_view text) {
  if (text == ".inf") return std::numeric_limits<double>::infinity();
  if (text == "-.inf") return -std::numeric_limits<double>::infinity();
  if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return std::nullopt;  // no "nan", no "inf"
  return parse_whole<double>(text);
}

std::optional<std::int64_t> parse_integer(std::string_view text) { return parse_whole<std::int64_t>(text); }

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = parse_whole<std::uint64_t>(text.substr(0, digits));
  const std::string_view name = digits < text.size() ? text.substr(digits) : "B";
  const auto* const unit = std::find_if(kSizeUnits.begin(), kSizeUnits.end(), [&](const SizeUnit& u) { return u.name == name; });
  if (!number || unit == kSizeUnits.end()) return std::nullopt;
  if (*number > std::numeric_limits<std::uint64_t>::max() / unit->bytes) return std::nullopt;
  return *number * unit->bytes;
}

std::string got(const YamlNode& node) {
  constexpr std::size_t kQuotedMax = 60;
  switch (node.kind) {
    case YamlNode::Kind::null: return "nothing";
    case YamlNode::Kind::list: return "a list";
    case YamlNode::Kind::map: return "a section";
    case YamlNode::Kind::scalar: break;
  }
  return node.text.size() <= kQuotedMax && is_text(node.text) ? "'" + node.text + "'" : "a long text";
}

bool has_leading_zero(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() > 1 && text[0] == '0' && digit(text[1]);
}

std::string zero_advice(const YamlNode& node) {
  const bool number =
      node.kind == YamlNode::Kind::scalar && has_leading_zero(node.text) && node.text.find_first_of("/:-", 1) == std::string::npos;
  return number ? "; a leading zero makes it octal to some readers: write it without" : "";
}

bool is_text(std::string_view text) {
  return text.size() <= kTextBytesMax && std::none_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return (byte < 0x20 && c != '\t') || byte == 0x7f;
         });
}

}  // namespace values

}  // namespace lacuna::daemon
