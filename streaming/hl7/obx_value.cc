#include "streaming/hl7/obx_value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "streaming/files/cell_text.h"
#include "streaming/messages/base64.h"
#include "streaming/messages/censored_text.h"
#include "streaming/messages/payload_check.h"

namespace lacuna::streaming::hl7 {

namespace {

ValueProblem malformed(const char* message) { return {Refusal::malformed, message}; }
ValueProblem unsupported(const char* message) { return {Refusal::unsupported, message}; }

constexpr const char* kSeveral = "OBX-5 has several values, and the feature takes one";

bool is_one_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}
bool is_coded(std::string_view type) { return is_one_of(type, {"CE", "CWE", "CF", "CNE", "IS", "ID"}); }
bool is_time(std::string_view type) { return is_one_of(type, {"DT", "TM", "DTM", "TS", "DR"}); }
bool is_text(std::string_view type) { return is_one_of(type, {"ST", "TX", "FT", "NM", ""}); }

/// "5.4", "<0.01", "> 100".
bool read_limit(std::string_view text, Comparator& comparator, double& number) {
  text = stripped(text);
  comparator = take_comparator(text).value_or(Comparator::equal);
  return read_plain_number(text, number);
}

/// SN: comparator, number, separator or suffix, number.
struct Structured {
  std::string_view comparator, first, separator, second;
};
Structured structured(std::string_view value, char delimiter) {
  const auto part = [&](std::size_t n) { return stripped(piece(value, delimiter, n)); };
  return {part(1), part(2), part(3), part(4)};
}

std::optional<ValueProblem> read_structured(const Structured& sn, Comparator& comparator, double& number) {
  if (sn.first.empty() && sn.separator.empty() && sn.second.empty()) {  // all of it where the comparator belongs
    return read_limit(sn.comparator, comparator, number) ? std::nullopt : std::optional(malformed("OBX-5 is no structured numeric"));
  }
  if (sn.separator == "-") return unsupported("OBX-5 is a range, and the feature takes a number");
  if (sn.separator == ":" || sn.separator == "/")
    return unsupported("OBX-5 is a ratio, and the feature takes a number: declare it as ordinal or categorical");
  if (sn.separator == "+") return unsupported("OBX-5 is a grade, and the feature takes a number: declare it as ordinal or categorical");
  if (!sn.separator.empty() || !sn.second.empty()) return malformed("OBX-5 has a separator that no structured numeric has");
  if (sn.comparator == "<>") return unsupported("OBX-5 says what the value is not");
  comparator = Comparator::equal;
  if (!sn.comparator.empty() && sn.comparator != "=") {
    std::string_view written = sn.comparator;
    const auto read = take_comparator(written);
    if (!read || !written.empty()) return malformed("OBX-5 has a comparator that no structured numeric has");
    comparator = *read;
  }
  return read_plain_number(sn.first, number) ? std::nullopt : std::optional(malformed("OBX-5 is not a number"));
}

std::optional<ValueProblem> read_number(const ObxValue& obx, TextReader& text, Comparator& comparator, double& number) {
  if (obx.type == "SN") return read_structured(structured(obx.value, text.delimiters().component), comparator, number);
  if (obx.type == "NR") return unsupported("OBX-5 is a range, and the feature takes a number");
  if (is_time(obx.type)) return unsupported("OBX-5 is a date or a time, and no feature takes one");
  if (is_coded(obx.type)) return malformed("OBX-5 is a coded value, and the feature takes a number");
  const bool is_array = obx.type == "NA" && piece(obx.value, text.delimiters().component, 2).empty();
  if (!is_text(obx.type) && !is_array) return unsupported("OBX-2 is a type whose values are no number");
  // Where the sender's number holds a delimiter, it is none.
  return read_limit(text.plain(obx.value), comparator, number) ? std::nullopt : std::optional(malformed("OBX-5 is not a number"));
}

/// Calls `visit` with the texts that may name a category, the code first, until it answers true.
template <typename Visit>
bool any_text(const ObxValue& obx, TextReader& text, Visit visit) {
  if (obx.type == "SN") {
    const Structured sn = structured(obx.value, text.delimiters().component);
    std::string whole(sn.comparator);
    whole.append(sn.first).append(sn.separator).append(sn.second);
    return visit(std::string_view(whole));
  }
  if (!is_coded(obx.type)) return visit(stripped(text.plain(obx.value)));
  for (const std::size_t n : {1, 2, 4, 5, 9}) {  // code, text, the other code and its text, as it was said at first
    const std::string_view one = stripped(text.component(obx.value, n));
    if (!one.empty() && visit(one)) return true;
  }
  return false;
}

/// One of the classes of a feature, by what the map says, else as it is written.
std::optional<ValueProblem> read_class(const CodeRow& row, const ObxValue& obx, TextReader& text, double& out) {
  const auto mapped = [&](std::string_view one) {
    const auto category = row.meanings.category(one);
    if (category) out = *category;
    return category.has_value();
  };
  if (any_text(obx, text, mapped)) return std::nullopt;
  std::optional<ValueProblem> problem;
  const auto declared = [&](std::string_view one) {
    double number = 0;
    const bool bernoulli = row.field->likelihood == Likelihood::bernoulli;
    if (bernoulli && !read_plain_number(one, number)) problem = malformed("OBX-5 is neither 0 nor 1, and the map has no category for it");
    else problem = bernoulli ? row.field->from_number(number, out) : row.field->from_text(one, out);
    return !problem;
  };
  if (any_text(obx, text, declared)) return std::nullopt;
  return problem ? problem : std::optional(malformed("OBX-5 holds no text"));
}

/// The conversion of what OBX-6 says, its code first, then its text; where it says nothing, of what the map says.
std::optional<ValueProblem> find_conversion(CodeRow& row, const ObxValue& obx, TextReader& text, UnitConversion& out) {
  std::string refusal;
  const std::string_view written[] = {unit_code(obx.unit, text.delimiters()), piece(obx.unit, text.delimiters().component, 2)};
  for (const std::string_view one : written) {
    const std::string_view unit = stripped(text.plain(one));
    if (unit.empty() || is_null(unit)) continue;
    if (const auto found = row.conversion(unit)) {
      out = *found;
      return std::nullopt;
    }
    if (refusal.empty()) refusal = unit_refusal(unit, row.field->unit);
  }
  if (!refusal.empty()) return ValueProblem{Refusal::unit, "OBX-6: " + refusal};
  out = row.conversion(row.default_unit).value_or(UnitConversion{});
  return std::nullopt;
}

/// The one value that stands in it; empty: there are several.
std::optional<std::string_view> single_value(std::string_view value, const Delimiters& delimiters) {
  if (delimiters.repetition == '\0' || value.find(delimiters.repetition) == std::string_view::npos) return value;
  bool first = true;
  std::string_view one, found;
  std::size_t values = 0;
  while (next_piece(value, first, delimiters.repetition, one)) {
    if (one.empty() || is_null(one)) continue;
    found = one;
    values += 1;
  }
  return values <= 1 ? std::optional(found) : std::nullopt;
}

/// ED: its source, type, subtype, encoding and data.
std::optional<ValueProblem> read_encapsulated(std::string_view value, TextReader& text, std::string& out) {
  const auto is = [](std::string_view written, std::string_view lower) {
    return written.size() == lower.size() && std::equal(written.begin(), written.end(), lower.begin(),
                                                        [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
  };
  const std::string type(stripped(text.component(value, 2))), subtype(stripped(text.component(value, 3))),
      encoding(stripped(text.component(value, 4)));
  if (!is(type, "text") && !is(type, "tx") && !is(type, "ft") && !is(subtype, "plain"))
    return unsupported("OBX-5 encapsulates something that is no text");
  const std::string_view data = piece(value, text.delimiters().component, 5);
  if (is(encoding, "a") || encoding.empty()) {
    text.append(data, out);
    return std::nullopt;
  }
  if (!is(encoding, "base64")) return unsupported("OBX-5 is encoded as neither A nor Base64");
  std::string packed(text.plain(data));
  std::erase_if(packed, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
  const auto bytes = base64_decode(packed);
  if (!bytes) return malformed("OBX-5 is no Base64");
  out += *bytes;
  return std::nullopt;
}

}  // namespace

void TextReader::to_utf8(void* set, std::string& bytes) {
  auto* const known = static_cast<CharacterSet*>(set);
  if (known == nullptr || known->is_utf8() || is_ascii(bytes)) return;
  std::string out;
  if (known->to_utf8(bytes, out)) bytes = std::move(out);
}

bool is_empty_value(std::string_view value, const Delimiters& delimiters) {
  if (value.empty() || is_null(value)) return true;
  for (const char c : value) {
    if (c != delimiters.component && c != delimiters.repetition && c != delimiters.subcomponent && c != ' ' && c != '\t') return false;
  }
  return true;
}

std::string_view unit_code(std::string_view field, const Delimiters& delimiters) {
  const std::string_view code = piece(field, delimiters.component, 1);
  if (!code.ends_with("10") || code.size() == field.size()) return code;
  const std::string_view exponent = piece(field, delimiters.component, 2);  // "10^3/uL", of which a delimiter was made
  if (exponent.empty() || exponent.front() < '0' || exponent.front() > '9') return code;
  return {code.data(), static_cast<std::size_t>(exponent.data() + exponent.size() - code.data())};
}

ReadValue read_feature(CodeRow& row, const ObxValue& obx, TextReader& text) {
  ReadValue out;
  out.value.feature = row.feature;
  const Delimiters& d = text.delimiters();
  const std::optional<std::string_view> single = single_value(obx.value, d);
  if (!single) {
    out.problem = malformed(kSeveral);
    return out;
  }
  const ObxValue one{obx.type, *single, obx.unit};
  if (!row.meanings.missing.empty() && any_text(one, text, [&row](std::string_view t) { return row.meanings.is_missing(t); })) {
    out.missing = true;
    return out;
  }
  if (is_discrete(row.field->likelihood)) {
    out.problem = read_class(row, one, text, out.value.value);
    return out;
  }
  double number = 0;
  UnitConversion scale;
  out.problem = read_number(one, text, out.value.comparator, number);
  if (!out.problem) out.problem = find_conversion(row, one, text, scale);
  if (out.problem) return out;
  if (scale.factor < 0) out.value.comparator = turned(out.value.comparator);
  out.problem = row.field->from_limit(number * scale.factor + scale.offset, out.value.comparator, out.value.value);
  return out;
}

std::optional<ValueProblem> read_text(const ObxValue& obx, TextReader& text, std::string& out) {
  const bool coded = is_coded(obx.type);
  if (!coded && !is_one_of(obx.type, {"ST", "TX", "FT", "ED", ""})) return unsupported("OBX-2 is a type that is no text");
  bool first = true, any = false;
  std::string_view left = obx.value, one;
  while (next_piece(left, first, text.delimiters().repetition, one)) {
    if (std::exchange(any, true)) out.push_back('\n');
    if (is_null(one)) continue;
    if (obx.type == "ED") {
      if (auto problem = read_encapsulated(one, text, out)) return problem;
    } else if (coded) {
      const std::string_view words = piece(one, text.delimiters().component, 2);
      text.append(words.empty() ? piece(one, text.delimiters().component, 1) : words, out);
    } else {
      text.append(one, out);
    }
  }
  if (!is_utf8(out)) return malformed("OBX-5 is not of the character set that MSH-18 tells");
  return std::nullopt;
}

std::optional<ValueProblem> read_array(const Modality& modality, const ObxValue& obx, TextReader& text, PayloadRef& out) {
  if (modality.kind == ModalityKind::tabular || modality.kind == ModalityKind::text)
    return malformed("an array goes with images, signals and embeddings");
  if (obx.type != "NA") return unsupported("OBX-2 is not NA, an array of numbers");
  const std::size_t count = modality.payload.value_count(modality.kind);
  Payload payload;
  bool first_row = true;
  std::string_view rows = obx.value, row, cell;
  while (next_piece(rows, first_row, text.delimiters().repetition, row)) {
    bool first_cell = true;
    while (next_piece(row, first_cell, text.delimiters().component, cell)) {
      cell = stripped(cell);
      double number = 0;
      const bool gap = cell.empty() || is_null(cell);
      if (!gap && !read_plain_number(cell, number)) return malformed("OBX-5 holds something that is no number");
      if (payload.values.size() == count) return ValueProblem{Refusal::out_of_range, "OBX-5 has more numbers than the schema declares"};
      if (!(std::abs(number) <= std::numeric_limits<float>::max()))
        return ValueProblem{Refusal::out_of_range, "OBX-5 holds an infinite number"};
      payload.values.push_back(static_cast<float>(number));
      payload.observed.push_back(gap ? 0 : 1);
    }
  }
  if (payload.values.size() != count) return ValueProblem{Refusal::out_of_range, "OBX-5 has fewer numbers than the schema declares"};
  if (std::find(payload.observed.begin(), payload.observed.end(), 0) == payload.observed.end()) payload.observed.clear();
  if (auto problem = hold_against(modality, payload)) return problem;
  if (const Status fits = check_payload(modality.kind, modality.payload, payload); !fits.ok())
    return ValueProblem{Refusal::out_of_range, fits.message()};
  out = PayloadRef(std::move(payload));
  return std::nullopt;
}

}  // namespace lacuna::streaming::hl7
