#include "daemon/commands/demo_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "daemon/pipeline/stage_timer.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTerminalEvery{250};
constexpr std::chrono::milliseconds kPlainEvery{5000};
constexpr std::size_t kAlertsShown = 8;  ///< the newest, in the table that is redrawn: it has to fit a screen

// What the summary promises.
constexpr double kErrorAgainstMean = 0.90;  ///< imputed values never measured before: error at most this share of the mean's
constexpr double kCoverageMin = 0.84, kCoverageMax = 0.96;  ///< of the true values by the 90 % intervals
constexpr double kOutageDelayHours = 4;
constexpr double kShiftDelayHours = 6;
constexpr std::size_t kFalseAlertsMax = 1;

// What the promises rest on, found by running wards of other sizes. A model that has learned for so long imputes better than the mean
// does and knows how wrong it is; one that has learned for half as long knows what a sensor should read.
constexpr std::int64_t kStepsCompared = 600, kStepsShift = 300;
constexpr std::uint64_t kNeverMin = 1000, kStaleMin = 500;  ///< values; those of one patient are alike
/// What a fault has to touch before its evidence has grown by a factor of e: results that are missing, or patients. A patient's later
/// values are predicted from the first that was off, and say little more.
constexpr double kTouchedPerNat = 3.2;
/// An hour is judged once its patient has been seen after it.
constexpr double kJudgedAfterHours = 1.5;
constexpr int kPaceHours = 24;  ///< before an outage, over which the pace of its results is taken

}  // namespace

std::optional<std::string> why_no_comparison(std::int64_t steps, std::uint64_t values, std::uint64_t values_min) {
  if (steps < kStepsCompared) {
    return fmt::format("the model had taken {} gradient steps when the comparison began; a promise takes {}", steps, kStepsCompared);
  }
  if (values < values_min) return fmt::format("{} values were compared; a promise takes {}", values, values_min);
  return std::nullopt;
}

std::optional<std::string> why_no_alert(const FaultGround& ground) {
  if (!ground.armed) return "its detector had not learned what is normal when it began";
  if (ground.by_model && ground.steps < kStepsShift) {
    return fmt::format("the model had taken {} gradient steps when it began; a promise takes {}", ground.steps, kStepsShift);
  }
  const double needed = kTouchedPerNat * ground.log_threshold;
  if (ground.touched < needed) {
    return fmt::format("it touches {:.0f} {}; a promise takes {:.0f}", ground.touched,
                       ground.by_model ? "patients in that time" : "results that are judged in time", std::ceil(needed));
  }
  return std::nullopt;
}

std::size_t false_alerts_max(double false_per_month, double hours) {
  return std::max(kFalseAlertsMax, static_cast<std::size_t>(std::ceil(false_per_month * hours / (30 * 24))));
}

/// Prints one line a promise and remembers whether all that were made held.
class DemoReport::Verdicts {
 public:
  explicit Verdicts(const DemoReport& report) : report_(report) {}
  /// `figures` are shown either way, `promised` only where something is.
  void add(const std::optional<std::string>& why_not, bool held, const std::string& figures, const std::string& promised = "") {
    if (why_not) {
      report_.put(fmt::format("  not promised: {}\n", figures), 14);
      report_.put(fmt::format("                {}\n", *why_not));
      all_made_ = false;
      return;
    }
    report_.put(fmt::format("  {}  {}{}\n", held ? "kept  " : "BROKEN", figures, promised), 8);
    all_held_ = all_held_ && held;
  }
  bool all_held() const { return all_held_; }
  bool all_made() const { return all_made_; }

 private:
  const DemoReport& report_;
  bool all_held_ = true, all_made_ = true;
};

DemoReport::DemoReport(const Config& config, const WardOptions& ward, Screen screen)
    : config_(config),
      ward_(ward),
      screen_(screen),
      sum_(config.schema->feature_count()),
      square_(config.schema->feature_count()),
      seen_(config.schema->feature_count()),
      class_counts_(config.schema->feature_count()) {
  for (const WardOptions::Outage& o : ward_.outages) {
    faults_.push_back({"missingness", o.modality, o.modality + " stops", ward_.start + o.from, ward_.start + o.until, {}, {}});
  }
  for (const WardOptions::Shift& s : ward_.shifts) {
    faults_.push_back({"coverage",
                       s.modality + "." + s.feature,
                       fmt::format("{}.{} reads {:+g}", s.modality, s.feature, s.amount),
                       ward_.start + s.from,
                       ward_.start + s.until,
                       {},
                       {}});
    faults_.back().ground.by_model = true;
  }
}

void DemoReport::expect(const Event& event, const WardTruth& truth) {
  events_ += 1;
  values_ += event.values.size();
  for (const FeatureValue& v : event.values) {
    const Likelihood likelihood = config_.schema->features()[v.feature].likelihood;
    const double y = to_scale(likelihood, v.value);
    sum_[v.feature] += y;
    square_[v.feature] += y * y;
    seen_[v.feature] += 1;
    if (is_discrete(likelihood)) class_counts_[v.feature][static_cast<int>(v.value)] += 1;
    measured_[event.patient_id].emplace_back(event.time, v);
  }
  count_touched(event);
  truth_[event.patient_id][event.time] = truth.truth;
}

bool DemoReport::touches(const Event& event, const Fault& fault) const {
  if (!fault.ground.by_model) {
    return event.modality != kNoModality && config_.schema->modalities()[event.modality].name == fault.subject;
  }
  return std::any_of(event.values.begin(), event.values.end(),
                     [&](const FeatureValue& v) { return config_.schema->qualified_name(v.feature) == fault.subject; });
}

/// By what came before a fault: as much would have come after its begin.
void DemoReport::count_touched(const Event& event) {
  for (Fault& fault : faults_) {
    if (event.time >= fault.from || !touches(event, fault)) continue;
    const double before = hours_between(event.time, fault.from);
    if (!fault.ground.by_model) {
      if (before <= kPaceHours) fault.ground.touched += (kOutageDelayHours - kJudgedAfterHours) / kPaceHours;
    } else if (before <= kShiftDelayHours && fault.patients.insert(event.patient_id).second) {
      fault.ground.touched += 1;
    }
  }
}

/// Keeps what the promises rest on as it was just before they begin.
void DemoReport::look(const Progress& p) {
  if (p.event_time < compared_from()) steps_ = p.learner.steps;
  for (Fault& fault : faults_) {
    if (p.event_time >= fault.from) continue;
    FaultGround& ground = fault.ground;
    ground.steps = p.learner.steps;
    ground.armed = false;
    for (const drift::SubjectView& s : p.subjects) {
      const bool tells = ground.by_model ? s.kind == "value" || s.kind == "error" || s.kind == "coverage" : s.kind == fault.kind;
      if (!tells || s.subject != fault.subject || s.state != drift::SubjectState::armed) continue;
      ground.log_threshold = ground.armed ? std::min(ground.log_threshold, s.log_threshold) : s.log_threshold;
      ground.armed = true;
    }
  }
}

std::string DemoReport::opening() const {
  std::string out = fmt::format("Wrote {} events with {} values of {} patients. What will go wrong:\n", events_, values_, truth_.size());
  for (const Fault& f : faults_) {
    out += fmt::format("  {}  {} until {}\n", format_rfc3339(f.from), f.description, format_rfc3339(f.until));
  }
  return wrapped(out, screen_.columns) + "\n";
}

void DemoReport::put(const std::string& text, std::size_t hang) const { *screen_.out << wrapped(text, screen_.columns, hang); }

/// Over what is there. Each line fits, so that so many lines are so many of the screen.
void DemoReport::redraw(const std::string& text) {
  const std::string shown = wrapped(text, screen_.columns, 2);
  if (lines_ > 0) *screen_.out << fmt::format("\x1b[{}A\x1b[J", lines_);
  *screen_.out << shown << std::flush;
  lines_ = static_cast<std::size_t>(std::count(shown.begin(), shown.end(), '\n'));
}

std::string DemoReport::table(const Progress& p) const {
  const double rate = static_cast<double>(p.counts.consumed) / std::max(0.01, seconds_since(start_));
  const auto& r = p.recent;
  std::string out;
  out += fmt::format("  clinical time   {}  ({:.0f} % of the stream)\n", format_rfc3339(p.event_time),
                     100.0 * static_cast<double>(p.counts.consumed) / std::max<double>(1, static_cast<double>(events_)));
  out += fmt::format("  events          {:>8}  {:>6.0f}/s  behind {:>6}  imputations {}\n", p.counts.consumed, rate, p.lag,
                     p.counts.imputations);
  out += fmt::format("  model           {}  step {} of {:.1f} ms  loss {:.3f}\n", p.model_version, p.learner.steps, p.learner.step_ms,
                     p.learner.loss);
  out += fmt::format("  next value      error {:.3f} sd  last value's {:.3f}  mean's {:.3f}\n", r.error_model, r.error_last, r.error_mean);
  out += fmt::format("  {:.0f} % intervals  hold {:.1f} %  CRPS {:.3f}\n", 100 * config_.predict.level, 100 * r.coverage, r.crps);
  out += fmt::format("  alerts          {} open\n", p.open_alerts.size());
  const std::size_t earlier = alerts_.size() > kAlertsShown ? alerts_.size() - kAlertsShown : 0;
  if (earlier > 0) out += fmt::format("    ... {} before\n", earlier);
  for (std::size_t i = earlier; i < alerts_.size(); ++i) {
    out += fmt::format("    {}  {:<9} {}\n", format_rfc3339(alerts_[i].told), to_string(alerts_[i].state), alerts_[i].summary);
  }
  return out;
}

void DemoReport::show(const Progress& p) {
  if (p.counts.consumed == 0) return;
  look(p);
  if (seconds_since(shown_) * 1000 < static_cast<double>((screen_.terminal ? kTerminalEvery : kPlainEvery).count())) return;
  shown_ = steady_clock::now();
  if (screen_.terminal) return redraw(table(p));
  put(fmt::format("{}  {:>7} events  {:>6.0f}/s  step {:>5}  error {:.3f}  covered {:.1f} %\n", format_rfc3339(p.event_time).substr(0, 16),
                  p.counts.consumed, static_cast<double>(p.counts.consumed) / std::max(0.01, seconds_since(start_)), p.learner.steps,
                  p.recent.error_model, 100 * p.recent.coverage));
  screen_.out->flush();
}

void DemoReport::note(const Alert& alert) {
  const auto same = std::find_if(alerts_.begin(), alerts_.end(), [&](const Alert& a) { return a.alert_id == alert.alert_id; });
  if (same == alerts_.end()) {
    alerts_.push_back(alert);
  } else {
    const Time first = same->detected;
    *same = alert;
    same->detected = first;
  }
  if (!screen_.terminal) {
    put(fmt::format("{}  alert {}: {}\n", format_rfc3339(alert.told).substr(0, 16), to_string(alert.state), alert.summary), 18);
  }
}

void DemoReport::compare(const std::vector<Imputation>& imputations) {
  // The first half is for learning; what is published from then on is held against the truth.
  const Time from = compared_from();
  for (const Imputation& imputation : imputations) {
    if (imputation.time < from) continue;
    const auto patient = truth_.find(imputation.patient_id);
    if (patient == truth_.end()) continue;
    const auto moment = patient->second.find(imputation.time);
    if (moment == patient->second.end()) continue;
    for (const ImputedValue& v : imputation.values) {
      const Feature& feature = config_.schema->features()[v.feature];
      const double truth = moment->second[v.feature];
      // Where the instrument is off, what is imputed is what it would read: that says nothing of the interval.
      Tally& tally = reads_wrong(v.feature, imputation.time) ? shifted_ : v.reason == ImputationReason::never_measured ? never_ : stale_;
      if (is_discrete(feature.likelihood)) {
        const auto best = std::max_element(v.probabilities.begin(), v.probabilities.end()) - v.probabilities.begin();
        const auto& counts = class_counts_[v.feature];
        const auto mode = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        tally.classes += 1;
        tally.classes_right += best == static_cast<std::ptrdiff_t>(truth) ? 1 : 0;
        tally.classes_right_by_mode += mode != counts.end() && mode->first == static_cast<int>(truth) ? 1 : 0;
        continue;
      }
      const double n = static_cast<double>(std::max<std::uint64_t>(1, seen_[v.feature]));
      const double mean = sum_[v.feature] / n;
      const StandardScale scale{feature.likelihood, mean, std::sqrt(std::max(1e-9, square_[v.feature] / n - mean * mean))};
      tally.count += 1;
      tally.covered += truth >= v.low && truth <= v.high ? 1 : 0;
      tally.error_model += scale.distance(v.median, truth);
      tally.error_mean += scale.from_mean(truth);
      if (v.reason == ImputationReason::stale) {
        // What somebody would use who has no model: the last value measured until then.
        std::optional<double> last;
        for (const auto& [time, value] : measured_[imputation.patient_id]) {
          if (time > imputation.time) break;
          if (value.feature == v.feature) last = value.value;
        }
        tally.error_last += last ? scale.distance(*last, truth) : scale.from_mean(truth);
      }
    }
  }
}

bool DemoReport::reads_wrong(FeatureId feature, Time time) const {
  return std::any_of(ward_.shifts.begin(), ward_.shifts.end(), [&](const WardOptions::Shift& s) {
    return config_.schema->qualified_name(feature) == s.modality + "." + s.feature && time >= ward_.start + s.from &&
           time < ward_.start + s.until;
  });
}

double DemoReport::promised_hours(const Fault& fault) { return fault.ground.by_model ? kShiftDelayHours : kOutageDelayHours; }

/// An alert is true when it names the fault's own subject and an onset before the fault ended, and comes no later after that than a
/// promised one would after the begin. Values that are off show in several ways.
bool DemoReport::tells_of(const Alert& a, const Fault& fault) {
  const bool kind = fault.kind == "missingness" ? a.kind == fault.kind : a.kind != "missingness";
  const Millis limit = std::chrono::duration_cast<Millis>(std::chrono::duration<double, std::ratio<3600>>(promised_hours(fault)));
  return kind && a.subject == fault.subject && a.detected >= fault.from && a.since < fault.until && a.detected <= fault.until + limit;
}

/// The earliest: what is read from one partition may have happened after what another one is yet to bring.
std::optional<Time> DemoReport::detected(const Fault& fault) const {
  std::optional<Time> first;
  for (const Alert& a : alerts_) {
    if (tells_of(a, fault)) first = first ? std::min(*first, a.detected) : a.detected;
  }
  return first;
}

void DemoReport::judge_comparison(Verdicts& verdicts) const {
  const auto part = [](double a, std::uint64_t n) { return n == 0 ? 0.0 : a / static_cast<double>(n); };
  const double ratio = never_.error_mean > 0 ? never_.error_model / never_.error_mean : 1;
  const std::optional<std::string> no_never = why_no_comparison(steps_, never_.count, kNeverMin);
  verdicts.add(no_never, ratio <= kErrorAgainstMean,
               fmt::format("never measured: error {:.3f} against the truth, the mean's {:.3f} ({} values; ",
                           part(never_.error_model, never_.count), part(never_.error_mean, never_.count), never_.count) +
                   (no_never ? std::string() : fmt::format("promised at most {:.0f} % of the mean's, ", 100 * kErrorAgainstMean)) +
                   fmt::format("is {:.0f} %{})", 100 * ratio, no_never ? " of the mean's" : ""));
  verdicts.add(
      why_no_comparison(steps_, stale_.count, kStaleMin), stale_.error_model <= stale_.error_last,
      fmt::format("stale: error {:.3f}, the last value's {:.3f}, the mean's {:.3f} ({} values)", part(stale_.error_model, stale_.count),
                  part(stale_.error_last, stale_.count), part(stale_.error_mean, stale_.count), stale_.count));
  const double coverage = part(static_cast<double>(never_.covered + stale_.covered), never_.count + stale_.count);
  verdicts.add(why_no_comparison(steps_, never_.count + stale_.count, kNeverMin + kStaleMin),
               coverage >= kCoverageMin && coverage <= kCoverageMax,
               fmt::format("{:.0f} % intervals hold the true value in {:.1f} % ({:.1f} % never measured, {:.1f} % stale)",
                           100 * config_.predict.level, 100 * coverage, 100 * part(static_cast<double>(never_.covered), never_.count),
                           100 * part(static_cast<double>(stale_.covered), stale_.count)));
  if (shifted_.count > 0) {
    put(fmt::format("          and in {:.1f} % while the instrument is off, since they are about what it reads ({} values)\n",
                    100 * part(static_cast<double>(shifted_.covered), shifted_.count), shifted_.count));
  }
  const std::uint64_t classes = never_.classes + stale_.classes;
  if (classes > 0) {
    put(fmt::format("          classes: {:.1f} % right, {:.1f} % by always saying the commonest ({} values)\n",
                    100 * part(static_cast<double>(never_.classes_right + stale_.classes_right), classes),
                    100 * part(static_cast<double>(never_.classes_right_by_mode + stale_.classes_right_by_mode), classes), classes));
  }
}

void DemoReport::judge_faults(Verdicts& verdicts) const {
  for (const Fault& f : faults_) {
    const std::optional<Time> found = detected(f);
    const double limit = promised_hours(f);
    const double delay = found ? hours_between(f.from, *found) : 0;
    verdicts.add(why_no_alert(f.ground), found && delay <= limit,
                 found ? fmt::format("{}: alert after {:.1f} h", f.description, delay) : fmt::format("{}: no alert", f.description),
                 found ? fmt::format(" (promised {:.0f} h)", limit) : "");
  }
  std::size_t false_alerts = 0;
  for (const Alert& a : alerts_) {
    if (std::none_of(faults_.begin(), faults_.end(), [&a](const Fault& f) { return tells_of(a, f); })) ++false_alerts;
  }
  const std::size_t most = false_alerts_max(config_.alerts.false_per_month, hours_between(ward_.start, ward_.start + ward_.duration));
  verdicts.add(std::nullopt, false_alerts <= most, fmt::format("false alerts: {} (of {})", false_alerts, alerts_.size()));
}

bool DemoReport::summary(const Progress& p) {
  if (screen_.terminal && lines_ > 0) redraw(table(p));
  const EventCounts& c = p.counts;
  put(fmt::format("\nSummary: {} events in {:.1f} s, {} imputations with {} values, model {} after {} steps\n", c.consumed,
                  seconds_since(start_), c.imputations, c.imputed_values, p.model_version, p.learner.steps));
  Verdicts verdicts(*this);
  verdicts.add(std::nullopt,
               c.consumed == events_ && c.consumed == c.applied + c.duplicate + c.late + c.refused + c.forwarded && c.dead_letters == 0,
               fmt::format("nothing lost: consumed {} = applied {} + duplicate {} + late {} + refused {} + forwarded {}", c.consumed,
                           c.applied, c.duplicate, c.late, c.refused, c.forwarded));
  judge_comparison(verdicts);
  judge_faults(verdicts);
  if (!verdicts.all_made()) put("What is not promised takes a larger ward or more hours: the default size has every promise.\n");
  return verdicts.all_held();
}

}  // namespace lacuna::daemon
