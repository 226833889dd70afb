#include <algorithm>

#include "tests/support/history/history_model.h"

// What a merge leaves of two persons (docs/identity.md). Facts are those of both; of one that both have the higher revision holds, of equal
// ones that of the person who goes on.

namespace lacuna::history {

namespace {

/// Whether what the other person has of it takes the place of ours.
template <typename Standing>
bool takes_place(const std::map<Part, Standing>& ours, const Part& part, const Standing& theirs) {
  const auto found = ours.find(part);
  return found == ours.end() || theirs.revision.against(found->second.revision) > 0;
}

void take_value(Person& into, const Person& from, const Fact& fact, const Part& part) {
  const auto move = [&](auto& to, const auto& of) {
    to[part].erase(fact);
    const auto held = of.find(part);
    if (held == of.end()) return;
    if (const auto value = held->second.find(fact); value != held->second.end()) to[part][fact] = value->second;
  };
  move(into.values, from.values);
  move(into.texts, from.texts);
}

}  // namespace

void unite(Person& into, const Person& from) {
  for (const auto& [id, parts] : from.delivered) {
    for (const auto& [part, seen] : parts) {
      if (takes_place(into.delivered[id], part, seen)) into.delivered[id][part] = seen;
    }
  }
  for (const auto& [fact, parts] : from.facts) {
    for (const auto& [part, standing] : parts) {
      if (!takes_place(into.facts[fact], part, standing)) continue;
      into.facts[fact][part] = standing;
      take_value(into, from, fact, part);
    }
  }
  for (const auto& [modality, payload] : from.payloads) {
    const auto held = into.payloads.find(modality);
    if (held == into.payloads.end() || held->second.time < payload.time) into.payloads[modality] = payload;
  }
  into.numbers.insert(from.numbers.begin(), from.numbers.end());
  into.categories.insert(from.categories.begin(), from.categories.end());
  into.beyond.insert(from.beyond.begin(), from.beyond.end());
  if (into.site.empty()) into.site = from.site;
  if (from.events > 0) {
    into.first = into.events > 0 ? std::min(into.first, from.first) : from.first;
    into.last = into.events > 0 ? std::max(into.last, from.last) : from.last;
  }
  into.events += from.events;
}

}  // namespace lacuna::history
