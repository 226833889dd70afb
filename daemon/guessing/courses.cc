#include "daemon/guessing/courses.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace lacuna::daemon {

namespace {

constexpr std::uint64_t kPairsMax = 200'000'000;
constexpr std::size_t kGapsMax = 200'000;  // of a variable

double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Of one variable in one patient, as the patient's cells go by.
struct Going {
  std::uint32_t patient = UINT32_MAX;
  std::int64_t time = 0;
  std::uint32_t value = 0;
  bool again = false, changed = false;
};

class CourseCounter {
 public:
  explicit CourseCounter(std::size_t variables) : variables_(variables), going_(variables), gaps_(variables) {
    courses_.of.resize(variables);
    courses_.pairs.assign(variables * variables, 0);
  }

  void take(const MeasuredCell& cell) {
    if (cell.patient != patient_) {
      end_patient();
      patient_ = cell.patient;
      first_ = time_ = cell.time;
      ++courses_.patients;
      ++courses_.moments;
    } else if (cell.time != time_) {
      end_moment();
      time_ = cell.time;
      ++courses_.moments;
    }
    moment_.push_back(cell.variable);
    Course& course = courses_.of[cell.variable];
    Going& going = going_[cell.variable];
    ++course.values;
    if (going.patient != cell.patient) {
      end(cell.variable);
      going = {cell.patient, cell.time, cell.value};
      ++course.patients;
      return;
    }
    if (cell.time > going.time) {
      going.again = true;
      if (gaps_[cell.variable].size() < kGapsMax) gaps_[cell.variable].push_back(static_cast<double>(cell.time - going.time));
    }
    going.changed = going.changed || cell.value != going.value;
    going.time = cell.time;
  }

  Courses finish() {
    end_patient();
    for (std::size_t v = 0; v < variables_; ++v) {
      end(v);
      courses_.of[v].gap_ms = median(gaps_[v]);
    }
    courses_.span_ms = median(spans_);
    return std::move(courses_);
  }

 private:
  void end(std::size_t variable) {
    const Going& going = going_[variable];
    if (going.patient == UINT32_MAX || !going.again) return;
    ++courses_.of[variable].repeated;
    courses_.of[variable].constant += going.changed ? 0 : 1;
  }
  void end_moment() {
    std::ranges::sort(moment_);
    moment_.erase(std::unique(moment_.begin(), moment_.end()), moment_.end());
    if (pairs_ < kPairsMax) {
      pairs_ += moment_.size() * moment_.size();
      for (const std::uint32_t a : moment_) {
        for (const std::uint32_t b : moment_) ++courses_.pairs[a * variables_ + b];
      }
    }
    moment_.clear();
  }
  void end_patient() {
    end_moment();
    if (patient_ != UINT32_MAX && time_ > first_) spans_.push_back(static_cast<double>(time_ - first_));
  }

  const std::size_t variables_;
  Courses courses_;
  std::vector<Going> going_;
  std::vector<std::vector<double>> gaps_;
  std::vector<double> spans_;
  std::vector<std::uint32_t> moment_;
  std::uint32_t patient_ = UINT32_MAX;
  std::int64_t first_ = 0, time_ = 0;
  std::uint64_t pairs_ = 0;
};

}  // namespace

double Courses::together(std::size_t a, std::size_t b) const {
  const std::size_t n = of.size();
  const double both = pairs[a * n + b], either = static_cast<double>(pairs[a * n + a]) + pairs[b * n + b] - both;
  return either > 0 ? both / either : 0;
}

Courses measure_courses(std::vector<MeasuredCell>& cells, std::size_t variables, const std::vector<std::set<std::uint32_t>>& marks) {
  std::ranges::sort(cells, {}, [](const MeasuredCell& c) { return std::tuple(c.patient, c.time, c.variable, c.value); });
  CourseCounter counter(variables);
  for (const MeasuredCell& cell : cells) {
    if (!marks[cell.variable].contains(cell.value)) counter.take(cell);
  }
  return counter.finish();
}

}  // namespace lacuna::daemon
