#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "state/records/records.h"
#include "state/records/units.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/messages/schema_index.h"

namespace lacuna::streaming::hl7 {

/// A unit that was met, and how it leads to a target's.
struct KnownUnit {
  std::string unit;
  std::optional<UnitConversion> conversion;
};

/// Texts that mean a category or that nothing was measured; for a code and for an attribute.
struct TextMeanings {
  std::vector<std::string> missing;
  std::vector<std::pair<std::string, double>> categories;
  bool is_missing(std::string_view text) const;
  /// The class, or the number of a bernoulli feature; empty: the map does not say.
  std::optional<double> category(std::string_view text) const;
};

/// Where the values of one row of the map go.
struct CodeRow {
  std::string system, unit;  ///< empty: any
  bool ignored = false;      ///< left out on purpose
  ModalityId modality = kNoModality;
  FeatureId feature = 0;               ///< of a tabular modality
  const SchemaField* field = nullptr;  ///< null: a modality of payloads
  std::string default_unit;            ///< of numbers without a unit; empty: the schema's
  TextMeanings meanings;
  std::vector<KnownUnit> known_units{};
  /// Remembered; null: it does not convert. A sender of ever new units gains nothing but slower answers.
  std::optional<UnitConversion> conversion(std::string_view from);
};

/// Which codes lead where. Not thread-safe (remembers conversions). The schema's index must outlive it.
class CodeMap {
 public:
  /// What is wrong: the key of FeedOptions::codes or the like ("codes.GLU^L", "attributes.age"), and why.
  using Problem = std::pair<std::string, std::string>;
  CodeMap(const SchemaIndex& index, const FeedOptions& options, std::vector<Problem>& problems);

  /// Null: it leads nowhere. `unit` as OBX-6 has it.
  CodeRow* find(std::string_view code, std::string_view system, std::string_view unit);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  void add(const std::string& key, const CodeTarget* target, const SchemaIndex& index, std::vector<Problem>& problems);

  std::unordered_map<std::string, std::vector<CodeRow>, Hash, std::equal_to<>> rows_;
};

/// Where the texts of `categories` lead in the feature or attribute; what is not a category of it is a problem.
TextMeanings text_meanings(const SchemaField& field, const std::vector<std::string>& missing,
                           const std::map<std::string, std::string>& categories, const std::string& key,
                           std::vector<CodeMap::Problem>& problems);

/// Adds the rows of a CSV with a header: code and to; system, when_unit, unit, missing (parted by |), categories (text=category, parted by
/// |) where they are there. `invalid`: it cannot be read, or a row does not say where it leads; `codes` is as it was then.
Status read_codes(const std::string& path, std::map<std::string, CodeTarget>& codes);

}  // namespace lacuna::streaming::hl7
