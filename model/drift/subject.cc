#include "model/drift/subject.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lacuna::drift {
namespace {

constexpr double kHoursPerMonth = 30 * 24;
constexpr double kThresholdMin = 1000;  // also with a lavish budget, an alert is not a coin toss
constexpr double kRecentUpdates = 200;  // time constant of the rates shown
constexpr double kBackEvidence = 1e4;   // that the rate returned, against its having stayed half-way
constexpr double kShiftMin = 0.5, kShiftMax = 3;  // log odds: bounds on how far "half-way" may be
// Growth of the evidence that is worth another message: a factor, and a power that lets messages of a long outage thin out.
constexpr double kTellFactor = 1e6, kTellPower = 1.5;
constexpr Millis kTellEvery = std::chrono::hours(1);
constexpr std::size_t kContributorsMax = 5;

double log_odds(double p) { return std::log(p / (1 - p)); }
double logistic(double t) { return 1 / (1 + std::exp(-t)); }
double ratio(double sum, double count) { return count > 0 ? sum / count : 0; }

}  // namespace

Subject::Subject(SubjectSpec spec, const MonitorOptions& options, std::size_t subjects)
    : spec_(std::move(spec)),
      options_(options),
      subjects_(static_cast<double>(subjects)),
      baseline_(spec_.groups, spec_.slack, spec_.floor),
      detector_(spec_.falling) {}

void Subject::update(double x, std::size_t cell, Time hour, Time now, std::uint16_t site, const NameSite& name_site,
                     std::vector<Alert>& alerts) {
  const auto hour_of_day =
      static_cast<int>(std::chrono::floor<std::chrono::hours>(hour).time_since_epoch().count() % kHoursOfDay);
  const int wrapped = (hour_of_day + kHoursOfDay) % kHoursOfDay;
  if (updates_ == 0) first_ = now;
  updates_ += 1;
  const Bounds bounds = baseline_.bounds(cell, wrapped);
  const double pace = std::max(1 / kRecentUpdates, 1 / static_cast<double>(updates_));
  recent_ += pace * (x - recent_);
  recent_expected_ += pace * (bounds.expected - recent_expected_);

  if (state_ == SubjectState::learning) {
    baseline_.learn(cell, wrapped, x);
    if (updates_ >= options_.learning_updates_min && now - first_ >= options_.learning) arm(now);
    return;
  }
  detector_.update(x, bounds, hour, site);
  const double evidence = detector_.evidence();
  if (state_ == SubjectState::armed) {
    // What looks like a change must not become normal while it is being weighed.
    if (evidence < std::sqrt(threshold_)) baseline_.learn(cell, wrapped, x);
    if (evidence >= threshold_ && now >= muted_until_) raise(now, name_site, alerts);
    return;
  }
  if (follow(x, bounds)) {
    alert_->state = AlertState::resolved;
    alert_->resolution = Resolution::returned;
    alert_->summary = spec_.subject + ": " + spec_.what + " back to normal by " + format_rfc3339(now) + "; had " +
                      (shift_ < 0 ? "fallen" : "risen") + " since " + format_rfc3339(alert_->since);
    alerts.push_back(*alert_);
    alert_.reset();
    detector_.reset();
    arm(now);
  } else if (evidence >= std::max(told_ * kTellFactor, std::pow(told_, kTellPower)) && now - told_at_ >= kTellEvery && now >= muted_until_) {
    alert_->state = AlertState::updated;
    describe(now, name_site);
    alerts.push_back(*alert_);
  }
}

void Subject::accept(Time now, std::vector<Alert>& alerts) {
  if (alert_) {
    alert_->state = AlertState::resolved;
    alert_->resolution = Resolution::accepted;
    alert_->summary = spec_.subject + ": taken as the new normal from " + format_rfc3339(now) + " on";
    alerts.push_back(std::move(*alert_));
  }
  alert_.reset();
  baseline_ = Baseline(spec_.groups, spec_.slack, spec_.floor);
  detector_.reset();
  state_ = SubjectState::learning;
  updates_ = 0;
  recent_ = recent_expected_ = threshold_ = 0;
}

// Average run length between false alarms of one subject = its updates in a month, times its share of the budget.
void Subject::arm(Time now) {
  state_ = SubjectState::armed;
  const double hours = std::max(1.0, hours_between(first_, now));
  const double per_month = static_cast<double>(updates_) / hours * kHoursPerMonth;
  threshold_ = std::max(kThresholdMin, per_month * subjects_ / options_.false_per_month);
}

void Subject::raise(Time now, const NameSite& name_site, std::vector<Alert>& alerts) {
  state_ = SubjectState::alarmed;
  const Detector::Since& since = detector_.since();
  const auto n = static_cast<double>(since.updates) + 1;
  const double moved = log_odds((since.outcomes + 0.5) / n) - log_odds((since.expected + 0.5) / n);
  shift_ = std::copysign(std::clamp(std::abs(moved), kShiftMin, kShiftMax), detector_.leans_down() ? -1.0 : 1.0);
  back_ = 1;
  alert_.emplace();
  alert_->alert_id = spec_.kind + "/" + spec_.subject + "@" + format_rfc3339(since.onset);
  alert_->state = AlertState::raised;
  alert_->kind = spec_.kind;
  alert_->subject = spec_.subject;
  alert_->since = since.onset;
  alert_->detected = now;
  alert_->threshold = threshold_;
  alert_->severity = spec_.severity;
  describe(now, name_site);
  alerts.push_back(*alert_);
}

void Subject::describe(Time now, const NameSite& name_site) {
  const Detector::Since& since = detector_.since();
  const bool fell = shift_ < 0;
  alert_->evidence = told_ = detector_.evidence();
  told_at_ = now;
  const auto n = static_cast<double>(since.updates);
  char rates[96];
  std::snprintf(rates, sizeof rates, "%s from %.2f to %.2f per ", fell ? "fell" : "rose", ratio(since.expected, n),
                ratio(since.outcomes, n));
  alert_->summary = spec_.subject + ": " + spec_.what + " " + rates + spec_.per + " since " + format_rfc3339(alert_->since);
  alert_->contributors.clear();
  double total = 0;
  for (const auto& [site, gap] : since.gap_by_site) total += std::max(0.0, fell ? -gap : gap);
  for (const auto& [site, gap] : since.gap_by_site) {
    const double part = std::max(0.0, fell ? -gap : gap);
    if (part > 0) alert_->contributors.push_back({name_site(site), part / total});
  }
  std::stable_sort(alert_->contributors.begin(), alert_->contributors.end(),
                   [](const Contributor& a, const Contributor& b) { return a.share > b.share; });
  if (alert_->contributors.size() > kContributorsMax) alert_->contributors.resize(kContributorsMax);
}

// Bets that the rate is normal again, against every rate on the far side of half-way: what is half recovered stays open.
bool Subject::follow(double x, const Bounds& bounds) {
  const double centre = log_odds(std::clamp(bounds.expected, 1e-6, 1 - 1e-6));
  const double halfway = logistic(centre + shift_ / 2);
  const double tilt = std::exp(-shift_ / 2);
  back_ = std::clamp(back_ * (1 + (tilt - 1) * x) / (1 + (tilt - 1) * halfway), 1.0, kBackEvidence);
  return back_ >= kBackEvidence;
}

SubjectView Subject::view() const {
  SubjectView v;
  v.kind = spec_.kind;
  v.subject = spec_.subject;
  v.state = state_;
  v.updates = updates_;
  v.expected = recent_expected_;
  v.recent = recent_;
  v.log_evidence = std::log(std::max(detector_.evidence(), 1e-9));
  v.log_threshold = threshold_ > 0 ? std::log(threshold_) : 0;
  v.muted_until = muted_until_;
  return v;
}

void Subject::save(ByteWriter& out) const {
  baseline_.save(out);
  detector_.save(out);
  out.put(static_cast<std::uint8_t>(state_));
  out.put(updates_);
  out.put<std::int64_t>(first_.time_since_epoch().count());
  for (const double v : {recent_, recent_expected_, threshold_, shift_, back_, told_}) out.put(v);
  out.put<std::int64_t>(told_at_.time_since_epoch().count());
  out.put<std::int64_t>(muted_until_.time_since_epoch().count());
  out.put<std::uint8_t>(alert_ ? 1 : 0);
  if (alert_) save_alert(*alert_, out);
}

void Subject::load(ByteReader& in) {
  baseline_.load(in);
  detector_.load(in);
  state_ = static_cast<SubjectState>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  updates_ = in.get<std::uint64_t>();
  first_ = Time(Millis(in.get<std::int64_t>()));
  for (double* v : {&recent_, &recent_expected_, &threshold_, &shift_, &back_, &told_}) *v = in.get<double>();
  told_at_ = Time(Millis(in.get<std::int64_t>()));
  muted_until_ = Time(Millis(in.get<std::int64_t>()));
  alert_.reset();
  if (in.get<std::uint8_t>() != 0) alert_ = load_alert(in);
  // An alarm without its alert could never be resolved.
  if (state_ == SubjectState::alarmed && !alert_) state_ = SubjectState::armed;
}

void save_alert(const Alert& alert, ByteWriter& out) {
  out.put_text(alert.alert_id);
  out.put(static_cast<std::uint8_t>(alert.state));
  out.put_text(alert.kind);
  out.put_text(alert.subject);
  out.put<std::int64_t>(alert.since.time_since_epoch().count());
  out.put<std::int64_t>(alert.detected.time_since_epoch().count());
  for (const Time t : {alert.earliest, alert.latest}) out.put<std::int64_t>(t.time_since_epoch().count());
  for (const double v : {alert.evidence, alert.threshold, alert.before, alert.after}) out.put(v);
  out.put(static_cast<std::uint8_t>(alert.severity));
  out.put(static_cast<std::uint8_t>(alert.resolution));
  out.put_text(alert.summary);
  out.put_text(alert.action);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(alert.effects.size()));
  for (const Effect& e : alert.effects) {
    out.put_text(e.name);
    out.put(e.value);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(alert.contributors.size()));
  for (const Contributor& c : alert.contributors) {
    out.put_text(c.name);
    out.put(c.share);
  }
  out.put_text(alert.model_version);
}

Alert load_alert(ByteReader& in) {
  Alert a;
  a.alert_id = in.get_text();
  a.state = static_cast<AlertState>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  a.kind = in.get_text();
  a.subject = in.get_text();
  a.since = Time(Millis(in.get<std::int64_t>()));
  a.detected = Time(Millis(in.get<std::int64_t>()));
  for (Time* t : {&a.earliest, &a.latest}) *t = Time(Millis(in.get<std::int64_t>()));
  for (double* v : {&a.evidence, &a.threshold, &a.before, &a.after}) *v = in.get<double>();
  a.severity = static_cast<Severity>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 1));
  a.resolution = static_cast<Resolution>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  a.summary = in.get_text();
  a.action = in.get_text();
  const auto effects = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < effects && in.ok(); ++i) {
    Effect e;
    e.name = in.get_text();
    e.value = in.get<double>();
    a.effects.push_back(std::move(e));
  }
  const auto contributors = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < contributors && in.ok(); ++i) {
    Contributor c;
    c.name = in.get_text();
    c.share = in.get<double>();
    a.contributors.push_back(std::move(c));
  }
  a.model_version = in.get_text();
  return a;
}

}  // namespace lacuna::drift
