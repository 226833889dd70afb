#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/drift/bets.h"
#include "model/drift/subject.h"

namespace lacuna::drift {

/// Which modalities arrive together in a patient-hour, given how often each of them does: a new habit can change which panels are
/// ordered together while every panel comes as often as before. Watched are, for each pair of modalities, whether the commoner one
/// arrives when the rarer one does (which does not depend on how often that is), and the most frequent patterns as a whole. Each
/// has an odds factor over what independent arrivals would give, learned from the stream.
class PatternSubject final : public Subject {
 public:
  static constexpr std::size_t kModalitiesMax = 12;  ///< of which pairs are watched: the first ones of the schema
  static constexpr std::size_t kPatterns = 16;       ///< most frequent ones
  PatternSubject(SubjectSpec spec, MonitorContext& shared, std::vector<std::string> modalities);

  /// `arrived`: set of modalities; `rates[m]`: of m's arrival for this patient and hour; `suspicious`: modalities whose arrivals
  /// are themselves in doubt: nothing is said of what they are part of.
  void update(std::uint64_t arrived, const std::vector<Bounds>& rates, std::uint64_t suspicious, Time at, Time now, std::uint16_t site);
  /// The same modalities in another order: from[m] is where the one at m was. Those of which pairs are watched must stay the same.
  void reorder(std::span<const std::size_t> from);

 private:
  struct Indicator {
    std::uint64_t set = 0;    ///< a pair, or a whole pattern; 0: none yet
    std::uint64_t given = 0;  ///< pairs: the rarer of the two, in whose presence the other is counted
    float updates = 0, hits = 0, expected = 0;
    float recent = 0, recent_expected = 0;  ///< exponential means
  };
  bool whole(std::size_t index) const { return index >= pairs_; }
  /// Settles, from what was seen so far, which patterns are watched and which of a pair is the rarer.
  void choose();
  struct Logs {  ///< of a modality's rate and of what is left to 1: as an arrival in, and as one not in, a pattern
    Bounds in, out;
  };
  /// Of the whole pattern, or of the commoner of the pair where the rarer is there, if arrivals were independent.
  Bounds independent(const Indicator& indicator, bool whole, const std::vector<Bounds>& rates, const std::vector<Logs>& logs) const;
  void learn();
  std::string name(const Indicator& indicator, bool whole) const;
  void describe(Alert& alert) const override;
  std::vector<Effect> effects() const override;
  void forget_baseline() override;
  void save_baseline(ByteWriter& out) const override;
  void load_baseline(ByteReader& in) override;

  std::vector<std::string> modalities_;
  std::size_t pairs_;
  std::vector<Indicator> indicators_;            ///< pairs, then patterns
  std::map<std::uint64_t, std::uint32_t> seen_;  ///< patterns, while learning
  struct IndicatorReading {
    double x = 0, expected = 0;  ///< expected 0: nothing was said
  };
  std::vector<double> gains_;  ///< of the outcome at hand, as is the next
  std::vector<IndicatorReading> now_;
};

}  // namespace lacuna::drift
