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
  if (found == ours.end()) return true;
  const Rev& known = found->second.revision;
  return !known.mixes_with(theirs.revision) && theirs.revision.against(known) > 0;
}

void take_value(Person& into, const Person& from, const Fact& fact, const Part& part) {
  const auto move = [&](auto& to, const auto& of) {
    if (to.contains(part)) to[part].erase(fact);
    const auto held = of.find(part);
    if (held == of.end()) return;
    if (const auto value = held->second.find(fact); value != held->second.end()) to[part][fact] = value->second;
  };
  move(into.values, from.values);
  move(into.texts, from.texts);
}

/// Of equal times the values of the person who goes on come first.
void renumber(Person& person, std::uint64_t& order) {
  for (auto& [part, held] : person.values) {
    std::vector<Holding*> values;
    for (auto& [fact, holding] : held) values.push_back(&holding);
    std::sort(values.begin(), values.end(), [](const Holding* a, const Holding* b) { return a->order < b->order; });
    for (Holding* value : values) value->order = ++order;
  }
  for (auto& [modality, held] : person.texts) {
    std::vector<HeldPayload*> texts;
    for (auto& [fact, one] : held) texts.push_back(&one);
    std::ranges::sort(texts, {}, [](const HeldPayload* one) { return one->order; });
    for (HeldPayload* one : texts) one->order = ++order;
  }
}

/// One that both were told is kept where either keeps it.
void keep_payloads(Person& into, const Person& from) {
  for (const auto& [modality, held] : from.texts) {
    for (const auto& [fact, one] : held) {
      const auto ours = into.texts[modality].find(fact);
      if (ours == into.texts[modality].end() || ours->second.kept || !one.kept) continue;
      if (ours->second.time == one.time && ours->second.data == one.data) ours->second = one;
    }
  }
}

}  // namespace

void unite(Person& into, const Person& of, std::uint64_t& order) {
  Person from = of;
  renumber(from, order);
  for (const auto& [id, parts] : from.delivered) {
    for (const auto& [part, seen] : parts) {
      if (takes_place(into.delivered[id], part, seen)) into.delivered[id][part] = seen;
    }
  }
  for (const auto& [fact, parts] : from.facts) {
    for (const auto& [part, standing] : parts) {
      const bool takes = takes_place(into.facts[fact], part, standing);
      Standing& united = into.facts[fact][part];
      const bool came = united.came || standing.came;
      if (takes) united = standing;
      united.came = came;
      if (!takes) continue;
      take_value(into, from, fact, part);
    }
  }
  keep_payloads(into, from);
  into.carried.insert(from.carried.begin(), from.carried.end());
  into.numbers.insert(from.numbers.begin(), from.numbers.end());
  into.categories.insert(from.categories.begin(), from.categories.end());
  into.beyond.insert(from.beyond.begin(), from.beyond.end());
  const bool newer = from.events > 0 && (into.events == 0 || from.last > into.last);
  if (into.site.empty() || (newer && !from.site.empty())) into.site = from.site;
  if (from.events > 0) {
    into.first = into.events > 0 ? std::min(into.first, from.first) : from.first;
    into.last = into.events > 0 ? std::max(into.last, from.last) : from.last;
  }
  into.events += from.events;
  into.merged_from.insert(from.merged_from.begin(), from.merged_from.end());
}

void Model::forget(const std::string& key, const Moved* moved, Doing& doing) {
  const Person& person = persons_[key];
  Moved command;
  command.what = "forget";
  if (moved != nullptr) command.via = moved->via;
  std::set<std::string> others = person.merged_from;
  if (!person.merged_into.empty()) others.insert(person.merged_into);
  for (const std::string& told : command.via) others.erase(told);
  command.via.push_back(key);
  command.via.insert(command.via.end(), others.begin(), others.end());
  for (const std::string& other : others) {
    command.person = other;
    doing.out.moved.push_back(command);
  }
  order_matters_.erase(key);
  unknown_.erase(key);
  if (moved != nullptr) order_matters_.insert({key, person.merged_into.empty() ? key : person.merged_into});
  persons_[key] = {};
  doing.forgotten.insert(key);
  doing.working[key] = {};
}

void Model::merge(const Message& message, const SourcePosition& at, Doing& doing) {
  Person& person = persons_[message.key];
  state::RecordCounts& counts = counts_[{at.topic, at.partition}];
  if (message.merged_into != message.key && message.merged_into == person.merged_into) {
    counts.duplicate += 1;
    return;
  }
  const bool itself = message.merged_into == message.key;
  if (itself || !person.merged_into.empty()) {
    counts.refused += 1;
    doing.out.letters[at] = itself ? "malformed" : "unsupported";
    return;
  }
  counts.applied += 1;
  const Moved state{true, message.merged_into, {message.key}, "state", {}};
  under_way_[state.name()].push_back(std::exchange(person, {}));
  doing.out.moved.push_back(state);
  person.merged_into = message.merged_into;
  person.source = at;
  doing.forgotten.insert(message.key);
  doing.changed.insert(message.key);
}

void Model::arrive(Moved moved, const SourcePosition& at, Doing& doing) {
  Person& into = persons_[moved.person];
  std::deque<Person>& waiting = under_way_[moved.name()];
  const Person from = std::move(waiting.front());
  waiting.pop_front();
  const std::vector<std::string>& via = moved.via;
  const bool circle = std::find(via.begin(), via.end(), into.merged_into) != via.end();
  state::RecordCounts& counts = counts_[{at.topic, at.partition}];
  if (!into.merged_into.empty() && !circle) {
    counts.forwarded += 1;
    moved.via.push_back(moved.person);
    moved.person = into.merged_into;
    under_way_[moved.name()].push_back(from);
    doing.out.moved.push_back(std::move(moved));
    return;
  }
  counts.applied += 1;
  if (circle) order_matters_.insert(moved.person);
  for (const auto& [fact, parts] : from.facts) {
    const auto known = into.facts.find(fact);
    if (known == into.facts.end()) continue;
    for (const auto& [part, standing] : parts) {
      const auto at_both = known->second.find(part);
      if (at_both != known->second.end() && at_both->second.withdrawn != standing.withdrawn) order_matters_.insert(moved.person);
    }
  }
  into.merged_into.clear();
  unite(into, from, order_);
  into.merged_from.insert(via.front());
  into.merged_from.erase(moved.person);
  into.source = at;
  into.forget_payloads(exact_);
  for (const auto& [part, held] : into.values) {
    if (held.size() > exact_) into.beyond.insert(part);
  }
  doing.changed.insert(moved.person);
}

std::set<std::string> Model::order_matters() const {
  std::set<std::string> out = order_matters_;
  out.insert(unknown_.begin(), unknown_.end());
  for (bool more = true; std::exchange(more, false);) {
    for (const auto& [key, person] : persons_) {
      if (out.contains(key) && !person.merged_into.empty()) more = out.insert(person.merged_into).second || more;
      if (std::ranges::any_of(person.merged_from, [&out](const auto& of) { return out.contains(of); }))
        more = out.insert(key).second || more;
    }
  }
  return out;
}

}  // namespace lacuna::history
