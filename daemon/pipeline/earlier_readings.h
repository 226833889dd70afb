#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "state/deliveries.h"
#include "state/schema_book.h"
#include "streaming/messages/event_decoder.h"

namespace lacuna::daemon {

/// An event that is sent again after a unit, classes or a payload's mark for missing have changed says something else than was taken. This
/// reads it as the schemas before the present one would have, and its values back into their units. Asked only where a value looks like
/// another one under an id that was taken. One thread; a batch's.
class EarlierReadings {
 public:
  /// `schemas` must outlive it.
  EarlierReadings(const Config& config, const state::SchemaBook& schemas);

  /// Whether the part of the event has had this tag under one of them. `bytes`: of the event, as it was sent; they stay where they are as
  /// long as this lives.
  bool have(std::string_view bytes, state::PartKey part, state::Tag tag);

 private:
  struct Reader {
    state::SchemaBook::Known of;
    std::unique_ptr<streaming::EventDecoder> decoder;
  };
  static std::optional<Event> read(Reader& reader, std::string_view bytes);
  void read_all(std::string_view bytes);

  const state::SchemaBook& schemas_;
  const state::PartKeys keys_;
  Reader present_;
  std::vector<Reader> earlier_;
  // Of the event that was asked for last.
  std::string_view bytes_;
  std::optional<Event> now_;
  std::set<std::pair<state::PartKey, state::Tag>> tags_;
};

}  // namespace lacuna::daemon
