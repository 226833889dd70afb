#include "streaming/messages/payload_json.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "streaming/messages/base64.h"
#include "streaming/messages/payload_check.h"

namespace lacuna::streaming {

static_assert(std::endian::native == std::endian::little, "the data of payloads are little-endian");

namespace {

/// More dimensions than any payload has.
constexpr std::size_t kDimensionsMax = 8;

ValueProblem malformed(std::string message) { return {Refusal::malformed, std::move(message)}; }
ValueProblem out_of_range(std::string message) { return {Refusal::out_of_range, std::move(message)}; }

// An array of whole numbers above zero; `out` stays empty when it is something else.
bool read_shape(ondemand::value value, std::optional<std::vector<std::size_t>>& out) {
  out.reset();
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != ondemand::json_type::array) return skip_json(value, 3);
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  std::vector<std::size_t> shape;
  bool good = true;
  for (auto item : array) {
    ondemand::value element;
    if (std::move(item).get(element) != simdjson::SUCCESS) return false;
    RawValue number;
    if (!read_value(element, false, number)) return false;
    good = good && number.kind == RawValue::Kind::number && !number.unit && number.number >= 1 && number.number <= kPayloadValuesMax &&
           number.number == std::floor(number.number) && shape.size() < kDimensionsMax;
    if (good) shape.push_back(static_cast<std::size_t>(number.number));
  }
  if (good) out = std::move(shape);
  return true;
}

bool read_payload_member(std::string_view key, ondemand::value value, unsigned& seen, RawPayload& out) {
  const auto note = [&out](const char* what) {
    if (!out.problem) out.problem = malformed(what);
  };
  const auto once = [&](unsigned bit) {
    if ((seen & bit) != 0) note("a member is given twice");
    seen |= bit;
  };
  if (key == "dtype" || key == "data") {
    once(key == "data" ? 1 : 2);
    std::optional<std::string_view>& text = key == "data" ? out.data : out.dtype;
    if (!read_text(value, text)) return false;
    if (!text) note(key == "data" ? "data must be text" : "dtype must be text");
    return true;
  }
  if (key == "shape") {
    once(4);
    if (!read_shape(value, out.shape)) return false;
    if (!out.shape) note("shape must be an array of whole numbers above zero");
    return true;
  }
  note("it has the members dtype, shape and data only");
  if (key != "imputed") return skip_json(value, 3);
  RawValue flag;
  if (!read_value(value, false, flag)) return false;
  out.imputed = out.imputed || (flag.kind == RawValue::Kind::truth && flag.truth);
  return true;
}

// Converts numbers of type T; a NaN is a gap, whatever else is not finite in single precision is refused.
template <typename T>
std::optional<ValueProblem> convert(std::string_view bytes, Payload& out) {
  const std::size_t count = bytes.size() / sizeof(T);
  out.values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    T number;
    std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(number)) {
        if (out.observed.empty()) out.observed.assign(count, 1);
        out.observed[i] = 0;
        continue;
      }
      if (!(std::abs(number) <= std::numeric_limits<float>::max())) return out_of_range("a value is not finite in single precision");
    }
    out.values[i] = static_cast<float>(number);
  }
  return std::nullopt;
}

struct NumberType {
  std::string_view name;
  std::size_t bytes;
  std::optional<ValueProblem> (*convert)(std::string_view bytes, Payload& out);
};
constexpr NumberType kNumberTypes[] = {{"float32", 4, convert<float>},
                                       {"float64", 8, convert<double>},
                                       {"uint8", 1, convert<std::uint8_t>},
                                       {"int16", 2, convert<std::int16_t>},
                                       {"uint16", 2, convert<std::uint16_t>}};

std::string to_text(const std::vector<std::uint32_t>& shape) {
  std::string out = "[";
  for (const std::uint32_t size : shape) out += (out.size() > 1 ? "," : "") + std::to_string(size);
  return out + "]";
}

bool is_shape_of(const Modality& modality, const std::vector<std::size_t>& given) {
  const std::vector<std::uint32_t> full = payload_shape(modality);
  const auto same = [&given](auto begin, auto end) { return std::equal(begin, end, given.begin(), given.end()); };
  if (same(full.begin(), full.end())) return true;
  return modality.kind != ModalityKind::embedding && full.front() == 1 && same(full.begin() + 1, full.end());
}

ValueProblem larger_than(std::size_t bytes_max) { return {Refusal::too_large, "it has more than " + std::to_string(bytes_max) + " bytes"}; }

std::optional<ValueProblem> take_numbers(const Modality& modality, const RawPayload& raw, std::size_t bytes_max, Payload& out) {
  if (raw.imputed) return ValueProblem{Refusal::imputed, "an imputation is no observation"};
  if (raw.problem) return raw.problem;
  if (!raw.dtype) return malformed("the member dtype is missing");
  if (!raw.shape) return malformed("the member shape is missing");
  if (!raw.data) return malformed("the member data is missing");
  const auto* const type =
      std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes), [&raw](const NumberType& known) { return known.name == *raw.dtype; });
  if (type == std::end(kNumberTypes)) return malformed("dtype must be float32, float64, uint8, int16 or uint16");
  if (!is_shape_of(modality, *raw.shape)) return out_of_range("its shape is not the schema's " + to_text(payload_shape(modality)));
  if (raw.data->size() / 4 * 3 > bytes_max + 2) return larger_than(bytes_max);
  const std::optional<std::string> bytes = base64_decode(*raw.data);
  if (!bytes) return malformed("data is not base64");
  if (bytes->size() > bytes_max) return larger_than(bytes_max);
  if (bytes->size() != type->bytes * modality.payload.value_count(modality.kind)) {
    return malformed("data does not hold as many numbers as its shape has");
  }
  return type->convert(*bytes, out);
}

// False, and nothing written, when not every value is a number of T.
template <typename T>
bool write_whole_numbers(JsonWriter& json, std::string_view dtype, const Modality& modality, const Payload& payload) {
  const auto fits = [](float v) {
    return v >= static_cast<float>(std::numeric_limits<T>::min()) && v <= static_cast<float>(std::numeric_limits<T>::max()) &&
           v == std::floor(v);
  };
  if (!payload.observed.empty() || !std::all_of(payload.values.begin(), payload.values.end(), fits)) return false;
  std::string bytes(payload.values.size() * sizeof(T), '\0');
  for (std::size_t i = 0; i < payload.values.size(); ++i) {
    const T number = static_cast<T>(payload.values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &number, sizeof(T));
  }
  json.key("dtype").text(dtype);
  write_shape(json, modality);
  json.key("data").text(base64_encode(bytes));
  return true;
}

}  // namespace

bool read_payload(ondemand::value value, RawPayload& out) {
  bool is_object = true;
  unsigned seen = 0;
  if (!each_member_if_object(value, is_object,
                             [&](std::string_view key, ondemand::value member) { return read_payload_member(key, member, seen, out); })) {
    return false;
  }
  if (!is_object) out.problem = malformed("must be an object");
  return true;
}

std::optional<ValueProblem> take_payload(const Modality& modality, const GivenPayload& given, std::size_t bytes_max, PayloadRef& out) {
  const bool is_text = modality.kind == ModalityKind::text;
  if (modality.kind == ModalityKind::tabular) return malformed("a tabular modality takes values");
  if (is_text && given.payload) return malformed("a text modality takes text, not a payload");
  if (!is_text && given.text)
    return malformed("a modality of kind " + std::string(to_string(modality.kind)) + " takes a payload, not text");
  Payload payload;
  if (is_text) {
    if (given.text->size() > bytes_max) return larger_than(bytes_max);
    if (given.text->empty()) return malformed("it is empty: leave out what was not measured");
    payload.text = *given.text;
  } else if (auto problem = take_numbers(modality, *given.payload, bytes_max, payload)) {
    return problem;
  } else if (auto refused = hold_against(modality, payload)) {
    return refused;
  }
  if (const Status fits = check_payload(modality.kind, modality.payload, payload); !fits.ok()) return out_of_range(fits.message());
  out = PayloadRef(std::move(payload));
  return std::nullopt;
}

std::vector<std::uint32_t> payload_shape(const Modality& modality) {
  const PayloadSpec& spec = modality.payload;
  switch (modality.kind) {
    case ModalityKind::image: return {spec.channels, spec.height, spec.width};
    case ModalityKind::signal: return {spec.channels, spec.length};
    case ModalityKind::embedding: return {spec.length};
    case ModalityKind::tabular:
    case ModalityKind::text: break;
  }
  return {};
}

void write_shape(JsonWriter& json, const Modality& modality) {
  json.key("shape").begin('[');
  for (const std::uint32_t size : payload_shape(modality)) json.integer(size);
  json.end(']');
}

void write_floats(JsonWriter& json, std::string_view key, const std::vector<float>& values) {
  json.key(key).text(base64_encode({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}));
}

void write_payload(JsonWriter& json, const Modality& modality, const Payload& payload) {
  if (modality.kind == ModalityKind::text) {
    json.key("text").text(payload.text);
    return;
  }
  json.key("payload").begin('{');
  if (write_whole_numbers<std::uint8_t>(json, "uint8", modality, payload) ||
      write_whole_numbers<std::int16_t>(json, "int16", modality, payload) ||
      write_whole_numbers<std::uint16_t>(json, "uint16", modality, payload)) {
    json.end('}');
    return;
  }
  json.key("dtype").text("float32");
  write_shape(json, modality);
  std::vector<float> values = payload.values;
  for (std::size_t i = 0; i < payload.observed.size(); ++i) {
    if (payload.observed[i] == 0) values[i] = std::numeric_limits<float>::quiet_NaN();
  }
  write_floats(json, "data", values);
  json.end('}');
}

}  // namespace lacuna::streaming
