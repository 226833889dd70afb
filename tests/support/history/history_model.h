#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "state/store.h"
#include "streaming/log/event_log.h"

// What must be known of each person, from docs/messages.md, docs/identity.md and docs/exactly-once.md alone: plain maps of facts, and all
// that is derived from them made anew each time it is asked for. Shares no code with what it is held against, but times and the schema.

namespace lacuna::history {

struct Rev {
  enum class Kind : std::uint8_t { none, number, time };
  Kind kind = Kind::none;
  double value = 0;
  bool mixes_with(const Rev& other) const { return kind != Kind::none && other.kind != Kind::none && kind != other.kind; }
  /// -1, 0, 1; without a revision on either side neither is above.
  int against(const Rev& other) const;
};

/// What was taken of one part under one event id.
struct Seen {
  std::string content;
  Rev revision;
};
/// How one part of a fact stands. A fact is a result, or an event without one.
struct Standing {
  bool came = false;  ///< a value of it was taken once
  bool withdrawn = false;
  Rev revision;
};
/// A part: "vitals.hr", "report" (a payload), "@age" (an attribute), kItself (a withdrawal as such), kWhole (all parts of a result).
using Part = std::string;
using Fact = std::pair<char, std::string>;  ///< 'r' and the result's id, 'e' and the event's

struct Holding {
  Time time{};
  std::uint64_t order = 0;  ///< among those of one time
  double value = 0;         ///< in the present unit; a category's place among the present ones
  std::string category{};
};

struct HeldPayload {
  Time time{};
  std::uint64_t order = 0;  ///< among those of one time
  std::string data{};       ///< as sent
  bool kept = true;         ///< among the newest, which come back when those after them are withdrawn
};

struct Person {
  std::map<std::string, std::map<Part, Seen>> delivered;
  std::map<Fact, std::map<Part, Standing>> facts;
  std::map<Part, std::map<Fact, Holding>> values;  ///< that hold
  std::set<Part> carried;  ///< features of which the unit or the categories have changed: their means are not those of what holds
  std::map<std::string, std::map<Fact, HeldPayload>> texts;  ///< by modality: all that hold
  std::map<std::string, double> numbers;                     ///< attributes
  std::map<std::string, std::string> categories;             ///< attributes
  std::set<Part> beyond;                                     ///< features of which more values held at once than the daemon's history has
  std::string site;
  std::uint64_t events = 0;
  Time first{}, last{};
  SourcePosition source;
  /// The newest one; null: none.
  const HeldPayload* payload(const std::string& modality) const;
  /// Beside the newest so many are kept of each modality.
  void forget_payloads(std::size_t beside);
  bool there = false;                 ///< something is kept of the person, be it a link
  std::string merged_into;            ///< key; empty: no link
  std::set<std::string> merged_from;  ///< keys
};

/// `from` goes on as `into`. `order`: of the values so far.
void unite(Person& into, const Person& from, std::uint64_t& order);

/// A record of the transfers (docs/messages.md).
struct Moved {
  bool state = false;
  std::string person;            ///< key
  std::vector<std::string> via;  ///< keys
  std::string what;              ///< of a record: all of it; of a command: what is asked
  SourcePosition at{};           ///< where it was read first
  /// Two of one name are told apart by their order.
  std::string name() const;
};
Moved to_moved(const streaming::Record& record);

struct ExpectedImputation {
  std::string key;
  bool tombstone = false;
  std::string patient_id;
  SourcePosition source;
  Time time{};
  std::vector<std::string> based_on;
  std::map<std::string, std::string> missing;  ///< by feature or payload modality: never_measured, stale
};

/// What one batch must have left behind.
struct BatchOutcome {
  std::vector<std::string> forgotten;           ///< keys, in order
  std::vector<std::string> changed;             ///< keys of those with a new snapshot, in order
  std::vector<ExpectedImputation> imputations;  ///< in order
  std::map<SourcePosition, std::string> letters;
  std::vector<Moved> moved;
};

inline constexpr double kMmolOfMgDl = 10 / 180.156;  ///< glucose

class Model {
 public:
  /// `exact`: values of a feature that corrections reach (state.history). `transfers`: the topic.
  Model(Schema schema, Millis late_max, std::size_t exact, std::string transfers)
      : schema_(std::move(schema)), late_max_(late_max), exact_(exact), transfers_(std::move(transfers)) {}

  /// The daemon was stopped and started under another schema, with nothing left to read.
  void grow(Schema schema);
  const Schema& schema() const { return schema_; }

  /// Records of one partition, and of the transfers' of that number, that were one batch.
  BatchOutcome batch(const std::vector<streaming::Record>& records);

  /// By key.
  const std::map<std::string, Person>& persons() const { return persons_; }
  using Counts = std::map<std::pair<std::string, std::int32_t>, state::RecordCounts>;  ///< by topic and partition
  const state::RecordCounts& counts(const std::string& topic, std::int32_t partition) { return counts_[{topic, partition}]; }
  const Counts& counts() const { return counts_; }
  /// What is known of one feature, from all values that hold.
  FeatureState feature(const Person& person, FeatureId id) const;
  /// Empty when it is as it must be.
  std::string differs(const std::string& key, const Snapshot& found) const;
  /// Whether the value of the feature at this time is one that holds, and nothing came at that time later.
  bool holds(const Person& person, FeatureId id, Time time, double value) const;
  /// Whom a second delivery in order may change: who had an event withdrawn before all of it came, two withdrawals under one id, or a
  /// value that the schema did not know; who was forgotten along with another; who was merged in a circle, whose
  /// older merge is carried out again; and into whom any of these was merged.
  std::set<std::string> order_matters() const;
  /// What became of each record of the last batch, for a person who looks for a difference.
  const std::vector<std::string>& told() const { return told_; }

 private:
  enum class Verdict : std::uint8_t { fresh, correction, restored, duplicate, superseded, conflict, mixed };
  struct Value {
    Part part;
    std::string content;  ///< tells a repetition from a change
    Holding holding{};
  };
  struct Message {
    std::string event_id, patient_id, key, site, modality, merged_into;
    SourcePosition at{};  ///< where it was read first
    Time time{};
    Fact fact;
    Rev revision;
    bool has_result = false, withdraws = false, forgets = false;
    std::vector<Value> values;  ///< of a withdrawal: what it names
    std::optional<std::string> payload;
    std::map<std::string, double> numbers;
    std::map<std::string, std::string> categories;
    std::vector<std::string> refused;  ///< reasons of its bad parts, in order
  };
  /// What became of one message.
  struct Fate {
    bool changes = false, noted = false, late = false;
    std::string refused;  ///< the first reason
    std::vector<Part> fresh;
    bool taken() const { return !fresh.empty() || changes || noted; }
  };
  /// A person while a batch is worked on.
  struct Working {
    bool known = false;  ///< before the batch
    Time last{};         ///< the same
    std::vector<std::pair<Message, SourcePosition>> fresh;
    std::map<std::string, double> numbers;          ///< attributes that are corrected
    std::map<std::string, std::string> categories;  ///< the same
    std::uint64_t only_changed = 0;
    std::optional<SourcePosition> changed_at;
    Time newest = Time::min();
  };
  struct Doing {
    std::map<std::string, Working> working;
    std::set<std::string> forgotten, changed;
    BatchOutcome out;
  };

  std::optional<std::string> read(const std::string& text, Message& out) const;
  void read_values(const nlohmann::json& values, Message& out) const;
  void read_attributes(const nlohmann::json& attributes, Message& out) const;
  std::string read_value(const nlohmann::json& given, FeatureId id, Value& out) const;
  std::string digest(const Message& message) const;
  Verdict judge(const Person& person, const Message& message, const Part& part, const std::string& content, bool withdraws) const;
  Fate take(Person& person, Message& message, Working& working);
  void take_attributes(Person& person, Message& message, bool late, Working& working, Fate& fate);
  bool take_part(Person& person, const Message& message, const Part& part, const std::string& content, bool late, Fate& fate,
                 Verdict& verdict);
  Fate withdraw(Person& person, const Message& message);
  std::vector<Part> parts_to_withdraw(const Person& person, const Message& message) const;
  void put(Person& person, const Fact& fact, const Value& value, Verdict verdict);
  void apply(Person& person, const Message& message, const SourcePosition& source) const;
  void settle(Person& person, Working& working) const;
  void count(state::RecordCounts& counts, const Message& message, const Fate& fate, BatchOutcome& out) const;
  void one(const streaming::Record& record, Doing& doing);
  void judge_event(Message message, const SourcePosition& at, Doing& doing);
  void forget(const std::string& key, const Moved* moved, Doing& doing);
  void merge(const Message& message, const SourcePosition& at, Doing& doing);
  void arrive(Moved moved, const SourcePosition& at, Doing& doing);
  ExpectedImputation imputation(const std::string& key, const Person& person) const;
  std::string feature_differs(const std::string& key, const Person& person, FeatureId id, const FeatureState& found) const;

  Schema schema_;
  const Millis late_max_;
  const std::size_t exact_;
  const std::string transfers_;
  std::map<std::string, Person> persons_;
  std::map<std::string, std::deque<Person>> under_way_;  ///< those who were merged and did not arrive yet, by name of what brings them
  Counts counts_;
  std::set<std::string> order_matters_, unknown_;
  std::vector<std::string> told_;
  std::uint64_t order_ = 0;
};

std::string key_of(const std::string& patient_id);
std::string millis(Time time);
bool close(double a, double b);

}  // namespace lacuna::history
