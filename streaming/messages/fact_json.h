#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "state/records/records.h"
#include "streaming/messages/json_value.h"
#include "streaming/messages/json_writer.h"

// What an event says beside its values: which result it reports, how that stands, and what became of the person or the stay. Private to
// streaming/.

namespace lacuna::streaming {

/// The members "result", "patient" and "stay" as written. Views as in RawValue; `problem`: the first that refuses the whole event.
struct GivenFacts {
  std::optional<std::string_view> result_id, status, merged_into, stay_site;
  std::optional<RawValue> revision;
  bool forget = false;
  bool stay_ends = false;
  std::optional<ValueProblem> problem;
};

/// Each reads one member; false: no JSON.
bool read_result(ondemand::value value, GivenFacts& out);
bool read_status(ondemand::value value, GivenFacts& out);
bool read_person(ondemand::value value, GivenFacts& out);
bool read_stay(ondemand::value value, GivenFacts& out);

/// Puts them into an event whose ids are set, or says why not.
std::optional<ValueProblem> take_facts(const GivenFacts& given, std::size_t id_bytes_max, Event& event);

/// The members of an event that say more than the default.
void write_facts(JsonWriter& json, const Event& event);

}  // namespace lacuna::streaming
