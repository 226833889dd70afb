#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "state/records/bytes.h"
#include "state/records/records.h"
#include "state/records/schema.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"
#include "state/records/time.h"

namespace lacuna::drift {

/// So many are in the whole of Patients::save(), those who came last; the others are taken up again when their next event comes
/// (Patient::join). Followed are all.
inline constexpr std::size_t kPatientsInWhole = 50'000;
inline constexpr std::size_t kOpenHoursMax = 14;  ///< not closed, per patient: more than 12 hours of silence end a stay
inline constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::min();

/// Hours since 1970.
std::int64_t hour_of(Time t);
Time begin_of(std::int64_t hour);

using Set = std::vector<std::uint64_t>;  ///< of features, 64 to a word
bool test_bit(const Set& set, std::size_t i);
void put_bit(Set& set, std::size_t i, bool value);

/// What is remembered of a patient who is present, so that outcomes can be judged given the patient's own past: only then are
/// hours of one patient nearly independent, which is what the bets need. 12 bytes a feature, 8 a modality.
struct Patient {
  struct Past {                        ///< of a modality
    std::int32_t last_hour = kNever;   ///< closed, in which it arrived
    std::int32_t panel_hour = kNever;  ///< of its newest panel that was judged
    float frequency = 0;               ///< of its arrivals, in hours
  };
  struct Scores {  ///< of a feature: exponential means over the hours scored; count 0: none
    float z = 0, error = 0;
    std::uint8_t count = 0;
  };
  Time first{}, newest{};
  std::uint16_t site = 0;
  std::int64_t hours = 0;           ///< closed so far
  std::int64_t open_hour = 0;       ///< the first not closed; the hour of the first event is never judged
  std::vector<std::uint64_t> open;  ///< sets of modalities that arrived, from open_hour on
  std::vector<Past> past;           ///< per modality
  std::vector<Scores> scores;       ///< per feature
  Set seen;                         ///< features of which a value came in this stay
  Set in_last_panel;                ///< and in the newest judged panel of their modality
  std::int64_t scored_hour = std::numeric_limits<std::int64_t>::min();
  Set scored;                        ///< in scored_hour
  Set known, missed, missed_before;  ///< outcomes of the last two scored hours of each feature
  // Of the hour that is scored, over all features; and of the hours before:
  float misses = 0, errors = 0, values = 0;
  float miss_mean = 0, error_mean = 0;
  std::uint8_t hours_scored = 0;
  bool admitted = false;  ///< the attributes are counted
  bool coded = false;     ///< the latent code is
  bool joined = false;    ///< the stay was begun, or a part of it seen, elsewhere
  bool gone = false;      ///< discharged, at `newest`; kept for what is still told of the time before

  /// What came in the hours not closed is known, but they, and the hour of `time`, are never judged. `time`: not before `newest`.
  void skip_to(Time time);
  /// The stay goes on here. `before`: what was known of it until now, which is newer than `newest`.
  void join(const Snapshot& before);
};

// Cells of the arrivals' baseline: hours since the modality last arrived for this patient (never, 1, 2, 3-4, 5-8, 9-16, more)
// times how often it did so far (too early to say; under 0.05, 0.2, 0.5 of the hours; more).
inline constexpr std::int64_t kEarlyHours = 6;
std::size_t recency_cell(std::int64_t hour, const Patient::Past& past);
std::size_t frequency_cell(const Patient& patient, const Patient::Past& past);

/// Those present, by hash of the id: nothing here names a patient.
class Patients {
 public:
  explicit Patients(const Schema& schema) : modalities_(schema.modality_count()), features_(schema.feature_count()) {}

  /// Silent for longer than 12 hours, or discharged before: gone; coming back is a new stay. `before`: see Arrival.
  Patient& find(std::string_view id, Time time, const Snapshot* before = nullptr);
  /// Forgets those who have been silent since long before `watermark`.
  void sweep(Time watermark);
  void forget(std::string_view id);
  std::size_t size() const;  ///< without those who are gone

  /// Whole, but for kPatientsInWhole.
  void save(ByteWriter& out) const;
  /// False when it is not what was written. `grown`: leads here from the schema that it was written under; null: this one.
  bool load(ByteReader& in, const SchemaMapping* grown = nullptr);

  /// By rows: those who have changed since the last call, or since load(); empty: gone.
  std::map<std::uint64_t, std::optional<std::string>> take_changed();
  /// All of them are among the next ones taken.
  void all_changed();
  /// A row as take_changed() gave it; false and `grown` as in load().
  bool load_row(std::uint64_t key, std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  static Patient fresh(std::size_t modalities, std::size_t features);
  static void save(const Patient& p, ByteWriter& out);
  static bool load(ByteReader& in, Patient& p);
  bool load_one(std::uint64_t key, ByteReader& in, const SchemaMapping* grown);
  Patient carried(Patient there, const SchemaMapping& grown) const;
  std::size_t modalities_, features_;
  std::unordered_map<std::uint64_t, Patient> by_hash_;
  std::unordered_set<std::uint64_t> changed_;
};

}  // namespace lacuna::drift
