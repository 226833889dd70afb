#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// Small state that is checkpointed with a batch (detectors, calibration, scores): fixed-width little-endian fields, one
// after the other. A reader that runs past the end, or meets an absurd length, says so once through ok().

namespace lacuna {

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian");

class ByteWriter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void put(T value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void put_text(std::string_view text) {
    put<std::uint32_t>(static_cast<std::uint32_t>(text.size()));
    out_.append(text);
  }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void put_all(const std::vector<T>& values) {
    put<std::uint32_t>(static_cast<std::uint32_t>(values.size()));
    for (T v : values) put(v);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}
  template <typename T>
  requires std::is_arithmetic_v<T> T get() {
    T value{};
    if (left_.size() < sizeof value) {
      ok_ = false;
      left_ = {};
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_.remove_prefix(sizeof value);
    return value;
  }
  std::string get_text() {
    const auto size = get<std::uint32_t>();
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  template <typename T>
  requires std::is_arithmetic_v<T> std::vector<T> get_all() {
    const auto size = get<std::uint32_t>();
    if (static_cast<std::uint64_t>(size) * sizeof(T) > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    std::vector<T> values(size);
    for (T& v : values) v = get<T>();
    return values;
  }
  /// False once anything was missing; everything read since then is zero or empty.
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

}  // namespace lacuna
