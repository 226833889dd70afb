#include "tests/support/history/history_check.h"

#include <algorithm>
#include <iostream>

#include "state/records/hash.h"
#include "state/records/time.h"
#include "state/stored_records.h"

namespace lacuna::history {

namespace {

using nlohmann::json;
using streaming::Record;

constexpr std::string_view kSnapshot = "/tabular";
constexpr int kTriesMax = 10'000;
constexpr int kReadAgainMax = 300;  // on a broker one partition may show a batch a moment before another

bool is_snapshot(const Record& record) { return record.key.ends_with(kSnapshot); }
std::string person_of(const Record& record) { return record.key.substr(0, record.key.size() - kSnapshot.size()); }

std::string list(const state::RecordCounts& c) {
  return json{c.consumed, c.applied, c.duplicate, c.late, c.refused, c.partial, c.forwarded}.dump();
}
std::string name(const SourcePosition& p) { return p.topic + "/" + std::to_string(p.partition) + "@" + std::to_string(p.offset); }

}  // namespace

/// On from `next` to the end, or to `until`; the log may fail and be slow now and then.
std::vector<Record> Check::read(streaming::LogFactory& log, const std::string& topic, std::int32_t partition, std::int64_t& next,
                                std::int64_t until) {
  std::vector<Record> out;
  auto reader = log.reader();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (!reader.ok()) {
      reader = log.reader();
      continue;
    }
    if (until < 0) {
      const auto bounds = (*reader)->bounds({topic, partition});
      if (bounds.code() == Code::not_found) return out;  // nobody has needed it yet
      if (!bounds.ok()) continue;
      until = bounds->second;
    }
    if (next >= until) return out;
    auto records = (*reader)->read({topic, partition}, next, 1000, Millis(100));
    if (!records.ok()) continue;
    for (Record& r : *records) {
      if (r.position.offset >= until) break;
      next = r.position.offset + 1;
      std::uint64_t& trace = traces[{topic, partition}];
      trace = hash64(r.value.value_or(""), hash64(r.key, trace + static_cast<std::uint64_t>(r.position.offset)));
      out.push_back(std::move(r));
    }
  }
  found("topic " + topic + " cannot be read to its end");
  return out;
}

void Check::prepared(std::span<const Record> batch) {
  std::map<std::int32_t, std::pair<std::int64_t, bool>> ends;
  for (const Record& r : batch) {
    auto& [next, transfers] = ends[r.position.partition];
    if (r.position.topic == topics_.transfers) transfers = true;
    else next = r.position.offset + 1;
  }
  // The batch that is committed up to an offset is the last one that was prepared up to it.
  for (const auto& [p, end] : ends) goes_on_[p][end.first] = end.second;
}

void Check::catch_up(streaming::LogFactory& log) {
  for (std::int32_t p = 0; p < partitions_; ++p) {
    for (Record& r : read(log, topics_.state, p, next_[{topics_.state, p}])) gather(log, p, std::move(r));
  }
  for (bool more = true; std::exchange(more, false);) {
    for (std::int32_t p = 0; p < partitions_; ++p) {
      while (problem_.empty() && next_batch(p)) more = true;
    }
  }
  if (problem_.empty()) expect_imputations(log);
  if (problem_.empty()) expect_letters(log);
}

void Check::gather(streaming::LogFactory& log, std::int32_t partition, Record record) {
  Committed& open = open_[partition];
  open.changelog.push_back(std::move(record));
  if (!open.changelog.back().key.ends_with("#partition")) return;
  const auto position = state::decode_position(*open.changelog.back().value);
  if (!position.ok()) return found("position of partition " + std::to_string(partition) + ": " + position.status().to_string());
  const std::int64_t end = position->position.input_next;
  for (Record& r : read(log, position->topic, partition, next_[{position->topic, partition}], end)) open.input.push_back(std::move(r));
  open.positions.push_back(*position);
  if (position->topic != topics_.transfers && goes_on_[partition][end]) return;
  read_[partition].push_back(std::exchange(open, {}));
}

/// What came from elsewhere is known to have been sent.
bool Check::is_due(const Committed& batch) const {
  std::map<std::string, std::int64_t> names;
  for (const Record& r : batch.input) {
    if (r.position.topic == topics_.transfers) names[to_moved(r).name()] += 1;
  }
  return std::ranges::all_of(names, [this](const auto& name) {
    const auto found = under_way_.find(name.first);
    return found != under_way_.end() && found->second >= name.second;
  });
}

bool Check::next_batch(std::int32_t partition) {
  auto& waiting = read_[partition];
  if (waiting.empty() || !is_due(waiting.front())) return false;
  const Committed next = std::move(waiting.front());
  waiting.pop_front();
  batch(partition, next);
  return true;
}

void Check::batch(std::int32_t partition, const Committed& batch) {
  for (const Record& r : batch.input) {
    if (r.position.topic != topics_.transfers) {
      consumed_ += 1;
      continue;
    }
    const auto arriving = under_way_.find(to_moved(r).name());
    if (--arriving->second == 0) under_way_.erase(arriving);
    moved += 1;
  }
  const BatchOutcome outcome = model_.batch(batch.input);
  batches += 1;
  for (const Moved& one : outcome.moved) under_way_[one.name()] += 1;
  if (aloud_) {
    for (const auto& at : batch.positions) std::cerr << "batch to " << name({at.topic, at.partition, at.position.input_next}) << "\n";
    for (const std::string& told : model_.told()) std::cerr << told << "\n";
  }
  for (const state::PartitionPosition& position : batch.positions) expect_position(position);
  expect_snapshots(batch.changelog, outcome);
  for (const ExpectedImputation& one : outcome.imputations) due_[partition].push_back(one);
  letters_due_.insert(outcome.letters.begin(), outcome.letters.end());
}

bool Check::arrived() const {
  return under_way_.empty() && std::ranges::all_of(read_, [](const auto& waiting) { return waiting.second.empty(); });
}

void Check::expect_position(const state::PartitionPosition& position) {
  const state::RecordCounts& expected = model_.counts(position.topic, position.partition);
  const state::RecordCounts& counts = position.position.counts;
  if (counts == expected) return;
  found(name({position.topic, position.partition, position.position.input_next}) +
        ", consumed applied duplicate late refused partial forwarded: found " + list(counts) + ", expected " + list(expected));
}

/// Those of a batch: of everybody who changed, and of nobody else.
void Check::expect_snapshots(const std::vector<Record>& records, const BatchOutcome& outcome) {
  std::vector<std::string> changed, forgotten;
  for (const Record& r : records) {
    if (!is_snapshot(r)) continue;
    (r.value ? changed : forgotten).push_back(person_of(r));
    if (!r.value) continue;
    const auto snapshot = state::decode_snapshot(model_.schema(), *r.value);
    if (!snapshot.ok()) return found("changelog, " + r.key + ": " + snapshot.status().to_string());
    if (!model_.persons().contains(changed.back())) return found("changelog, " + changed.back() + ": nobody");
    snapshots += 1;
    if (const std::string what = model_.differs(changed.back(), *snapshot); !what.empty()) return found("changelog: " + what);
  }
  std::sort(changed.begin(), changed.end());
  if (changed != outcome.changed)
    found("changelog, who changed: found " + json(changed).dump() + ", expected " + json(outcome.changed).dump());
  std::sort(forgotten.begin(), forgotten.end());
  if (forgotten != outcome.forgotten) {
    found("changelog, who was forgotten: found " + json(forgotten).dump() + ", expected " + json(outcome.forgotten).dump());
  }
}

void Check::expect_imputations(streaming::LogFactory& log) {
  for (std::int32_t p = 0; p < partitions_; ++p) {
    auto& due = due_[p];
    auto& published = published_[p];
    for (int tries = 0; tries == 0 || (published.size() < due.size() && tries < kReadAgainMax); ++tries) {
      for (Record& r : read(log, topics_.imputations, p, next_[{topics_.imputations, p}])) published.push_back(std::move(r));
    }
    for (; !due.empty() && problem_.empty(); due.pop_front(), published.pop_front()) {
      if (published.empty()) return found("no imputation of " + due.front().key + " from " + name(due.front().source));
      expect_imputation(due.front(), published.front());
      imputations += 1;
    }
  }
}

void Check::expect_imputation(const ExpectedImputation& expected, const Record& record) {
  if (record.key != expected.key || record.value.has_value() == expected.tombstone) {
    return found("imputations of partition " + std::to_string(record.position.partition) + ": found " +
                 (record.value ? "" : "the end of ") + record.key + ", expected " + (expected.tombstone ? "the end of " : "") +
                 expected.key);
  }
  if (expected.tombstone) return;
  const json message = json::parse(*record.value);
  std::map<std::string, std::string> missing;
  if (message.contains("values")) {
    for (const auto& [modality, values] : message["values"].items()) {
      for (const auto& [feature, value] : values.items()) missing[modality + "." + feature] = value.at("reason");
    }
  }
  if (message.contains("payloads")) {
    for (const auto& [modality, value] : message["payloads"].items()) missing[modality] = value.at("reason");
  }
  const json found_source = message.at("source");
  const std::string where = "imputation of " + expected.key + " from " + name(expected.source) + ", ";
  const auto equal = [&](const json& is, const json& must, const char* what) {
    if (is != must) found(where + what + ": found " + is.dump() + ", expected " + must.dump());
  };
  equal(message.at("patient_id"), expected.patient_id, "patient_id");
  equal(found_source.at("topic"), expected.source.topic, "topic");
  equal(found_source.at("offset"), expected.source.offset, "source");
  equal(found_source.at("partition"), expected.source.partition, "partition");
  equal(message.at("time"), format_rfc3339(expected.time), "time");
  equal(message.at("based_on"), expected.based_on, "based_on");
  equal(missing, expected.missing, "what is missing");
}

void Check::read_letters(streaming::LogFactory& log) {
  for (std::int32_t p = 0; p < partitions_; ++p) {
    for (const Record& letter : read(log, topics_.dead_letters, p, next_[{topics_.dead_letters, p}])) {
      std::map<std::string, std::string> headers(letter.headers.begin(), letter.headers.end());
      SourcePosition at{headers["__connect.errors.topic"], 0, 0};
      at.partition = std::stoi(headers["__connect.errors.partition"]);
      at.offset = std::stoll(headers["__connect.errors.offset"]);
      const std::string& reason = headers["__connect.errors.exception.class.name"];
      if (!letters_found_.emplace(at, reason).second) found("a second dead letter of " + name(at) + ", " + reason);
    }
  }
}

void Check::expect_letters(streaming::LogFactory& log) {
  const auto missing = [this] {
    return std::ranges::any_of(letters_due_, [this](const auto& due) { return !letters_found_.contains(due.first); });
  };
  for (int tries = 0; tries == 0 || (missing() && tries < kReadAgainMax); ++tries) read_letters(log);
  for (const auto& [at, reason] : letters_due_) {
    const auto letter = letters_found_.find(at);
    if (letter == letters_found_.end()) return found("no dead letter of " + name(at) + ", expected " + reason);
    if (letter->second != reason) return found("the dead letter of " + name(at) + ": found " + letter->second + ", expected " + reason);
    letters_found_.erase(letter);
    letters += 1;
  }
  letters_due_.clear();
}

void Check::no_more(streaming::LogFactory& log) {
  catch_up(log);
  for (const auto& [at, reason] : letters_found_) found("a dead letter of " + name(at) + ", " + reason + ", which nothing calls for");
  for (auto& [p, published] : published_) {
    if (!published.empty()) found("an imputation of " + published.front().key + " that nothing calls for");
  }
  for (const auto& [p, waiting] : read_) {
    for (const Record& r : waiting.empty() ? std::vector<Record>() : waiting.front().input) {
      if (r.position.topic == topics_.transfers && !under_way_.contains(to_moved(r).name()))
        found(to_moved(r).name() + " came to partition " + std::to_string(p) + ", and was not to be sent");
    }
  }
  if (!arrived()) found((under_way_.empty() ? "what was sent" : under_way_.begin()->first) + " did not arrive");
}

void Check::store(const state::Store& store, const std::string& where) {
  std::map<std::string, Snapshot> there;
  const Status read = store.for_each_snapshot([&there](Snapshot s) { there.emplace(s.patient_id, std::move(s)); });
  if (!read.ok()) return found(where + ": " + read.to_string());
  for (const auto& [key, person] : model_.persons()) {
    const auto snapshot = there.find(key);
    if (!person.there && snapshot != there.end()) return found(where + ": " + key + " is there");
    if (!person.there) continue;
    if (snapshot == there.end()) return found(where + ": " + key + " is not there");
    if (const std::string what = model_.differs(key, snapshot->second); !what.empty()) return found(where + ": " + what);
    there.erase(snapshot);
  }
  if (!there.empty()) return found(where + ": " + there.begin()->first + " is there, and nothing came of them");
  const auto positions = store.positions();
  if (!positions.ok()) return found(where + ": " + positions.status().to_string());
  for (const auto& [at, position] : *positions) {
    const state::RecordCounts& expected = model_.counts(at.first, at.second);
    if (position.counts == expected) continue;
    found(where + ", counts of " + name({at.first, at.second, position.input_next}) + ": found " + list(position.counts) + ", expected " +
          list(expected));
  }
  replay(store, where);
}

bool Check::holds(const Person& person, FeatureId feature, Time time, double value) const {
  const std::string part = model_.schema().qualified_name(feature);
  return person.beyond.contains(part) || model_.holds(person, feature, time, value);
}

/// Of nobody who was forgotten, and of no value that does not hold.
void Check::replay(const state::Store& store, const std::string& where) {
  const auto drawn = store.draw(4 * store.replay_size(), 7);
  if (!drawn.ok()) return found(where + ", replay: " + drawn.status().to_string());
  for (const Example& example : *drawn) {
    const std::string& key = example.before.patient_id;
    const auto person = model_.persons().find(key);
    const std::string what = where + ", an example of " + key + " at " + format_rfc3339(example.time) + ": ";
    if (person == model_.persons().end() || person->second.events == 0) return found(what + "nobody");
    examples += 1;
    for (const FeatureValue& v : example.arrived) {
      if (!holds(person->second, v.feature, example.time, v.value)) {
        return found(what + model_.schema().qualified_name(v.feature) + " arrived, which does not hold: " + std::to_string(v.value));
      }
    }
    for (FeatureId f = 0; f < example.before.features.size(); ++f) {
      const FeatureState& known = example.before.features[f];
      if (known.count == 0 || holds(person->second, f, known.time, known.last)) continue;
      found(what + model_.schema().qualified_name(f) + " known before, which does not hold: " + std::to_string(known.last) + " at " +
            format_rfc3339(known.time));
      return;
    }
    const auto holds_text = [&](ModalityId m, const PayloadRef& payload) {
      const auto texts = person->second.texts.find(model_.schema().modalities()[m].name);
      return texts != person->second.texts.end() &&
             std::ranges::any_of(texts->second, [&payload](const auto& one) { return one.second.data == payload->text; });
    };
    for (const PayloadValue& p : example.arrived_payloads) {
      if (!holds_text(p.modality, p.payload)) return found(what + "a text arrived that does not hold");
    }
    for (ModalityId m = 0; m < example.before.modalities.size(); ++m) {
      const PayloadRef& known = example.before.modalities[m].payload;
      if (known && !holds_text(m, known)) return found(what + "a text known before that does not hold");
    }
  }
}

}  // namespace lacuna::history
