#include "state/records/payload.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lacuna {

namespace {

constexpr std::array<std::string_view, 5> kKindNames{"tabular", "image", "text", "signal", "embedding"};
constexpr std::array<std::string_view, 2> kTextModelNames{"bag", "sequence"};

template <typename E, std::size_t N>
std::optional<E> parse_enum(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) return std::nullopt;
  return static_cast<E>(it - names.begin());
}

}  // namespace

std::string_view to_string(ModalityKind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }
std::optional<ModalityKind> parse_modality_kind(std::string_view name) { return parse_enum<ModalityKind>(kKindNames, name); }
std::string_view to_string(TextModel model) { return kTextModelNames.at(static_cast<std::size_t>(model)); }
std::optional<TextModel> parse_text_model(std::string_view name) { return parse_enum<TextModel>(kTextModelNames, name); }

std::size_t PayloadSpec::value_count(ModalityKind kind) const {
  switch (kind) {
    case ModalityKind::image: return std::size_t{channels} * height * width;
    case ModalityKind::signal: return std::size_t{channels} * length;
    case ModalityKind::embedding: return length;
    case ModalityKind::tabular:
    case ModalityKind::text: break;
  }
  return 0;
}

Status check_payload(ModalityKind kind, const PayloadSpec& spec, const Payload& payload) {
  const auto refuse = [](const char* what) { return Status(Code::invalid, what); };
  if (kind == ModalityKind::tabular) return refuse("a tabular modality takes no payload");
  if (kind == ModalityKind::text) {
    if (!payload.values.empty() || !payload.observed.empty()) return refuse("a text modality takes no numbers");
    return payload.text.empty() ? refuse("the text is empty") : Status();
  }
  if (!payload.text.empty()) return refuse("only a text modality takes text");
  if (payload.values.size() != spec.value_count(kind)) return refuse("the number of values is not the one the schema declares");
  if (!std::all_of(payload.values.begin(), payload.values.end(), [](float v) { return std::isfinite(v); })) {
    return refuse("a value is not finite");
  }
  if (payload.observed.empty()) return {};
  if (payload.observed.size() != payload.values.size()) return refuse("the mask's length is not the values'");
  bool any = false;
  for (std::size_t i = 0; i < payload.observed.size(); ++i) {
    if (payload.observed[i] > 1) return refuse("the mask holds something but 0 and 1");
    if (payload.observed[i] == 0 && payload.values[i] != 0) return refuse("a value that was not observed is not 0");
    any |= payload.observed[i] == 1;
  }
  return any ? Status() : refuse("nothing of it was observed");
}

}  // namespace lacuna
