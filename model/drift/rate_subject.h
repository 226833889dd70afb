#pragma once

#include "model/drift/baseline.h"
#include "model/drift/subject.h"

namespace lacuna::drift {

/// A rate, or any mean of outcomes in [0, 1]: arrivals, misses, errors, late records.
class RateSubject final : public Subject {
 public:
  struct Wording {
    std::string_view what, per;  ///< for people: "arrivals", "patient-hour"; literals
  };
  /// `common`: a baseline that somebody else teaches, which must outlive this; null: its own.
  RateSubject(SubjectSpec spec, MonitorContext& shared, Direction direction, Wording wording, Baseline::Options baseline,
              const Baseline* common = nullptr);

  /// One outcome in [0, 1]. `at`: begin of the patient-hour it belongs to; `now`: the newest time seen. `earlier`: what it is under a
  /// model version from before the onset, where that was asked.
  void update(double x, std::size_t cell, Time at, Time now, std::uint16_t site, std::optional<double> earlier = {});
  double overall() const { return normal().overall(); }
  Bounds bounds(std::size_t cell, Time at) const { return normal().bounds(cell, at); }

 private:
  const Baseline& normal() const { return common_ != nullptr ? *common_ : baseline_; }
  void describe(Alert& alert) const override;
  std::vector<Effect> effects() const override;
  void forget_baseline() override { baseline_.forget(); }
  void save_baseline(ByteWriter& out) const override { baseline_.save(out); }
  void load_baseline(ByteReader& in) override { baseline_.load(in); }

  Wording wording_;
  Baseline baseline_;
  const Baseline* common_;
};

}  // namespace lacuna::drift
