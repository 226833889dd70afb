#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lacuna::streaming::hl7 {

/// A code of OBX-3 that leads nowhere, as its first message wrote it.
struct UnmappedCode {
  std::string code, system, name;
  std::uint64_t values = 0;
  std::map<std::string, std::uint64_t> units;  ///< of OBX-6; at most kUnitsMax, all others under "..."
  std::map<std::string, std::uint64_t> types;  ///< of OBX-2, the same
  static constexpr std::size_t kUnitsMax = 8;
};

/// What was met and is mapped to nothing, in bounded memory: beyond `codes_max` codes only their number of values is known. One thread.
class UnmappedCodes {
 public:
  explicit UnmappedCodes(std::size_t codes_max = 4096) : codes_max_(codes_max) {}
  void add(std::string_view code, std::string_view system, std::string_view name, std::string_view unit, std::string_view type);
  /// The most frequent first.
  std::vector<UnmappedCode> by_volume() const;
  std::uint64_t values() const { return values_; }  ///< in all
  std::uint64_t beyond() const { return beyond_; }  ///< of them, those of codes that are not told apart any more

 private:
  std::size_t codes_max_;
  std::unordered_map<std::uint64_t, UnmappedCode> codes_;
  std::uint64_t values_ = 0, beyond_ = 0;
};

}  // namespace lacuna::streaming::hl7
