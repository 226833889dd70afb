#include "streaming/messages/json_value.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "streaming/messages/censored_text.h"

namespace lacuna::streaming {

namespace {

// The grammar of RFC 8259 for numbers. Needed only to tell "1e999", a number no double can hold, from "1x", no number.
bool is_json_number(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr) text.remove_suffix(1);
  const auto digits = [&text] {
    const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(end);
    return end;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.starts_with('0')) {
    text.remove_prefix(1);
  } else if (digits() == 0) {
    return false;
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// False: no JSON. A number too large for a double leaves `finite` false.
bool read_number(ondemand::value value, double& out, bool& finite) {
  finite = value.get_double().get(out) == simdjson::SUCCESS;
  return finite || is_json_number(value.raw_json_token());
}

bool read_null(ondemand::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

bool mark_bad(RawValue& out, Refusal reason, const char* problem) {
  out.kind = RawValue::Kind::bad;
  out.reason = reason;
  out.problem = problem;
  return true;
}

// A number, text or truth value; whatever else it is becomes a bad value with its reason.
bool read_scalar(ondemand::value value, RawValue& out, const char* if_nested) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  switch (type) {
    case ondemand::json_type::number: {
      bool finite = true;
      if (!read_number(value, out.number, finite)) return false;
      out.kind = RawValue::Kind::number;
      return finite || mark_bad(out, Refusal::out_of_range, "not a finite number");
    }
    case ondemand::json_type::string: out.kind = RawValue::Kind::text; return value.get_string().get(out.text) == simdjson::SUCCESS;
    case ondemand::json_type::boolean: out.kind = RawValue::Kind::truth; return value.get_bool().get(out.truth) == simdjson::SUCCESS;
    case ondemand::json_type::null:
      out.is_null = true;
      return read_null(value) && mark_bad(out, Refusal::malformed, "null: leave out what was not measured");
    default: return skip_json(value, 3) && mark_bad(out, Refusal::malformed, if_nested);
  }
}

// One member of {"value":..,"unit":..}. `seen` has a bit for each member met.
bool read_value_member(std::string_view key, ondemand::value value, bool with_time, unsigned& seen, RawValue& out, const char*& problem,
                       bool& imputed) {
  const auto first_time = [&](unsigned bit) {
    if ((seen & bit) != 0) problem = "a member is given twice";
    seen |= bit;
  };
  if (key == "value") {
    first_time(1);
    return read_scalar(value, out, "an array or object is no value");
  }
  if (key == "unit") {
    first_time(2);
    if (!read_text(value, out.unit)) return false;
    if (!out.unit) problem = "the unit must be text";
    return true;
  }
  if (key == "comparator") {
    first_time(8);
    std::optional<std::string_view> text;
    if (!read_text(value, text)) return false;
    const auto comparator = text ? parse_comparator(*text) : std::nullopt;
    if (!comparator) problem = "the comparator must be <, <=, >= or >";
    out.comparator = comparator.value_or(Comparator::equal);
    return true;
  }
  if (key == "time" && with_time) {
    first_time(4);
    if (!read_text(value, out.time)) return false;
    if (!out.time) problem = "the time must be text";
    return true;
  }
  problem = "a value has the members value, unit and comparator only";
  if (key == "imputed") {
    RawValue flag;
    if (!read_scalar(value, flag, "")) return false;
    imputed = flag.kind == RawValue::Kind::truth && flag.truth;
    return true;
  }
  return skip_json(value, 4);
}

bool is_aiast(ondemand::value coding, bool& found) {
  bool is_object = false;
  return each_member_if_object(coding, is_object, [&](std::string_view key, ondemand::value value) {
    if (key != "code") return skip_json(value, 5);
    std::optional<std::string_view> code;
    if (!read_text(value, code)) return false;
    found = found || code == "AIAST";
    return true;
  });
}

bool read_security(ondemand::value value, bool& found) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != ondemand::json_type::array) return skip_json(value, 3);
  ondemand::array codings;
  if (value.get_array().get(codings) != simdjson::SUCCESS) return false;
  for (auto item : codings) {
    ondemand::value coding;
    if (std::move(item).get(coding) != simdjson::SUCCESS || !is_aiast(coding, found)) return false;
  }
  return true;
}

}  // namespace

bool skip_json(ondemand::value value, int depth) {
  if (depth > kJsonDepthMax) return false;
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  switch (type) {
    case ondemand::json_type::object: {
      ondemand::object object;
      return value.get_object().get(object) == simdjson::SUCCESS &&
             each_member(object, [depth](std::string_view, ondemand::value member) { return skip_json(member, depth + 1); });
    }
    case ondemand::json_type::array: {
      ondemand::array array;
      if (value.get_array().get(array) != simdjson::SUCCESS) return false;
      for (auto item : array) {
        ondemand::value element;
        if (std::move(item).get(element) != simdjson::SUCCESS || !skip_json(element, depth + 1)) return false;
      }
      return true;
    }
    case ondemand::json_type::string: {
      std::string_view text;
      return value.get_string().get(text) == simdjson::SUCCESS;
    }
    case ondemand::json_type::number: {
      double number = 0;
      bool finite = true;
      return read_number(value, number, finite);
    }
    case ondemand::json_type::boolean: {
      bool truth = false;
      return value.get_bool().get(truth) == simdjson::SUCCESS;
    }
    case ondemand::json_type::null: return read_null(value);
  }
  return false;
}

bool read_text(ondemand::value value, std::optional<std::string_view>& out) {
  out.reset();
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != ondemand::json_type::string) return skip_json(value, 2);
  return value.get_string().get(out.emplace()) == simdjson::SUCCESS;
}

bool read_value(ondemand::value value, bool with_time, RawValue& out) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != ondemand::json_type::object) return read_scalar(value, out, "an array is no value");
  unsigned seen = 0;
  bool imputed = false;
  const char* problem = nullptr;
  ondemand::object object;
  const bool is_json =
      value.get_object().get(object) == simdjson::SUCCESS && each_member(object, [&](std::string_view key, ondemand::value member) {
        return read_value_member(key, member, with_time, seen, out, problem, imputed);
      });
  if (!is_json) return false;
  if (imputed) return mark_bad(out, Refusal::imputed, "an imputation is no observation");
  if (problem != nullptr) return mark_bad(out, Refusal::malformed, problem);
  return (seen & 1U) != 0 || mark_bad(out, Refusal::malformed, "the member value is missing");
}

bool read_values(ondemand::value value, bool with_time, std::size_t values_max, std::vector<RawValue>& out, bool& is_object,
                 bool& too_many) {
  return each_member_if_object(value, is_object, [&](std::string_view key, ondemand::value member) {
    if (out.size() >= values_max) {
      too_many = true;
      return skip_json(member, 3);
    }
    RawValue& raw = out.emplace_back();
    raw.name = key;
    return read_value(member, with_time, raw);
  });
}

bool read_meta(ondemand::value value, bool& is_object, bool& asserted_by_algorithm) {
  return each_member_if_object(value, is_object, [&](std::string_view key, ondemand::value member) {
    return key == "security" ? read_security(member, asserted_by_algorithm) : skip_json(member, 3);
  });
}

simdjson::padded_string_view PaddedText::set(std::string_view text) {
  const std::size_t needed = text.size() + simdjson::SIMDJSON_PADDING;
  if (bytes_.size() < needed) bytes_.resize(needed);
  if (!text.empty()) std::memcpy(bytes_.data(), text.data(), text.size());
  std::memset(bytes_.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(bytes_.data(), text.size(), bytes_.size());
}

ValueResolver::ValueResolver(const SchemaIndex& index)
    : index_(index), feature_units_(index.schema().feature_count()), attribute_units_(index.schema().attributes().size()) {}

std::optional<UnitConversion> ValueResolver::conversion(const SchemaField& target, KnownUnits& known, std::string_view unit) {
  for (const KnownUnit& one : known) {
    if (one.code == unit) return one.conversion;
  }
  const auto found = unit_conversion(target.name, unit, target.unit);
  // The bound on the code's length comes from unit_conversion: longer ones never convert and are not worth remembering.
  if (known.size() < kKnownUnitsMax && unit.size() <= kNameBytesMax) known.push_back({std::string(unit), found});
  return found;
}

std::optional<ValueProblem> ValueResolver::attribute(std::size_t index, const RawValue& raw, double& out) {
  FeatureValue value;
  auto problem = resolve(index_.attribute(index), attribute_units_[index], raw, value);
  if (!problem && is_censored(value.comparator)) problem = ValueProblem{Refusal::malformed, "an attribute takes no comparator"};
  out = value.value;
  return problem;
}

namespace {

// "<5": what a number cannot say. False: it is not such a text.
bool read_censored(std::string_view text, Comparator& comparator, double& number) {
  const auto found = take_comparator(text);
  if (!found) return false;
  comparator = *found;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

}  // namespace

std::optional<ValueProblem> ValueResolver::resolve(const SchemaField& target, KnownUnits& known, const RawValue& raw, FeatureValue& out) {
  if (raw.kind == RawValue::Kind::bad) return ValueProblem{raw.reason, raw.problem};
  UnitConversion scale;
  if (raw.unit && *raw.unit != target.unit) {
    const auto found = conversion(target, known, *raw.unit);
    if (!found) return ValueProblem{Refusal::unit, unit_refusal(*raw.unit, target.unit)};
    scale = *found;
  }
  out.comparator = raw.comparator;
  const auto from_limit = [&](double number) { return target.from_limit(number * scale.factor + scale.offset, out.comparator, out.value); };
  const bool discrete = is_discrete(target.likelihood);
  if (discrete && is_censored(raw.comparator)) return from_limit(0);
  double limit = 0;
  switch (raw.kind) {
    case RawValue::Kind::number: return from_limit(raw.number);
    case RawValue::Kind::text:
      if (discrete || !read_censored(raw.text, out.comparator, limit)) return target.from_text(raw.text, out.value);
      if (is_censored(raw.comparator)) return ValueProblem{Refusal::malformed, "the comparator is told twice"};
      return from_limit(limit);
    case RawValue::Kind::truth: return target.from_truth(raw.truth, out.value);
    case RawValue::Kind::bad: break;
  }
  return ValueProblem{Refusal::malformed, raw.problem};
}

}  // namespace lacuna::streaming
