#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "model/drift/baseline.h"
#include "model/drift/latent_subject.h"
#include "model/drift/mix_subject.h"
#include "model/drift/pattern_subject.h"
#include "model/drift/rate_subject.h"
#include "model/drift/score_subject.h"
#include "state/records/schema.h"
#include "state/records/schema_mapping.h"

namespace lacuna::drift {

inline constexpr std::size_t kRecencies = 7, kFrequencies = 5;  ///< cells of arrivals: see monitor.cc
inline constexpr std::size_t kScoreCells = 6, kErrorCells = 5, kMissCells = 5;
inline constexpr std::size_t kStreamSubjects = 3;    ///< late, duplicate, refused
inline constexpr std::size_t kSitesMax = 256;        ///< more are named together
inline constexpr std::size_t kSiteSubjectsMax = 64;  ///< sites with subjects of their own

/// All that is watched: one subject of each kind for whatever the schema has of it. Which outcome goes to which is the
/// monitor's business. Accessors give null for what is not watched.
class SubjectRegistry {
 public:
  SubjectRegistry(const Schema& schema, MonitorContext& shared);

  RateSubject* arrivals(ModalityId modality) { return at(arrivals_, modality); }
  /// Null also while there is only one site. Made when first asked for.
  RateSubject* arrivals(ModalityId modality, std::uint16_t site);
  RateSubject* measured(FeatureId feature) { return at(measured_, feature); }
  RateSubject* coverage(FeatureId feature) { return at(coverage_, feature); }
  RateSubject* error(FeatureId feature) { return at(error_, feature); }
  ScoreSubject* value(FeatureId feature) { return at(value_, feature); }
  MixSubject* class_mix(FeatureId feature) { return at(classes_, feature); }
  MixSubject* admissions(std::size_t attribute) { return at(admissions_, attribute); }
  RateSubject* stream(std::size_t index) { return at(stream_, index); }
  PatternSubject* pattern() { return pattern_; }
  LatentSubject* latent() { return latent_; }
  const LatentSubject* latent() const { return latent_; }
  /// `value` on the feature's scale: standardised by the feature's first values, then watched.
  void first_value(FeatureId feature, double value, Time at, Time now, std::uint16_t site);
  /// A value that was held against its prediction, on the feature's symmetric scale, before the subjects see how it did; and once they
  /// have, so that it is learned as normal where none of them doubts it.
  void observe_value(FeatureId feature, double value, Time at);
  void learn_value(FeatureId feature, double value);
  /// Is something alarmed that holds this feature's values against predictions? And of all features: the earliest time at which such a
  /// change can have begun, empty where nothing is alarmed.
  bool predicted_alarmed(FeatureId feature) const;
  std::optional<Time> earliest_onset_of_predicted() const;
  /// Calls with the coverage and error subjects of each group that the attributes put a patient in.
  void each_group(std::span<const std::optional<float>> attributes, const std::function<void(RateSubject&, RateSubject&)>& visit);
  /// What a group is held against.
  Baseline everybody_misses, everybody_errors;

  Subject* find(std::string_view kind, std::string_view subject);
  void accept(Subject& subject, Time now);
  void each(const std::function<void(const Subject&)>& visit) const;

  void save(PieceWriter& out) const;
  /// By name: subjects that were not watched before begin anew; of those that are no longer watched, or begin anew under their name, an
  /// open alert is resolved. `grown`: leads here from the schema that it was written under; null: this one. `now`: clinical time. False
  /// when it is not what was written.
  /// `version`: of the monitor that wrote it.
  bool load(ByteReader& in, const SchemaMapping* grown, Time now, std::uint32_t version);

 private:
  struct Moments {
    double count = 0, mean = 0, squares = 0;
  };
  template <typename T>
  static T* at(const std::vector<T*>& of, std::size_t index) {
    return index < of.size() ? of[index] : nullptr;
  }
  using Name = std::pair<std::string, std::string>;  ///< kind, subject
  /// Null when the kind has no weight, or there are too many.
  template <typename T, typename... Arguments>
  T* make(SubjectSpec spec, Arguments&&... arguments);
  RateSubject* make_arrivals(ModalityId modality, const std::string& name);
  void make_feature_subjects(FeatureId feature);
  /// Some are null.
  std::array<Subject*, 6> of_feature(FeatureId feature) const;
  void load_moments(ByteReader& in, const SchemaMapping* grown);
  void load_levels(ByteReader& in, const SchemaMapping* grown);
  /// Those that hold a feature's values against predictions; some are null.
  std::array<const Subject*, 3> predicted(FeatureId f) const { return {value_[f], error_[f], coverage_[f]}; }
  std::set<const Subject*> begin_anew(const SchemaMapping& grown) const;
  void reorder(const SchemaMapping& grown, const std::set<const Subject*>& anew);
  void make_population_subjects();
  bool explained(const Subject& subject) const;
  template <typename T>
  static bool any_alarmed(const std::vector<T*>& of) {
    return std::any_of(of.begin(), of.end(), [](const T* s) { return alarmed(s); });
  }
  static bool alarmed(const Subject* subject) { return subject != nullptr && subject->state() == SubjectState::alarmed; }

  const Schema& schema_;
  MonitorContext& shared_;
  std::vector<std::unique_ptr<Subject>> all_;  ///< in order of making
  std::map<Name, Subject*> by_name_;
  struct Owner {  ///< what a subject is about, for explained()
    ModalityId modality = kNoModality;
    FeatureId feature = 0;
    std::optional<std::uint16_t> site;
  };
  std::map<const Subject*, Owner> owners_;
  std::vector<RateSubject*> arrivals_, measured_, coverage_, error_, stream_;
  std::vector<ScoreSubject*> value_, distribution_;
  std::vector<MixSubject*> classes_, admissions_;
  std::vector<std::vector<std::pair<RateSubject*, RateSubject*>>> groups_;  ///< [attribute][part]
  std::map<std::pair<std::uint16_t, ModalityId>, RateSubject*> by_site_;
  PatternSubject* pattern_ = nullptr;
  LatentSubject* latent_ = nullptr;
  std::vector<Moments> moments_;  ///< of first values, per feature
  std::vector<Level> levels_;     ///< per feature
};

}  // namespace lacuna::drift
