#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/drift/subject.h"

namespace lacuna::drift {

/// Codes of patients against those of a fixed reference of patients. The same model version encodes both, so that learning moves
/// them together and only a change of the patients shows. Per dimension, and for the distance from the centre of the reference:
/// bets that the mean moved, each divided by an upper confidence bound on its mean gain over the reference.
class LatentSubject final : public Subject {
 public:
  static constexpr std::size_t kReference = 400;  ///< patients
  LatentSubject(SubjectSpec spec, MonitorContext& shared, std::size_t dimensions);

  /// Codes of the reference by the version that encodes what comes next: at least two, each `dimensions` long.
  void set_reference(std::span<const std::vector<float>> codes);
  bool has_reference() const { return !normalisers_.empty(); }
  /// Nothing is learned from it but the passing of time: it becomes part of the reference.
  void learn(Time at, Time now);
  /// Only after set_reference.
  void update(std::span<const float> code, Time at, Time now, std::uint16_t site);
  /// Is a new reference being gathered?
  bool gathering() const { return state() == SubjectState::learning; }

 private:
  void standardise(std::span<const float> code, std::vector<double>& z) const;
  void describe(Alert& alert) const override;
  std::vector<Effect> effects() const override;
  void forget_baseline() override { normalisers_.clear(); }
  void save_baseline(ByteWriter& out) const override;
  void load_baseline(ByteReader& in) override;

  std::size_t dimensions_;
  // From the reference; not saved, since the reference is.
  std::vector<double> means_, sds_;  ///< per dimension, then of the logarithm of the distance
  std::vector<double> normalisers_;  ///< per bet
  std::vector<float> recent_z_;      ///< exponential means
};

}  // namespace lacuna::drift
