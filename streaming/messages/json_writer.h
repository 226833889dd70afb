#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "state/records/time.h"

// Writes JSON into one growing text, members in the order of the calls. A DOM would allocate for each of the thirty
// values of an imputation; this appends. Private to streaming/.

namespace lacuna::streaming {

bool is_utf8(std::string_view text);
/// Quoted and escaped. Bytes that are not UTF-8 become U+FFFD: what is written can always be read.
void append_text(std::string& out, std::string_view text);
/// Shortest form that reads back to the same double. Not for NaN; infinities become "inf" and are for messages only.
void append_number(std::string& out, double value);
/// At most 6 significant digits.
void append_rounded(std::string& out, double value);

class JsonWriter {
 public:
  explicit JsonWriter(std::size_t expected_bytes) { out_.reserve(expected_bytes); }

  JsonWriter& begin(char bracket);  ///< '{' or '['
  JsonWriter& end(char bracket);    ///< '}' or ']'
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(double value);   ///< exact; finite only
  JsonWriter& rounded(double value);  ///< 6 significant digits; finite only
  JsonWriter& integer(std::int64_t value);
  JsonWriter& truth(bool value);
  JsonWriter& null();
  JsonWriter& time(Time value) { return text(format_rfc3339(value)); }
  /// The members "patient_id" and, but for the default one, "namespace" of a person's key.
  JsonWriter& person(std::string_view whose);
  std::string take() { return std::move(out_); }

 private:
  void separate();
  std::string out_;
  bool first_ = true;  // nothing yet since the last bracket opened
  bool after_key_ = false;
};

}  // namespace lacuna::streaming
