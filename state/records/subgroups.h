#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "state/records/schema.h"
#include "state/records/status.h"

// Groups of patients by their attributes, for which errors and coverage are told.

namespace lacuna {

/// The parts into which an attribute divides patients: its classes, or the bands of a number ("40-55": from 40 to below 55; the last band
/// holds its upper border too). None of a number without bands.
std::vector<std::string> parts_of(const Attribute& attribute);
/// Which of them a value is in; empty: none.
std::optional<std::size_t> part_of(const Attribute& attribute, float value);

/// Groups that one deployment may have: each is a line of every table and some series of metrics.
inline constexpr std::size_t kSubgroupsMax = 256;

/// Everybody; each part of each attribute that is a subgroup ("sex=female"); and the parts of several attributes together
/// ("sex=female,age=40-55"). Names are made of what is declared, never of what the stream brings. Immutable.
class Subgroups {
 public:
  /// Everybody alone.
  Subgroups() = default;
  /// `together`: which attributes divide together, each as names joined by '+'. `invalid`: such a list names an attribute that is not
  /// there, has no parts or comes twice, or fewer than two; or there are more than kSubgroupsMax groups.
  static Result<Subgroups> make(const Schema& schema, const std::vector<std::string>& together);

  /// The first is "all".
  const std::vector<std::string>& names() const { return names_; }
  /// Those that a patient with these attributes is in, rising; the first is everybody. `attributes` as in Snapshot.
  std::vector<std::uint16_t> of(std::span<const std::optional<float>> attributes) const;

 private:
  struct Division {
    std::vector<std::size_t> attributes;
    std::size_t first = 0;  ///< its first group; the parts of the last attribute change fastest
  };
  Status divide(std::vector<std::size_t> by);

  std::vector<Attribute> attributes_;
  std::vector<std::size_t> part_counts_;  ///< by attribute
  std::vector<Division> divisions_;
  std::vector<std::string> names_{"all"};
};

}  // namespace lacuna
