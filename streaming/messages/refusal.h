#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lacuna::streaming {

/// Why something was refused; a small closed set, used as metric label and in dead-letter headers.
enum class Refusal : std::uint8_t {
  malformed,  ///< not JSON, wrong type, missing member, wrong schema_version, not UTF-8
  too_large,  ///< message, text or count over its limit
  unknown_modality,
  unknown_feature,
  out_of_range,    ///< not finite, outside the plausible range, not one of the categories, not a whole count, of another shape
  unit,            ///< a unit that cannot be converted to the schema's
  time,            ///< no zone, unreadable, or too far in the future
  imputed,         ///< an imputation that came back as observation
  late,            ///< older than the lateness limit allows (decided by the pipeline)
  poison,          ///< made later stages fail (decided by the pipeline)
  unsupported,     ///< understood, but nothing that can be done
  id_conflict,     ///< taken before under this event id with another value (decided by the pipeline)
  time_imprecise,  ///< told as an hour, a day, a month or a year, and nothing in the message says when within it
};
std::string_view to_string(Refusal refusal);
inline constexpr std::size_t kRefusalCount = 13;

/// One part that was refused while the rest of the event lives on. `what` names the feature ("vitals.hr"), or is the
/// member's path ("chest_film.payload"); `message` never holds a value or an identifier.
struct RefusedPart {
  Refusal reason;
  std::string what;
  std::string message;
};

}  // namespace lacuna::streaming
