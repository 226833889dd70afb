// Goal: the demo promises what its run can keep, and no less. Method: the rule by its figures, on either side of each bound; then
// the report of a ward that never runs, told by hand what was seen of it.
#include "daemon/commands/demo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/http/fixtures.h"

namespace lacuna::daemon {
namespace {

using std::chrono::hours;
using ::testing::HasSubstr;

TEST(DemoPromises, a_comparison_takes_a_model_that_has_learned_and_values) {
  EXPECT_FALSE(why_no_comparison(600, 1000, 1000));
  EXPECT_THAT(why_no_comparison(599, 1000, 1000).value_or(""), HasSubstr("599 gradient steps"));
  EXPECT_THAT(why_no_comparison(600, 999, 1000).value_or(""), HasSubstr("999 values"));
}

TEST(DemoPromises, an_alert_takes_a_detector_that_was_armed) {
  FaultGround outage{false, true, 15, 60, 0};
  EXPECT_FALSE(why_no_alert(outage)) << "what does not arrive says so without a model";
  outage.armed = false;
  EXPECT_THAT(why_no_alert(outage).value_or(""), HasSubstr("had not learned what is normal"));
}

TEST(DemoPromises, an_alert_takes_results_that_the_fault_touches) {
  FaultGround outage{false, true, 15, 48.1, 0};
  EXPECT_FALSE(why_no_alert(outage));
  outage.touched = 47.9;
  EXPECT_THAT(why_no_alert(outage).value_or(""), HasSubstr("a promise takes 48"));
  outage.touched = 48.1;
  outage.log_threshold = 16;
  EXPECT_TRUE(why_no_alert(outage)) << "a stricter detector needs more";
}

TEST(DemoPromises, a_shift_takes_a_model_that_knows_better_and_patients) {
  FaultGround shift{true, true, 15, 60, 300};
  EXPECT_FALSE(why_no_alert(shift));
  shift.steps = 299;
  EXPECT_THAT(why_no_alert(shift).value_or(""), HasSubstr("299 gradient steps"));
  shift.steps = 300;
  shift.touched = 20;
  EXPECT_THAT(why_no_alert(shift).value_or(""), HasSubstr("20 patients"));
}

TEST(DemoPromises, false_alerts_are_the_months_budget_and_at_least_one) {
  EXPECT_EQ(false_alerts_max(1, 120), 1U);
  EXPECT_EQ(false_alerts_max(1, 2000), 3U);
  EXPECT_EQ(false_alerts_max(0, 2000), 1U);
}

/// Two days of heart rates, 30 an hour from as many patients as are told, of which the last nine hours read too high.
class DemoSummary : public ::testing::Test {
 protected:
  DemoSummary() {
    ward_.start = testing::at("2026-01-01T00:00:00Z");
    ward_.duration = hours(48);
    ward_.shifts.push_back({"vitals", "hr", 20, hours(39), hours(48)});
    begin(60);
  }
  void begin(int patients) {
    report_.emplace(config_, ward_, DemoReport::Screen{&out_, false, 200});
    for (int i = 0; i < 48 * 30; ++i) {
      Event event;
      event.patient_id = "p" + std::to_string(i % patients);
      event.modality = 0;
      event.time = ward_.start + std::chrono::minutes(2 * i);
      event.values = {{0, 70}};
      report_->expect(event, {event.patient_id, event.time, std::vector<double>(config_.schema->feature_count(), 1)});
    }
    progress_.counts.consumed = progress_.counts.applied = 48 * 30;
  }
  void look(int hour, std::int64_t steps, drift::SubjectState state) {
    progress_.event_time = ward_.start + hours(hour);
    progress_.learner.steps = steps;
    drift::SubjectView view;
    view.kind = "value";
    view.subject = "vitals.hr";
    view.state = state;
    view.log_threshold = 15;
    progress_.subjects = {view};
    report_->show(progress_);
  }
  void raise(int hour) {
    Alert alert;
    alert.kind = "value";
    alert.subject = "vitals.hr";
    alert.alert_id = std::to_string(hour);
    alert.since = alert.detected = ward_.start + hours(hour);
    report_->note(alert);
  }
  std::string summary() {
    out_.str("");
    kept_ = report_->summary(progress_);
    return out_.str();
  }

  Config config_ = testing::small_config();
  WardOptions ward_;
  Progress progress_;
  std::ostringstream out_;
  std::optional<DemoReport> report_;
  bool kept_ = false;
};

// Protects: the rule judges what was so before the fault, not what has become of it since.
TEST_F(DemoSummary, what_began_too_early_is_not_promised) {
  look(38, 400, drift::SubjectState::learning);
  look(40, 900, drift::SubjectState::armed);
  EXPECT_THAT(summary(), HasSubstr("not promised: vitals.hr reads +20: no alert\n                its detector had not learned"));
  EXPECT_TRUE(kept_) << "what is not promised cannot be broken";
}

TEST_F(DemoSummary, what_is_promised_can_be_broken) {
  look(38, 400, drift::SubjectState::armed);
  look(40, 900, drift::SubjectState::armed);
  EXPECT_THAT(summary(), HasSubstr("BROKEN  vitals.hr reads +20: no alert"));
  EXPECT_FALSE(kept_);
  raise(46);
  EXPECT_THAT(summary(), HasSubstr("BROKEN  vitals.hr reads +20: alert after 7.0 h (promised 6 h)"));
  raise(41);
  EXPECT_THAT(summary(), HasSubstr("kept    vitals.hr reads +20: alert after 2.0 h (promised 6 h)")) << "the earliest counts";
  EXPECT_TRUE(kept_);
  raise(20);
  EXPECT_THAT(summary(), HasSubstr("false alerts: 1 (of 3)"));
  EXPECT_TRUE(kept_);
  raise(21);
  summary();
  EXPECT_FALSE(kept_);
}

// Protects: many values of few patients are not much evidence, since each is predicted from the one before.
TEST_F(DemoSummary, few_patients_are_promised_no_alert_of_a_shift) {
  begin(20);
  look(38, 400, drift::SubjectState::armed);
  EXPECT_THAT(summary(), HasSubstr("it touches 20 patients in that time; a promise takes 48"));
  EXPECT_TRUE(kept_);
}

TEST_F(DemoSummary, an_event_lost_breaks_a_promise_at_every_size) {
  look(38, 0, drift::SubjectState::learning);
  progress_.counts.consumed -= 1;
  EXPECT_THAT(summary(), HasSubstr("BROKEN  nothing lost"));
  EXPECT_FALSE(kept_);
}

}  // namespace
}  // namespace lacuna::daemon
