// The checker complains about whatever is not exactly once. Method: what good runs left behind is doctored in one place, as a
// fault of the daemon would, and checked again.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "tests/simulation/checker.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/stream.h"

namespace lacuna::simulation {
namespace {

using streaming::Record;

/// The newest changelog record whose key ends so; the newest of its key too, and no tombstone.
std::vector<Record>::iterator newest(Outcome& outcome, const std::string& suffix) {
  std::set<std::string> later;
  const auto found = std::find_if(outcome.changelog.rbegin(), outcome.changelog.rend(),
                                  [&](const Record& r) { return r.key.ends_with(suffix) && later.insert(r.key).second && r.value; });
  return found == outcome.changelog.rend() ? outcome.changelog.end() : std::prev(found.base());
}

/// A patient who is forgotten, and where; nobody: an empty key.
Record forgotten(const Outcome& outcome) {
  std::set<std::string> later;
  for (auto r = outcome.input.rbegin(); r != outcome.input.rend(); ++r) {
    if (r->value && r->value->find("poison") != std::string::npos) continue;
    if (later.insert(r->key).second && (!r->value || r->value->find("forget") != std::string::npos)) return *r;
  }
  return {};
}

Snapshot* some_patient(Outcome& outcome) {
  for (auto& [partition, held] : outcome.held) {
    for (auto& [id, snapshot] : held.patients) {
      if (snapshot.source.topic == partition.topic && snapshot.source.partition == partition.partition) return &snapshot;
    }
  }
  return nullptr;
}

void apply_twice(Snapshot& snapshot) {
  snapshot.event_count += 1;
  for (FeatureState& f : snapshot.features) {
    if (f.count > 0) f.count += 1;
  }
}

void move_letter(Record& letter, std::int64_t by) {
  for (auto& [name, value] : letter.headers) {
    if (name == "__connect.errors.offset") value = std::to_string(std::stoll(value) + by);
  }
}

/// False: this outcome has nothing to doctor in that way.
struct Fault {
  const char* name;
  std::function<bool(Outcome&)> doctor;
};

const std::vector<Fault> kFaults{
    {"PositionNotCommitted", [](Outcome& o) { return (o.committed.begin()->second.next_offset -= 1) >= 0; }},
    {"ImputationTwice",
     [](Outcome& o) {
       const auto one = std::find_if(o.imputations.begin(), o.imputations.end(), [](const Record& r) { return r.value.has_value(); });
       if (one == o.imputations.end()) return false;
       o.imputations.insert(o.imputations.begin(), Record(*one));
       return true;
     }},
    {"NewestImputationLost",
     [](Outcome& o) {
       if (o.imputations.empty()) return false;
       o.imputations.pop_back();
       return true;
     }},
    {"ImputationsOutOfOrder",
     [](Outcome& o) {
       for (std::size_t i = 1; i < o.imputations.size(); ++i) {
         if (o.imputations[i].key != o.imputations[i - 1].key || !o.imputations[i].value || !o.imputations[i - 1].value) continue;
         std::swap(o.imputations[i], o.imputations[i - 1]);
         return true;
       }
       return false;
     }},
    {"DeadLetterLost",
     [](Outcome& o) {
       if (o.dead_letters.empty()) return false;
       o.dead_letters.pop_back();
       return true;
     }},
    {"DeadLetterTwice",
     [](Outcome& o) {
       if (o.dead_letters.empty()) return false;
       o.dead_letters.push_back(o.dead_letters.front());
       return true;
     }},
    {"DeadLetterOfAnother",
     [](Outcome& o) {
       if (o.dead_letters.empty()) return false;
       move_letter(o.dead_letters.front(), 100'000);
       return true;
     }},
    {"PatientNotInChangelog",
     [](Outcome& o) {
       const auto record = newest(o, "/tabular");
       if (record == o.changelog.end()) return false;
       o.changelog.erase(record);
       return true;
     }},
    {"CountsNotInChangelog",
     [](Outcome& o) {
       const auto record = newest(o, "#partition");
       if (record == o.changelog.end()) return false;
       o.changelog.erase(record);
       return true;
     }},
    {"AppliedTwiceInChangelog",
     [](Outcome& o) {
       const auto record = newest(o, "/tabular");
       if (record == o.changelog.end()) return false;
       const Schema schema = small_schema();
       auto snapshot = state::decode_snapshot(schema, *record->value);
       apply_twice(*snapshot);
       record->value = state::encode_snapshot(schema, *snapshot);
       return true;
     }},
    {"AppliedTwiceInStore",
     [](Outcome& o) {
       Snapshot* snapshot = some_patient(o);
       if (snapshot) apply_twice(*snapshot);
       return snapshot != nullptr;
     }},
    {"OlderValueInStore",
     [](Outcome& o) {
       Snapshot* snapshot = some_patient(o);
       if (!snapshot) return false;
       for (FeatureState& f : snapshot->features) {
         if (f.count > 0) f.last += 0.5;
       }
       return true;
     }},
    {"PatientNotInStore",
     [](Outcome& o) {
       const Snapshot* snapshot = some_patient(o);
       if (!snapshot) return false;
       return o.held[{snapshot->source.topic, snapshot->source.partition}].patients.erase(std::string(snapshot->patient_id)) > 0;
     }},
    {"ForgottenInStore",
     [](Outcome& o) {
       const Record gone = forgotten(o);
       const Snapshot* snapshot = some_patient(o);
       if (gone.key.empty() || !snapshot) return false;
       return o.held[{gone.position.topic, gone.position.partition}].patients.emplace(gone.key, *snapshot).second;
     }},
    {"ForgottenInChangelog",
     [](Outcome& o) {
       const Record gone = forgotten(o);
       const auto tombstone = std::find_if(o.changelog.rbegin(), o.changelog.rend(),
                                           [&](const Record& r) { return !gone.key.empty() && r.key.starts_with(gone.key + "/"); });
       if (tombstone == o.changelog.rend()) return false;
       tombstone->value = "left";
       return true;
     }},
    {"ForgottenImputed",
     [](Outcome& o) {
       const Record gone = forgotten(o);
       return std::erase_if(o.imputations, [&](const Record& r) { return !gone.key.empty() && r.key == gone.key && !r.value; }) > 0;
     }},
    {"StoreBehind",
     [](Outcome& o) {
       for (auto& [partition, held] : o.held) {
         if (held.position.input_next > 0) return (held.position.input_next -= 1) >= 0;
       }
       return false;
     }},
    {"CountedTwiceInStore",
     [](Outcome& o) {
       for (auto& [partition, held] : o.held) {
         if (held.position.counts.consumed == 0) continue;
         held.position.counts.consumed += 1;
         held.position.counts.duplicate += 1;
         return true;
       }
       return false;
     }},
    {"NobodyHoldsAPartition",
     [](Outcome& o) {
       std::erase_if(o.held, [](const auto& held) { return held.second.position.counts.consumed > 0; });
       return true;
     }},
    {"EventLost",  // as if one more had been sent
     [](Outcome& o) {
       for (const Record& r : o.input) {
         const auto id = r.value ? r.value->find("\"e1\"") : std::string::npos;
         if (id == std::string::npos) continue;
         Record more = r;
         more.value->replace(id, 4, "\"lost\"");
         o.input.push_back(more);
         return true;
       }
       return false;
     }},
};

TEST(Checker, FindsEachFaultInAGoodRun) {
  const Schema schema = small_schema();
  Statistics ignored;
  std::map<std::string, int> doctored;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Report report = simulate(seed, ignored, false);
    ASSERT_TRUE(report.problems.empty()) << "seed " << seed << ": " << report.problems.front();
    for (const Fault& fault : kFaults) {
      Outcome outcome = report.outcome;
      if (!fault.doctor(outcome)) continue;
      doctored[fault.name] += 1;
      EXPECT_FALSE(check(schema, outcome).empty()) << fault.name << " went unseen in seed " << seed;
    }
  }
  for (const Fault& fault : kFaults) EXPECT_GT(doctored[fault.name], 2) << fault.name;
}

}  // namespace
}  // namespace lacuna::simulation
