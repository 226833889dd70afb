#include "streaming/hl7/unmapped_codes.h"

#include <algorithm>
#include <tuple>

#include "state/records/hash.h"
#include "streaming/hl7/character_set.h"

namespace lacuna::streaming::hl7 {

namespace {

constexpr std::size_t kTextBytesMax = 96;

/// As it can be shown: without control characters, and not longer than a name is.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, kTextBytesMax));
  while (!out.empty() && !is_utf8(out) && text.size() > out.size() && (static_cast<unsigned char>(text[out.size()]) & 0xc0U) == 0x80U) {
    out.pop_back();  // inside of a character
  }
  const bool readable = is_utf8(out);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (!readable && byte >= 0x80)) c = '?';
  }
  return out;
}

void count(std::map<std::string, std::uint64_t>& counts, std::string_view text) {
  std::string key = shown(text);
  if (!counts.contains(key) && counts.size() >= UnmappedCode::kUnitsMax) key = "...";
  counts[key] += 1;
}

}  // namespace

void UnmappedCodes::add(std::string_view code, std::string_view system, std::string_view name, std::string_view unit,
                        std::string_view type) {
  values_ += 1;
  const std::uint64_t key = hash64(system, hash64(code));
  auto at = codes_.find(key);
  if (at == codes_.end()) {
    if (codes_.size() >= codes_max_) {
      beyond_ += 1;
      return;
    }
    at = codes_.emplace(key, UnmappedCode{shown(code), shown(system), shown(name), 0, {}, {}}).first;
  }
  at->second.values += 1;
  count(at->second.units, unit);
  count(at->second.types, type);
}

std::vector<UnmappedCode> UnmappedCodes::by_volume() const {
  std::vector<UnmappedCode> out;
  for (const auto& [key, code] : codes_) out.push_back(code);
  std::sort(out.begin(), out.end(), [](const UnmappedCode& a, const UnmappedCode& b) {
    return std::tie(b.values, a.code, a.system) < std::tie(a.values, b.code, b.system);
  });
  return out;
}

}  // namespace lacuna::streaming::hl7
