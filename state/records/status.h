#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace lacuna {

/// What the caller should do about a failure. Few on purpose: each one leads to a different action.
enum class Code : std::uint8_t {
  ok,
  invalid,      ///< The input is wrong: refuse it (dead letter, exit 2); trying again cannot help.
  not_found,    ///< Nothing is there. Not an error for most callers.
  unavailable,  ///< Something outside is down: wait and try again.
  aborted,      ///< Nothing happened and the input position was not moved: rewind and do the batch again.
  fenced,       ///< Another instance took over: give up what is held and rejoin or leave.
  corrupt,      ///< Stored bytes are not what was written: quarantine and rebuild.
  unsupported,  ///< Written by a newer version, or a feature this build does not have.
  internal,     ///< A fault of ours or of a library: stop.
};

std::string_view to_string(Code code);

/// The outcome of an operation that can fail in an expected way. Cheap when ok.
/// The message names the thing that failed; it never holds a patient's identifier or value.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  /// "invalid: message", or "ok".
  std::string to_string() const;

 private:
  Code code_ = Code::ok;
  std::string message_;
};

/// A value, or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : content_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  Result(Code code, std::string message) : content_(Status(code, std::move(message))) {}

  bool ok() const { return std::holds_alternative<T>(content_); }
  /// Ok when there is a value.
  Status status() const { return ok() ? Status() : std::get<Status>(content_); }
  Code code() const { return ok() ? Code::ok : std::get<Status>(content_).code(); }

  /// Calling these without a value throws std::bad_variant_access: check ok() first.
  T& value() & { return std::get<T>(content_); }
  const T& value() const& { return std::get<T>(content_); }
  T&& value() && { return std::get<T>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> content_;
};

}  // namespace lacuna

/// Returns from the calling function when `expression`, a Status, is not ok.
#define LACUNA_RETURN_IF_ERROR(expression)                                                           \
  do {                                                                                               \
    if (::lacuna::Status lacuna_status_ = (expression); !lacuna_status_.ok()) return lacuna_status_; \
  } while (false)
