#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/pieces.h"
#include "state/records/schema_mapping.h"
#include "state/records/time.h"

namespace lacuna::drift {

/// In how many of the hours that a patient was there something of each modality arrived, by site and week: what an operator
/// looks at to see what is measured where, and since when no longer. Shown, never the reason for an alert. Bounded: the newest
/// kWeeks weeks, kSites sites by name and the rest of them together. Time is clinical. Not thread-safe.
class MissingnessMatrix {
 public:
  static constexpr std::size_t kWeeks = 26;
  static constexpr std::size_t kSites = 256;

  /// `modalities`: their names, by ModalityId.
  explicit MissingnessMatrix(std::vector<std::string> modalities);

  /// One patient-hour, closed. `hour`: any time in it. `arrived`: bit m, an event of modality m came. An hour older than the
  /// weeks kept is left out.
  void add(std::string_view site, Time hour, std::uint64_t arrived);

  struct Row {
    std::string site;  ///< "no site" where events name none, "other sites" for those beyond kSites
    std::string modality;
    Time week{};  ///< its Monday, 00:00 UTC
    std::uint64_t patient_hours = 0;
    double share = 0;  ///< of them, with an event of the modality
    friend bool operator==(const Row&, const Row&) = default;
  };
  /// By week, site (in the order of their names), modality (as in the schema).
  std::vector<Row> rows() const;

  void save(PieceWriter& out) const;
  /// False, and left as it was, when the bytes are not what save() wrote for as many modalities. `grown`: leads here from the schema
  /// that they were written under; null: this one. Of a modality that is new nothing had arrived.
  [[nodiscard]] bool load(ByteReader& in, const SchemaMapping* grown = nullptr);

 private:
  /// [0]: patient-hours; [1 + m]: those with modality m.
  using PatientHours = std::vector<std::uint32_t>;
  using Sites = std::map<std::string, PatientHours, std::less<>>;
  PatientHours& patient_hours(std::string_view site, std::int32_t week);
  bool is_named(std::string_view site) const;

  std::vector<std::string> modalities_;
  std::map<std::int32_t, Sites> weeks_;  ///< by number: weeks since the Monday of the first week of 1970
};

}  // namespace lacuna::drift
