#include "tests/support/history/history_model.h"

#include <algorithm>

#include "state/records/time.h"

namespace lacuna::history {

namespace {

const Part kItself = "(itself)";
const Part kWhole = "(whole)";

std::string reason_of(const std::string& first, const std::string& then) { return first.empty() ? then : first; }

}  // namespace

int Rev::against(const Rev& other) const {
  if (kind == Kind::none || other.kind == Kind::none) return 0;
  return value < other.value ? -1 : value > other.value ? 1 : 0;
}

// --- what becomes of it ---

Model::Verdict Model::judge(const Person& person, const Message& message, const Part& part, const std::string& content,
                            bool withdraws) const {
  const Seen* seen = nullptr;
  if (const auto event = person.delivered.find(message.event_id); event != person.delivered.end()) {
    if (const auto at = event->second.find(part); at != event->second.end()) seen = &at->second;
  }
  const Standing* own = nullptr;
  const Standing* stands = nullptr;
  if (const auto fact = person.facts.find(message.fact); fact != person.facts.end()) {
    // Revisions of a result are of one kind.
    for (const auto& [other, standing] : fact->second) {
      if (message.revision.mixes_with(standing.revision)) return Verdict::mixed;
    }
    if (const auto at = fact->second.find(part); at != fact->second.end()) stands = own = &at->second;
    else if (const auto whole = fact->second.find(kWhole); whole != fact->second.end()) stands = &whole->second;
  }
  if (!withdraws && seen != nullptr && message.revision.against(seen->revision) <= 0) {
    return seen->content == content ? Verdict::duplicate : Verdict::conflict;
  }
  if (stands == nullptr) return Verdict::fresh;
  const int order = message.revision.against(stands->revision);
  if (order < 0) return Verdict::superseded;
  if (withdraws) return stands->withdrawn && order == 0 ? Verdict::duplicate : Verdict::correction;
  const bool came = own != nullptr && own->came;
  if (!stands->withdrawn) return Verdict::correction;
  return came ? Verdict::restored : Verdict::fresh;
}

namespace {

void raise(Rev& known, const Rev& told) {
  if (known.kind == Rev::Kind::none || told.against(known) > 0) known = told;
}

void stand(Person& person, const Fact& fact, const Part& part, const Rev& revision, bool withdrawn) {
  Standing& standing = person.facts[fact][part];
  raise(standing.revision, revision);
  standing.withdrawn = withdrawn;
  standing.came = standing.came || !withdrawn;
}

}  // namespace

/// Whether something of the part is to be carried out.
bool Model::take_part(Person& person, const Message& message, const Part& part, const std::string& content, bool late, Fate& fate,
                      Verdict& verdict) {
  verdict = judge(person, message, part, content, false);
  switch (verdict) {
    case Verdict::duplicate: return false;
    case Verdict::conflict: fate.refused = reason_of(fate.refused, "id_conflict"); return false;
    case Verdict::mixed: fate.refused = reason_of(fate.refused, "malformed"); return false;
    case Verdict::fresh:
      fate.late = fate.late || late;
      if (late) return false;
      fate.fresh.push_back(part);
      break;
    case Verdict::correction:
    case Verdict::restored: fate.changes = true; break;
    case Verdict::superseded: break;
  }
  Seen& seen = person.delivered[message.event_id][part];
  seen.content = content;
  raise(seen.revision, message.revision);
  if (verdict == Verdict::superseded) return false;
  stand(person, message.fact, part, message.revision, false);
  return true;
}

/// The value takes its place among those that hold.
void Model::put(Person& person, const Fact& fact, const Value& value, Verdict verdict) {
  auto& held = person.values[value.part];
  const auto before = held.find(fact);
  if (verdict == Verdict::correction && before == held.end()) return;  // from before a change of the unit
  Holding now = value.holding;
  now.order = verdict == Verdict::correction && before->second.time == now.time ? before->second.order : ++order_;
  held[fact] = now;
  if (held.size() > exact_) person.beyond.insert(value.part);
}

/// Of attributes, what is left in the message is what is new.
void Model::take_attributes(Person& person, Message& message, bool late, Working& working, Fate& fate) {
  const auto take_all = [&](auto& attributes, auto& corrected, const auto& content_of) {
    std::erase_if(attributes, [&](const auto& attribute) {
      Verdict verdict{};
      const bool taken = take_part(person, message, "@" + attribute.first, content_of(attribute.second), late, fate, verdict);
      if (taken && verdict == Verdict::fresh) return false;
      if (taken) corrected[attribute.first] = attribute.second;
      return true;
    });
  };
  take_all(message.numbers, working.numbers, [](double number) { return std::to_string(number); });
  take_all(message.categories, working.categories, [](const std::string& category) { return category; });
}

Model::Fate Model::take(Person& person, Message& message, Working& working) {
  Fate fate;
  const bool late = working.known && working.last - message.time > late_max_;
  Verdict verdict{};
  if (message.values.empty() && !message.payload && message.numbers.empty() && message.categories.empty()) {
    (void)take_part(person, message, kItself, digest(message), late, fate, verdict);
  }
  if (message.payload) {
    const std::string content = *message.payload + "/" + millis(message.time);
    const bool taken = take_part(person, message, message.modality, content, late, fate, verdict);
    if (taken) {
      HeldPayload& held = person.texts[message.modality][message.fact];
      const bool in_place = verdict == Verdict::correction && held.order > 0 && held.kept && held.time == message.time;
      held = {message.time, in_place ? held.order : ++order_, *message.payload, true};
    }
  }
  for (const Value& v : message.values) {
    if (take_part(person, message, v.part, v.content, late, fate, verdict)) put(person, message.fact, v, verdict);
  }
  take_attributes(person, message, late, working, fate);
  const auto& parts = person.facts[message.fact];
  const bool withdrawn = std::ranges::any_of(parts, [](const auto& part) { return part.second.withdrawn; });
  if (!message.has_result && withdrawn && !fate.fresh.empty()) order_matters_.insert(message.key);
  if (fate.late) fate.refused = reason_of(fate.refused, "late");
  return fate;
}

std::vector<Part> Model::parts_to_withdraw(const Person& person, const Message& message) const {
  std::vector<Part> out;
  for (const Value& v : message.values) out.push_back(v.part);
  if (!out.empty()) return out;
  std::set<Part> parts;
  const auto of_this = [&](const std::string& modality) { return message.modality.empty() || message.modality == modality; };
  const auto fact = person.facts.find(message.fact);
  const bool all_of_modality = message.has_result && !message.modality.empty();
  const auto add = [&](const std::string& modality, const Part& part) {
    const bool stands = fact != person.facts.end() && fact->second.contains(part);
    if (of_this(modality) && (stands || all_of_modality)) parts.insert(part);
  };
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) add(schema_.modality_of(f).name, schema_.qualified_name(f));
  for (const Modality& m : schema_.modalities()) {
    if (m.kind != ModalityKind::tabular) add(m.name, m.name);
  }
  out.assign(parts.begin(), parts.end());
  if (message.has_result && message.modality.empty()) out.push_back(kWhole);
  return out;
}

Model::Fate Model::withdraw(Person& person, const Message& message) {
  Fate fate;
  auto& delivered = person.delivered[message.event_id];
  if (message.has_result) {
    const auto seen = delivered.find(kItself);
    if (seen != delivered.end() && seen->second.content == digest(message)) return fate;
    if (seen != delivered.end()) order_matters_.insert(message.key);
  }
  for (const Part& part : parts_to_withdraw(person, message)) {
    const Verdict verdict = judge(person, message, part, "", true);
    if (verdict == Verdict::mixed) {
      fate.refused = "malformed";
      return fate;
    }
    if (verdict != Verdict::fresh && verdict != Verdict::correction) continue;
    const auto fact = person.facts.find(message.fact);
    const bool stood = fact != person.facts.end() && fact->second.contains(part) && !fact->second.at(part).withdrawn;
    stand(person, message.fact, part, message.revision, true);
    fate.noted = true;
    if (!message.has_result && !stood) order_matters_.insert(message.key);
    if (!stood) continue;
    fate.changes = true;
    if (person.values.contains(part)) person.values[part].erase(message.fact);
    if (schema_.find_modality(part) == kNoModality) continue;
    person.texts[part].erase(message.fact);
  }
  if (message.has_result) delivered[kItself].content = digest(message);
  else if (!fate.changes) order_matters_.insert(message.key);
  return fate;
}

// --- a batch ---

namespace {

/// Within one partition the newer of the two, else the one that came last.
void come_from(Person& person, const SourcePosition& source) {
  const bool elsewhere = person.source.topic != source.topic || person.source.partition != source.partition;
  if (elsewhere || person.source < source) person.source = source;
}

}  // namespace

void Model::apply(Person& person, const Message& message, const SourcePosition& source) const {
  const bool first = person.events == 0, behind = !first && message.time < person.last;
  person.first = first ? message.time : std::min(person.first, message.time);
  person.last = first ? message.time : std::max(person.last, message.time);
  person.events += 1;
  come_from(person, source);
  if (!message.site.empty() && (!behind || person.site.empty())) person.site = message.site;
  for (const auto& [name, number] : message.numbers) {
    if (!behind || !person.numbers.contains(name)) person.numbers[name] = number;
  }
  for (const auto& [name, category] : message.categories) {
    if (!behind || !person.categories.contains(name)) person.categories[name] = category;
  }
}

/// New events in the order of their clinical times, then what corrects, as it came.
void Model::settle(Person& person, Working& working) const {
  std::stable_sort(working.fresh.begin(), working.fresh.end(), [](const auto& a, const auto& b) { return a.first.time < b.first.time; });
  for (const auto& [message, source] : working.fresh) apply(person, message, source);
  person.forget_payloads(exact_);
  if (!working.changed_at) return;
  for (const auto& [name, number] : working.numbers) person.numbers[name] = number;
  for (const auto& [name, category] : working.categories) person.categories[name] = category;
  person.events += working.only_changed;
  person.last = std::max(person.last, working.newest);
  come_from(person, *working.changed_at);
}

void Model::count(state::RecordCounts& counts, const Message& message, const Fate& fate, BatchOutcome& out) const {
  if (!message.refused.empty()) out.letters[message.at] = message.refused.front();
  if (!fate.refused.empty()) out.letters[message.at] = fate.refused;
  if (fate.taken()) {
    counts.applied += 1;
    if (out.letters.contains(message.at)) counts.partial += 1;
  } else if (fate.refused.empty()) {
    counts.duplicate += 1;
  } else {
    (fate.refused == "late" ? counts.late : counts.refused) += 1;
  }
}

void Model::judge_event(Message message, const SourcePosition& at, Doing& doing) {
  Person& person = persons_[message.key];
  const auto [found, first] = doing.working.try_emplace(message.key);
  Working& of = found->second;
  if (first) {
    of.known = person.events > 0;
    of.last = person.last;
  }
  const Fate fate = message.withdraws ? withdraw(person, message) : take(person, message, of);
  count(counts_[{at.topic, at.partition}], message, fate, doing.out);
  told_.back() += std::string("  =>") + (fate.fresh.empty() ? "" : " fresh") + (fate.changes ? " changes" : "") +
                  (fate.noted ? " noted" : "") + " " + fate.refused;
  if (fate.changes) {
    if (fate.fresh.empty()) of.only_changed += 1;
    of.changed_at = at;
    if (!message.withdraws) of.newest = std::max(of.newest, message.time);
  }
  if (fate.fresh.empty()) return;
  of.fresh.emplace_back(std::move(message), at);
}

void Model::one(const streaming::Record& record, Doing& doing) {
  const SourcePosition& at = record.position;
  state::RecordCounts& counts = counts_[{at.topic, at.partition}];
  counts.consumed += 1;
  const std::optional<Moved> moved = at.topic == transfers_ ? std::optional(to_moved(record)) : std::nullopt;
  told_.push_back(moved && moved->state ? moved->name() : record.value.value_or("forget " + record.key));
  if (moved && moved->state) return arrive(*moved, at, doing);
  Message message;
  message.at = moved ? moved->at : at;
  const std::optional<std::string> refused = record.value ? read(*record.value, message) : std::nullopt;
  if (!record.value) message.key = key_of(record.key);
  if (moved) message.key = moved->person;
  const auto is_unknown = [](const std::string& reason) { return reason.starts_with("unknown"); };
  if (is_unknown(refused.value_or("")) || std::ranges::any_of(message.refused, is_unknown)) unknown_.insert(message.key);
  if (refused) {
    counts.refused += 1;
    doing.out.letters[message.at] = *refused;
    told_.back() += "  => refused, " + *refused;
    return;
  }
  if (!record.value || message.forgets) {
    counts.applied += 1;
    return forget(message.key, moved ? &*moved : nullptr, doing);
  }
  if (!message.merged_into.empty()) return merge(message, at, doing);
  const std::string& into = persons_[message.key].merged_into;
  if (into.empty()) return judge_event(std::move(message), at, doing);
  counts.forwarded += 1;
  told_.back() += "  => to " + into;
  Moved onward = moved ? *moved : Moved{false, "", {}, *record.value, at};
  onward.via.push_back(message.key);
  onward.person = into;
  doing.out.moved.push_back(std::move(onward));
}

BatchOutcome Model::batch(const std::vector<streaming::Record>& records) {
  Doing doing;
  told_.clear();
  for (const streaming::Record& record : records) one(record, doing);
  BatchOutcome& out = doing.out;
  out.forgotten.assign(doing.forgotten.begin(), doing.forgotten.end());
  for (const std::string& key : out.forgotten) out.imputations.push_back({key, true, "", {}, {}, {}, {}});
  for (auto& [key, of] : doing.working) {
    if (!of.fresh.empty() || of.changed_at) doing.changed.insert(key);
    settle(persons_[key], of);
  }
  for (const std::string& key : doing.changed) {
    Person& person = persons_[key];
    person.there = true;
    out.changed.push_back(key);
    if (person.events > 0) out.imputations.push_back(imputation(key, person));
  }
  return out;
}

void Model::grow(Schema schema) {
  const Schema before = std::exchange(schema_, std::move(schema));
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
    const Feature& feature = schema_.features()[f];
    const ModalityId modality = before.find_modality(schema_.modality_of(f).name);
    const auto was = modality == kNoModality ? std::nullopt : before.find_feature(modality, feature.name);
    if (!was) continue;
    const Part part = schema_.qualified_name(f);
    const Feature& old = before.features()[*was];
    for (auto& [key, person] : persons_) {
      if (old.unit != feature.unit || old.categories != feature.categories) person.carried.insert(part);
      if (old.unit == feature.unit) continue;
      for (auto& [fact, holding] : person.values[part]) holding.value *= kMmolOfMgDl;
    }
  }
}

const HeldPayload* Person::payload(const std::string& modality) const {
  const HeldPayload* out = nullptr;
  const auto held = texts.find(modality);
  if (held == texts.end()) return out;
  for (const auto& [fact, one] : held->second) {
    if (one.kept && (out == nullptr || std::pair(one.time, one.order) > std::pair(out->time, out->order))) out = &one;
  }
  return out;
}

void Person::forget_payloads(std::size_t beside) {
  for (auto& [modality, held] : texts) {
    std::vector<HeldPayload*> kept;
    for (auto& [fact, one] : held) {
      if (one.kept) kept.push_back(&one);
    }
    std::ranges::sort(kept, std::greater(), [](const HeldPayload* one) { return std::pair(one->time, one->order); });
    for (std::size_t i = beside + 1; i < kept.size(); ++i) kept[i]->kept = false;
  }
}

}  // namespace lacuna::history
