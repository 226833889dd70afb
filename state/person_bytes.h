#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/person_records.h"
#include "state/records/bytes.h"
#include "state/records/feature_state.h"

// The numbers that records of persons are made of. Not Protocol Buffers: there are as many of these as events, and each byte of them
// counts. Private to this folder.

namespace lacuna::state {

inline constexpr std::int64_t kPersonTimeMsMax = 100'000'000'000'000;
inline constexpr std::uint32_t kPartFlag = PartKeys::kEnd;  // more follows: withdrawn, a revision
inline constexpr std::uint8_t kAsValue = 8;                 // the revision is written as values are, and not as 8 bytes
inline constexpr std::uint8_t kWideTag = 16;                // the other 48 bits of the tag follow

inline constexpr std::uint64_t kCensoredValue = 23;  // in the place of a value: one that is censored follows

inline std::int64_t person_ms(Time time) { return time.time_since_epoch().count(); }
inline bool same_bits(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

/// Numbers of few bytes where they are small, and of three where they always fit.
class PersonWriter {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.put(static_cast<std::uint8_t>(value | 0x80));
    bytes_.put(static_cast<std::uint8_t>(value));
  }
  void difference(std::int64_t value);
  void three(std::uint32_t value) {
    bytes_.put(static_cast<std::uint16_t>(value));
    bytes_.put(static_cast<std::uint8_t>(value >> 16));
  }
  template <typename T>
  void put(T value) {
    bytes_.put(value);
  }
  /// As it was measured, bit by bit; nearly always a number of few decimal digits.
  void value(double value);
  /// The same; before a censored one stands `censoring` (state/records/feature_state.h).
  void value(double value, std::uint8_t censoring);
  void value(double value, Comparator comparator) { this->value(value, static_cast<std::uint8_t>(comparator)); }
  void time(Time time, Time from = {});
  void part(const DeliveredPart& p) {
    const bool more = p.withdrawn || p.revision.kind != Revision::Kind::none || is_wide(p.tag);
    three(p.part | (more ? kPartFlag : 0));
    put(static_cast<std::uint16_t>(p.tag));
    if (more) standing(p);
  }
  /// Withdrawn or not, the revision, and what the tag has beside its last 16 bits.
  void standing(const DeliveredPart& p) {
    const bool revised = p.revision.kind != Revision::Kind::none;
    const int wide = is_wide(p.tag) ? kWideTag : 0;
    put(static_cast<std::uint8_t>((p.withdrawn ? 1 : 0) | static_cast<int>(p.revision.kind) << 1 | (revised ? kAsValue : 0) | wide));
    if (revised) value(p.revision.value);
    if (wide != 0) rest_of(p.tag);
  }
  /// The first 48 bits of a wide tag.
  void rest_of(Tag tag) {
    put(static_cast<std::uint16_t>(tag >> 16));
    put(static_cast<std::uint32_t>(tag >> 32));
  }
  std::string take() { return bytes_.take(); }
  /// The same, with `version` as the first byte where anything is censored.
  std::string take(std::uint8_t version) {
    std::string out = take();
    if (censored_) out[0] = static_cast<char>(version);
    return out;
  }

 private:
  ByteWriter bytes_;
  bool censored_ = false;
};

/// Takes arbitrary bytes: what it cannot read is 0, and good() is false from then on.
class PersonReader {
 public:
  PersonReader(std::string_view bytes, const char* what) : bytes_(bytes), left_(bytes.size()), what_(what) {}
  /// The first byte. One above `newest` ends in `unsupported`.
  std::uint8_t version(std::uint8_t newest);
  std::uint64_t number();
  std::int64_t difference();
  std::uint32_t three() {
    const std::uint32_t low = get<std::uint16_t>();
    return low | static_cast<std::uint32_t>(get<std::uint8_t>()) << 16;
  }
  template <typename T>
  T get() {
    left_ -= std::min(left_, sizeof(T));
    return bytes_.get<T>();
  }
  template <typename T>
  T finite() {
    const T value = get<T>();
    require(std::isfinite(value));
    return value;
  }
  double value();
  /// `censored`: what its censoring is told to.
  template <typename Censored>
  double value(Censored& censored) {
    const std::uint64_t n = number();
    if (n != kCensoredValue) return value_of(n);
    const auto censoring = get<std::uint8_t>();
    require(censoring > 0 && take_censoring(censoring, censored));
    return good() ? value_of(number()) : 0;
  }
  Time time(Time from = {});
  Time time_in_ms(Time from = {});  ///< as version 1 has it
  /// How many items follow, each of at least `bytes`.
  std::size_t count(std::size_t bytes) {
    const std::uint64_t n = number();
    require(n <= left_ / bytes);
    return good() ? static_cast<std::size_t>(n) : 0;
  }
  PartKey part_key() {
    const PartKey key = three();
    require(key < PartKeys::kEnd);
    return key;
  }
  DeliveredPart part();
  void standing(DeliveredPart& part);
  /// The tag with the last 16 bits that are known, and the rest.
  Tag wide(Tag tag);
  void require(bool holds) { good_ = good_ && holds; }
  bool good() const { return good_ && bytes_.ok(); }
  bool at_end() const { return bytes_.at_end(); }
  Status finish() const;

 private:
  Time within(Time from, std::int64_t ms);
  double value_of(std::uint64_t number);

  ByteReader bytes_;
  std::size_t left_;
  const char* what_;
  bool good_ = true;
  bool newer_ = false;
};

}  // namespace lacuna::state
