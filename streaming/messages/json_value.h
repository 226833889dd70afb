#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/records/records.h"
#include "state/records/units.h"
#include "streaming/messages/schema_index.h"

// The pieces of strict JSON that events and snapshots share. simdjson's on-demand parser validates only what is visited,
// so every function here visits all it is given, the members nobody wants included. Private to streaming/.
//
// Two kinds of failure are kept apart: false means that the text is not JSON and all of it is lost; anything else that
// is wrong with a value is noted in it, and the values around it live on.

namespace lacuna::streaming {

namespace ondemand = simdjson::ondemand;

/// Deeper than this a message is refused; also bounds our recursion.
inline constexpr int kJsonDepthMax = 16;

/// A value of "values" or "attributes" as written, before it is known what it belongs to (members come in any order).
/// Views point into the parser's buffers and live until its next document.
struct RawValue {
  enum class Kind : std::uint8_t { number, text, truth, bad };
  std::string_view name;
  Kind kind = Kind::bad;
  Refusal reason = Refusal::malformed;  ///< bad only
  const char* problem = "";             ///< bad only
  bool is_null = false;                 ///< bad only
  double number = 0;
  bool truth = false;
  std::string_view text;
  std::optional<std::string_view> unit;
  Comparator comparator = Comparator::equal;
  std::optional<std::string_view> time;  ///< only where a value may carry its own time
};

/// Calls `visit(key, value)` for each member of what was seen to be an object; stops at the first false.
template <typename Visit>
bool each_member(ondemand::object object, Visit visit) {
  for (auto item : object) {
    ondemand::field field;
    std::string_view key;
    if (std::move(item).get(field) != simdjson::SUCCESS || field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (!visit(key, field.value())) return false;
  }
  return true;
}

/// Visits a value of any kind.
bool skip_json(ondemand::value value, int depth);

/// Like each_member, for a value of which it is not known whether it is an object: `is_object` tells. Anything else is
/// visited and passed over.
template <typename Visit>
bool each_member_if_object(ondemand::value value, bool& is_object, Visit visit) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  is_object = type == ondemand::json_type::object;
  if (!is_object) return skip_json(value, 4);
  ondemand::object object;
  return value.get_object().get(object) == simdjson::SUCCESS && each_member(object, visit);
}

/// 73, "female", true, {"value":73,"unit":"/min","comparator":"<"}; with `with_time` also {"value":73,"time":"..."}.
bool read_value(ondemand::value value, bool with_time, RawValue& out);

/// The members of an object as raw values, appended to `out`, at most `values_max` in all (`too_many` is set then).
/// `is_object` tells whether it was one.
bool read_values(ondemand::value value, bool with_time, std::size_t values_max, std::vector<RawValue>& out, bool& is_object,
                 bool& too_many);

/// True when {"security":[{"code":"AIAST"}]}: FHIR's label for what an algorithm asserted.
bool read_meta(ondemand::value value, bool& is_object, bool& asserted_by_algorithm);

/// A text member; empty when it is something else.
bool read_text(ondemand::value value, std::optional<std::string_view>& out);

/// Holds a text with the slack that simdjson wants behind it.
class PaddedText {
 public:
  simdjson::padded_string_view set(std::string_view text);

 private:
  std::vector<char> bytes_;
};

/// Takes raw values to schema values: type, unit, range. Remembers the unit conversions it met.
class ValueResolver {
 public:
  explicit ValueResolver(const SchemaIndex& index);
  std::optional<ValueProblem> feature(FeatureId id, const RawValue& raw, FeatureValue& out) {
    return resolve(index_.feature(id), feature_units_[id], raw, out);
  }
  std::optional<ValueProblem> attribute(std::size_t index, const RawValue& raw, double& out);

 private:
  struct KnownUnit {
    std::string code;
    std::optional<UnitConversion> conversion;
  };
  /// Remembered per target; a producer that sends ever new units gains nothing but slower answers.
  static constexpr std::size_t kKnownUnitsMax = 8;
  using KnownUnits = std::vector<KnownUnit>;

  std::optional<ValueProblem> resolve(const SchemaField& target, KnownUnits& known, const RawValue& raw, FeatureValue& out);
  std::optional<UnitConversion> conversion(const SchemaField& target, KnownUnits& known, std::string_view unit);

  const SchemaIndex& index_;
  std::vector<KnownUnits> feature_units_;
  std::vector<KnownUnits> attribute_units_;
};

}  // namespace lacuna::streaming
