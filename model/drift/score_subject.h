#pragma once

#include <array>
#include <vector>

#include "model/drift/bets.h"
#include "model/drift/subject.h"

namespace lacuna::drift {

/// Scores z that are roughly standard normal while nothing has changed: a value under its prediction, or standardised by a
/// reference. How rough is learned per cell (what is known of the patient): each bet's gain is divided by an upper confidence
/// bound on its mean, so that it has a mean of at most 1 whatever the distribution of z is.
class ScoreSubject final : public Subject {
 public:
  static constexpr std::size_t kBins = 8;  ///< of the histograms that the population stability index compares
  /// `given`: for people, what the value is compared with: "given the rest", "of first values".
  ScoreSubject(SubjectSpec spec, MonitorContext& shared, std::string_view given, std::size_t cells);

  /// `earlier`: the score under a model version from before the onset, where that was asked.
  void update(double z, std::size_t cell, Time at, Time now, std::uint16_t site, std::optional<double> earlier = {});

 private:
  struct Cell {
    float updates = 0, sum = 0;
    std::array<float, kScoreBets> gains{}, squares{};  ///< sums of the raw gains and their squares
  };
  struct Hour {
    float updates = 0, sum = 0;
  };
  /// `off`: sd by which the hour's mean may be off.
  double normaliser(const Cell& cell, std::size_t bet, double off) const;
  void learn(Cell& cell, Hour& hour, double z, const std::array<double, kScoreBets>& raw);
  void describe(Alert& alert) const override;
  std::vector<Effect> effects() const override;
  void forget_baseline() override;
  void save_baseline(ByteWriter& out) const override;
  void load_baseline(ByteReader& in) override;
  template <typename Self, typename Visit>
  static void each_number(Self& self, Visit&& visit);
  /// Population stability index of the recent scores against the baseline's.
  double psi() const;

  std::string_view given_;
  std::vector<Cell> cells_;
  std::array<Hour, 24> hours_{};  ///< of day: patients have their rhythms, which predictions may not know
  std::array<float, kBins> normal_{}, recent_{};
};

}  // namespace lacuna::drift
