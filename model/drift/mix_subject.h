#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/drift/bets.h"
#include "model/drift/subject.h"

namespace lacuna::drift {

/// Which of several classes comes: kinds of patients, classes of a feature. Bets on each class alone, and forecasts of all of them.
class MixSubject final : public Subject {
 public:
  /// `of`: for people, what has the class: "stays".
  MixSubject(SubjectSpec spec, MonitorContext& shared, std::string_view of, std::vector<std::string> classes);
  void update(std::size_t category, Time at, Time now, std::uint16_t site);
  /// The same classes in another order: from[j] is where the one at j was.
  void reorder(std::span<const std::size_t> from);

 private:
  /// The baseline, and the upper bounds on its probabilities.
  void refresh();
  /// Recent shares; what is not known of them yet is as expected.
  std::vector<double> shares() const;
  void describe(Alert& alert) const override;
  std::vector<Effect> effects() const override;
  void forget_baseline() override;
  void save_baseline(ByteWriter& out) const override;
  void load_baseline(ByteReader& in) override;

  std::string_view of_;
  std::vector<std::string> classes_;
  std::vector<double> counts_, expected_;
  std::vector<Bounds> bounds_;
  std::vector<double> high_;
  std::vector<double> recent_;   ///< shares, exponentially forgotten
  std::vector<double> alarmed_;  ///< shares when the alarm was raised
  Forecasts forecasts_;
};

}  // namespace lacuna::drift
