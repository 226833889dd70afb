#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/drift/budget.h"
#include "model/drift/evidence.h"
#include "model/drift/level.h"
#include "model/drift/onset.h"
#include "model/drift/options.h"
#include "state/records/pieces.h"
#include "state/records/records.h"

namespace lacuna::drift {

enum class SubjectState : std::uint8_t { learning, armed, alarmed };  ///< muted or not: SubjectView::muted_until
std::string_view to_string(SubjectState state);

struct SubjectView {
  std::string kind;     ///< to_string(Kind)
  std::string subject;  ///< "modality", "modality@site", "modality.feature", ...
  SubjectState state = SubjectState::learning;
  std::uint64_t updates = 0;
  double expected = 0;  ///< baseline mean of what is watched
  double recent = 0;    ///< mean now, exponentially weighted
  double log_evidence = 0;
  double log_threshold = 0;
  Time muted_until = Time::min();  ///< until then nothing is said; evidence is gathered all the same
  Time since = Time::min();        ///< onset, where alarmed
  std::vector<Effect> effects;     ///< how far it is from normal now
};

class Subject;

/// What all subjects of a monitor share. Owned by the monitor, at a fixed address.
struct MonitorContext {
  explicit MonitorContext(const MonitorOptions& o) : options(o), budget(o) {}
  MonitorOptions options;
  Budget budget;
  std::vector<std::string> sites{"no site"};
  std::vector<Alert> pending;  ///< messages to be published
  /// Is what this subject sees told already by an alert of another one?
  std::function<bool(const Subject&)> explained = [](const Subject&) { return false; };

  /// A model version from before what is alarmed began is asked too (Scored::earlier): an alert that it speaks of waits for it.
  bool earlier_at_hand = false;

  std::string site_name(std::uint16_t index) const { return index < sites.size() ? sites[index] : "other sites"; }
};

struct SubjectSpec {
  Kind kind = Kind::missingness;
  std::string subject;
  Severity severity = Severity::info;
  double design_effect = 1;                ///< design effect: outcomes that are alike count as one of so many
  std::uint64_t learning_updates_min = 0;  ///< 0: as the options say
  bool relearns = false;                   ///< after another alert has told of a change here, what is seen then is the new normal
};

/// One thing that is watched: the evidence that it left what is normal, and the life of its alert (learning -> armed -> alarmed
/// -> armed ...). What normal is, and which bets are made, the classes below it know. Time is clinical. Not thread-safe.
class Subject {
 public:
  /// Joins the budget. `weights`: of the bets; must outlive this.
  Subject(SubjectSpec spec, MonitorContext& shared, std::span<const double> weights);
  virtual ~Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  const SubjectSpec& spec() const { return spec_; }
  SubjectState state() const { return state_; }
  /// What is seen looks like a change, though it is not certain yet.
  bool suspicious() const;
  /// Hours before the last turn come late, and say nothing about now.
  bool passed(Time at) const { return at < not_before_; }
  const std::optional<Alert>& alert() const { return alert_; }
  SubjectView view() const;
  /// Sums of x - expected since the onset.
  const std::map<std::uint16_t, double>& gap_by_site() const { return gap_by_site_; }

  /// An alert ends only when this too is back at what it was before the onset: for what is held against predictions, since a model that
  /// goes on learning comes to predict what was alarmed. Must outlive this.
  void follow(const Level& level) { level_ = &level; }
  /// Outcomes since the estimated onset.
  double updates_since_onset() const { return onset_.estimate().updates; }

  /// What is seen from now on is the new normal.
  void accept(Time now);
  void mute(Time until) {
    changed();
    muted_until_ = until;
  }

  void save(ByteWriter& out) const;
  /// Kind, name and what save() writes, as a monitor stores it; the same object as before where nothing has changed since.
  const Piece& piece() const;
  /// `version`: of the monitor that wrote it.
  void load(ByteReader& in, std::uint32_t version);

 protected:
  struct Outcome {
    std::span<const double> gains;
    double recovery = 1;  ///< gain of a bet that what was alarmed has at least half returned; used while alarmed
    double x = 0, expected = 0;
    Time at{};   ///< begin of the patient-hour, or time of the outcome
    Time now{};  ///< newest time seen
    std::uint16_t site = 0;
    std::optional<double> earlier_recovery{};  ///< as `recovery`, of the outcome under a version from before the onset, if it was asked
  };
  /// Returns whether the baseline may learn from it: what looks like a change must not become normal while it is being weighed.
  bool observe(const Outcome& outcome);
  /// The bet that has gained most; and, while alarmed, that had when it was raised: what is seen under a model that has adapted since says
  /// nothing of what it was.
  std::size_t leader() const;
  std::size_t raised_by() const { return raised_by_; }
  void reorder_bets(std::span<const std::size_t> from) {
    changed();
    evidence_.reorder(from);
  }
  const Evidence& evidence() const { return evidence_; }
  Onset::Since since() const { return onset_.estimate(); }
  std::uint64_t updates() const { return updates_; }
  double recent() const { return recent_; }
  double recent_expected() const { return recent_expected_; }
  /// gap_by_site() as shares of what goes with the sign of `direction`, largest first.
  std::vector<Contributor> sites(double direction) const;
  MonitorContext& shared() const { return shared_; }

  /// Fills summary, before, after, effects, contributors.
  virtual void describe(Alert& alert) const = 0;
  virtual std::vector<Effect> effects() const = 0;
  virtual void forget_baseline() = 0;
  virtual void save_baseline(ByteWriter& out) const = 0;
  virtual void load_baseline(ByteReader& in) = 0;

 private:
  /// What is saved is another from now on: in all that changes a subject from outside. What the classes below change, they change in calls
  /// that observe().
  void changed() { piece_ = nullptr; }
  double threshold() const;
  void raise(const Outcome& outcome);
  void watch_return(const Outcome& outcome);
  bool due(Time now) const;
  void update(Time now);
  void tell_adapted(Time now);
  void describe_shift(Alert& alert) const;
  void resolve(Resolution why, Time now);
  void restart();
  void relearn();

  SubjectSpec spec_;
  MonitorContext& shared_;
  const Level* level_ = nullptr;
  Evidence evidence_;
  Onset onset_;
  std::map<std::uint16_t, double> gap_by_site_;
  SubjectState state_ = SubjectState::learning;
  std::uint64_t updates_ = 0;
  Time first_{}, last_{};                    ///< of the updates, by the newest time seen
  double recent_ = 0, recent_expected_ = 0;  ///< exponential means
  std::optional<Alert> alert_;
  Time muted_until_ = Time::min();
  bool suppressed_ = false;  ///< it crossed its threshold, but another alert explains it
  Time newest_at_ = Time::min();
  Time not_before_ = Time::min();  ///< the last turn: when it was raised, or began to return
  // While alarmed:
  double recovery_evidence_ = 1;  ///< evidence that it has returned (a CUSUM)
  Time recovering_since_{};       ///< when that last left its floor
  std::uint8_t raised_by_ = 0;
  double earlier_evidence_ = 0;  ///< the same of the outcomes under a version from before the onset; 0: it was never asked
  double last_reported_ = 0;     ///< how far off it was said to be in the last message
  Time last_reported_at_{};
  std::uint64_t last_reported_updates_ = 0;
  mutable Piece piece_;  ///< null: something has changed since it was made
};

/// Of the monitor's stored state: the one written, and the oldest that is read.
inline constexpr std::uint32_t kMonitorVersion = 5, kMonitorVersionMin = 3;

void save_alert(const Alert& alert, ByteWriter& out);
/// `version`: of the monitor that wrote it.
Alert load_alert(ByteReader& in, std::uint32_t version);

/// What is left of a subject that is no longer watched, or that begins anew: of its bytes, what does not depend on what was watched.
struct SubjectRemains {
  Time muted_until = Time::min();
  std::optional<Alert> alert;  ///< open
};
/// `name`: "kind/subject"; `version`: of the monitor that wrote it. Empty when the bytes are not what a subject of this name wrote.
std::optional<SubjectRemains> remains_of(std::string_view bytes, const std::string& name, std::uint32_t version);
/// An open alert whose subject is gone, resolved at `now`: else nobody would ever resolve it.
Alert no_longer_watched(Alert alert, Time now);

}  // namespace lacuna::drift
