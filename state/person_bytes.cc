#include "state/person_bytes.h"

#include <array>

namespace lacuna::state {

namespace {

// A value is m / 10^digits, written as one number: digits, the sign, m. Digits beyond kDigitsMax: the value as it is.
constexpr int kDigitsMax = 6;
constexpr std::array<double, kDigitsMax + 1> kTens = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
constexpr double kDecimalMax = 1e15;  // below 2^53: exact
constexpr std::uint64_t kAsFloat = 7, kAsDouble = 15;
constexpr std::int64_t kMinute = 60'000;

std::uint64_t zigzag(std::int64_t value) { return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63); }
std::int64_t unzigzag(std::uint64_t n) { return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1); }

}  // namespace

void PersonWriter::difference(std::int64_t value) { number(zigzag(value)); }

void PersonWriter::value(double value) {
  for (std::uint64_t digits = 0; digits <= kDigitsMax; ++digits) {
    const double scaled = value * kTens[digits];
    if (!(std::abs(scaled) < kDecimalMax)) break;
    const auto m = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    if (!same_bits(static_cast<double>(m) / kTens[digits], value)) continue;
    number(zigzag(m) << 3 | digits);
    return;
  }
  if (const auto narrow = static_cast<float>(value); same_bits(narrow, value)) {
    number(kAsFloat);
    put(narrow);
    return;
  }
  number(kAsDouble);
  put(value);
}

void PersonWriter::value(double value, std::uint8_t censoring) {
  if (censoring != 0) {
    censored_ = true;
    number(kCensoredValue);
    put(censoring);
  }
  this->value(value);
}

void PersonWriter::time(Time time, Time from) {
  const std::int64_t ms = person_ms(time) - person_ms(from);
  if (ms % kMinute == 0) number(zigzag(ms / kMinute) << 1);
  else number(zigzag(ms) << 1 | 1);
}

std::uint8_t PersonReader::version(std::uint8_t newest) {
  const auto version = get<std::uint8_t>();
  newer_ = bytes_.ok() && version > newest;
  require(version > 0 && !newer_);
  return version;
}

std::uint64_t PersonReader::number() {
  std::uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = get<std::uint8_t>();
    out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return out;
  }
  require(false);
  return 0;
}

std::int64_t PersonReader::difference() { return unzigzag(number()); }

double PersonReader::value() { return value_of(number()); }

double PersonReader::value_of(std::uint64_t n) {
  if (n == kAsFloat) return finite<float>();
  if (n == kAsDouble) return finite<double>();
  const std::uint64_t digits = n & 7;
  require(digits <= kDigitsMax);
  const auto scaled = static_cast<double>(unzigzag(n >> 3));
  require(std::abs(scaled) < kDecimalMax);
  return good() ? scaled / kTens[digits] : 0;
}

Time PersonReader::within(Time from, std::int64_t ms) {
  require(ms >= -2 * kPersonTimeMsMax && ms <= 2 * kPersonTimeMsMax);
  const std::int64_t at = good() ? person_ms(from) + ms : 0;
  require(at >= -kPersonTimeMsMax && at <= kPersonTimeMsMax);
  return Time(Millis(good() ? at : 0));
}

Time PersonReader::time(Time from) {
  const std::uint64_t n = number();
  const std::int64_t count = unzigzag(n >> 1);
  require(count >= -2 * kPersonTimeMsMax && count <= 2 * kPersonTimeMsMax);
  return good() ? within(from, (n & 1) != 0 ? count : count * kMinute) : Time{};
}

Time PersonReader::time_in_ms(Time from) { return within(from, difference()); }

void PersonReader::standing(DeliveredPart& part) {
  const auto flags = get<std::uint8_t>();
  const bool as_value = (flags & kAsValue) != 0;
  const int told = flags & ~(kAsValue | kWideTag);
  require(flags > 0 && told < 6 && (!as_value || told > 1));
  part.withdrawn = (flags & 1) != 0;
  part.revision.kind = static_cast<Revision::Kind>((flags >> 1 & 3) % 3);
  if (part.revision.kind != Revision::Kind::none) part.revision.value = as_value ? value() : finite<double>();
  if ((flags & kWideTag) != 0) part.tag = wide(part.tag);
}

Tag PersonReader::wide(Tag tag) {
  tag |= static_cast<Tag>(get<std::uint16_t>()) << 16;
  tag |= static_cast<Tag>(get<std::uint32_t>()) << 32;
  require(is_wide(tag));
  return tag;
}

DeliveredPart PersonReader::part() {
  DeliveredPart out;
  const std::uint32_t key = three();
  out.part = key & ~kPartFlag;
  out.tag = get<std::uint16_t>();
  if ((key & kPartFlag) != 0) standing(out);
  return out;
}

Status PersonReader::finish() const {
  if (newer_) return {Code::unsupported, std::string(what_) + ": a newer format: use a newer build"};
  if (!good() || !at_end()) return {Code::corrupt, std::string(what_) + ": not a record of this kind"};
  return {};
}

}  // namespace lacuna::state
