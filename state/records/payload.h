#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/records/status.h"

// What an event of an image, text, signal or embedding modality carries in place of named features.

namespace lacuna {

enum class ModalityKind : std::uint8_t { tabular, image, text, signal, embedding };
std::string_view to_string(ModalityKind kind);
std::optional<ModalityKind> parse_modality_kind(std::string_view name);

/// How a text is modelled: as counts of its words, or word after word.
enum class TextModel : std::uint8_t { bag, sequence };
std::string_view to_string(TextModel model);
std::optional<TextModel> parse_text_model(std::string_view name);

/// Bounds that Schema::make enforces.
inline constexpr std::uint32_t kPayloadValuesMax = 1U << 20;  ///< numbers of one payload
inline constexpr std::uint32_t kTextTokensMax = 4096;         ///< tokens of a text that are read
inline constexpr std::uint32_t kVocabularyMax = 65'536;

/// The fixed shape of a modality's payloads.
struct PayloadSpec {
  std::uint32_t channels = 1;  ///< image (grey 1, colour 3), signal
  std::uint32_t height = 0;    ///< image, pixels
  std::uint32_t width = 0;     ///< image, pixels
  std::uint32_t length = 0;    ///< signal: samples a channel; embedding: dimensions; text: tokens that are read
  TextModel text_model = TextModel::bag;
  std::uint32_t vocabulary_size = 2000;  ///< text: words told apart when the vocabulary is built from the stream
  std::vector<std::string> vocabulary;   ///< text: the words, when given; then nothing is added
  friend bool operator==(const PayloadSpec&, const PayloadSpec&) = default;

  /// Numbers of one payload of `kind`; 0 for text and tabular.
  std::size_t value_count(ModalityKind kind) const;
};

/// One observation. Row-major: image [channels, height, width], signal [channels, length], embedding [length].
struct Payload {
  std::vector<float> values;           ///< finite; 0 where not observed; empty for text
  std::vector<std::uint8_t> observed;  ///< 1 or 0 a value; empty: all are observed
  std::string text;                    ///< UTF-8; text modalities only
  friend bool operator==(const Payload&, const Payload&) = default;
};

/// Why a payload does not fit its modality (never quotes it); ok when it does.
Status check_payload(ModalityKind kind, const PayloadSpec& spec, const Payload& payload);

/// A payload that snapshots, examples and batches share, or none. Compares by content.
class PayloadRef {
 public:
  PayloadRef() = default;
  explicit PayloadRef(Payload payload) : shared_(std::make_shared<const Payload>(std::move(payload))) {}
  explicit operator bool() const { return shared_ != nullptr; }
  const Payload& operator*() const { return *shared_; }
  const Payload* operator->() const { return shared_.get(); }
  friend bool operator==(const PayloadRef& a, const PayloadRef& b) {
    return a.shared_ == b.shared_ || (a.shared_ && b.shared_ && *a.shared_ == *b.shared_);
  }

 private:
  std::shared_ptr<const Payload> shared_;
};

}  // namespace lacuna
