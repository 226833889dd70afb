#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/predictive/scores.h"
#include "state/records/pieces.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"
#include "state/records/subgroups.h"
#include "state/records/time.h"

namespace lacuna::model {

/// How good predictions were in one group of patients. Every value weighs the same; errors and widths in standard deviations.
struct SubgroupFigures {
  std::string name;
  std::uint64_t patients = 0;  ///< with a value among these
  std::uint64_t values = 0;    ///< of which an error is told
  double mae = 0, mae_mean = 0;
  double skill = 0;     ///< 1 - mae / mae_mean: 0 as good as the population's mean, 1 without error
  double coverage = 0;  ///< of the calibrated intervals, limits among them
  /// Standard error of `coverage` where a patient's values are alike and patients independent: the ratio estimator's, clustered by
  /// patient (Cochran 1977, section 9.A). Empty with one patient.
  std::optional<double> coverage_error;
  double width = 0;  ///< of these intervals
};

/// Sums of scores by group of patients. Which groups a patient is in follows what is known of the patient: an attribute that comes late
/// moves all of the patient's values. For that the sums of the kPatientsMax patients who were scored last are kept apart, by a hash of the
/// id; of others, and of one who comes back after kApart, values stay where they are. Not thread-safe.
class SubgroupBoard {
 public:
  static constexpr std::size_t kPatientsMax = 4096;
  static constexpr Millis kApart = std::chrono::hours(24 * 30);  ///< of silence: who comes back then counts as another patient

  explicit SubgroupBoard(Subgroups groups);
  /// One score of a patient with these attributes (Snapshot::attributes). Of a constant feature nothing is told.
  void add(std::string_view patient_id, std::span<const std::optional<float>> attributes, Time time, const Score& score);
  /// What is known of a patient by now.
  void place(std::string_view patient_id, std::span<const std::optional<float>> attributes);
  /// The patient is no longer known; what the groups have counted stays.
  void forget(std::string_view patient_id);

  /// In the order of Subgroups::names().
  std::vector<SubgroupFigures> figures() const;

  std::string save() const;
  /// save() without anybody, in pieces: the patients are rows beside it.
  Pieces pieces() const;
  /// Those who have changed since the last call, by hash of the id; empty: gone. After load(): nobody has.
  std::map<std::uint64_t, std::optional<std::string>> take_changed();
  /// All of them are among the next ones taken.
  void all_changed();
  /// A row as take_changed() gave it, beside what pieces() gave then. False when it is not one.
  bool load_row(std::uint64_t id, std::string_view bytes);
  /// What load() read had other groups, or in another order: the rows beside it name those, and hold beside no other pieces.
  bool regrouped() const;
  /// Groups go on by name; those that were not there begin with what patients still have apart. Left as it was when corrupt or
  /// unsupported (another version). `grown` is not asked: figures are in standard deviations and groups have names.
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

 private:
  struct Sums {
    std::uint64_t values = 0, scored = 0, covered = 0;  ///< scored: with limits
    double error = 0, error_mean = 0, width = 0;
  };
  struct Row {
    std::uint64_t patients = 0;
    Sums sums;
    std::uint64_t scored_squared = 0, covered_squared = 0, covered_scored = 0;  ///< sums over patients: n^2, c^2, c n
    void add(const Sums& of_patient);
    void remove(const Sums& of_patient);
  };
  struct Patient {
    std::uint64_t turn = 0;  ///< when last scored, counted in scores
    Time last{};
    Sums sums;
    std::vector<std::uint16_t> groups;
  };
  void move(Patient& patient, std::vector<std::uint16_t> to);
  void make_room();
  void save(PieceWriter& out) const;
  static void save(const Patient& patient, ByteWriter& out);
  bool load(ByteReader& in, Patient& patient) const;

  Subgroups groups_;
  std::vector<Row> rows_;
  std::uint64_t turn_ = 0;
  std::map<std::uint64_t, Patient> patients_;
  std::map<std::uint64_t, std::uint64_t> by_turn_;           ///< who was scored last at it
  std::set<std::uint64_t> changed_;                          ///< since take_changed()
  std::vector<std::optional<std::uint16_t>> loaded_groups_;  ///< by the groups of what was loaded: here
};

}  // namespace lacuna::model
