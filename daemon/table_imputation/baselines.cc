#include "daemon/table_imputation/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kRowsMax = 20'000;
constexpr double kRidge = 1;

/// What is measured at each moment, standardised; what is not is 0, the mean.
struct Matrix {
  std::size_t features = 0, columns = 0;  ///< features first, then values before, then attributes
  std::vector<double> values;             ///< row by row
  std::vector<bool> measured;             ///< the same, of features alone: rows x features
  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  double* row(std::size_t i) { return values.data() + i * columns; }
};

/// Solves a x = b for a symmetric, positive definite `a` (n x n), by Cholesky; both are overwritten, and `b` becomes x.
void solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) {
      for (std::size_t i = j; i < n; ++i) a[i * n + j] -= a[i * n + k] * a[j * n + k];
    }
    const double root = std::sqrt(std::max(a[j * n + j], 1e-12));
    for (std::size_t i = j; i < n; ++i) a[i * n + j] /= root;
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

Matrix matrix_of(const Schema& schema, const PatientTable& table, const HeldOutCells& cells, const std::vector<StandardScale>& scales) {
  const std::size_t features = schema.feature_count(), attributes = schema.attributes().size();
  const bool visits = std::ranges::any_of(table.patients, [](const TablePatient& p) { return p.moments.size() > 1; });
  Matrix out{features, features + (visits ? features : 0) + attributes, {}, {}};
  const auto standard = [&](FeatureId f, double value) {
    return scales[f].sd > 0 ? std::clamp((scales[f].of(value) - scales[f].mean) / scales[f].sd, -10.0, 10.0) : 0;
  };
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    follow_course(schema, table.patients[p], cells[p], false, [&](const CourseMoment& moment) {
      const std::size_t at = out.values.size();
      out.values.resize(at + out.columns);
      out.measured.resize(out.measured.size() + features);
      double* row = out.values.data() + at;
      for (const FeatureValue& v : moment.measured) {
        if (is_censored(v.comparator)) continue;
        row[v.feature] = standard(v.feature, v.value);
        out.measured[out.measured.size() - features + v.feature] = true;
      }
      for (FeatureId f = 0; visits && f < features; ++f) {
        if (moment.before.features[f].count > 0) row[features + f] = standard(f, moment.before.features[f].last);
      }
      for (std::size_t a = 0; a < attributes; ++a)
        row[out.columns - attributes + a] = static_cast<double>(moment.now.attributes[a].value_or(0));
    });
  }
  for (std::size_t c = out.columns - attributes; c < out.columns; ++c) {  // attributes have no scale yet
    double mean = 0, squares = 0;
    const auto n = static_cast<double>(std::max<std::size_t>(out.rows(), 1));
    for (std::size_t i = 0; i < out.rows(); ++i) mean += out.row(i)[c] / n;
    for (std::size_t i = 0; i < out.rows(); ++i) squares += (out.row(i)[c] - mean) * (out.row(i)[c] - mean) / n;
    for (std::size_t i = 0; i < out.rows(); ++i) out.row(i)[c] = squares > 0 ? (out.row(i)[c] - mean) / std::sqrt(squares) : 0;
  }
  return out;
}

/// Fills one feature's column where it was not measured, from all others.
void regress(Matrix& m, std::size_t feature) {
  const std::size_t n = m.columns;  // the feature's own place holds the intercept
  const std::size_t step = std::max<std::size_t>(1, m.rows() / kRowsMax);
  std::vector<double> squares(n * n), products(n), x(n);
  std::size_t used = 0;
  for (std::size_t i = 0; i < m.rows(); i += step) {
    if (!m.measured[i * m.features + feature]) continue;
    ++used;
    std::copy_n(m.row(i), n, x.begin());
    const double y = std::exchange(x[feature], 1.0);
    for (std::size_t a = 0; a < n; ++a) {
      products[a] += x[a] * y;
      for (std::size_t b = 0; b <= a; ++b) squares[a * n + b] += x[a] * x[b];
    }
  }
  if (used < 2) return;
  for (std::size_t a = 0; a < n; ++a) squares[a * n + a] += a == feature ? 1e-9 : kRidge;
  solve(squares, products);
  for (std::size_t i = 0; i < m.rows(); ++i) {
    if (m.measured[i * m.features + feature]) continue;
    double* row = m.row(i);
    row[feature] = 1;
    row[feature] = std::clamp(std::inner_product(row, row + n, products.begin(), 0.0), -10.0, 10.0);
  }
}

/// The class of discrete features that most cells have.
std::vector<double> most_frequent(const Schema& schema, const PatientTable& table) {
  std::vector<std::map<double, std::size_t>> counts(schema.feature_count());
  for (const TablePatient& patient : table.patients) {
    for (const Event& event : patient.events) {
      for (const FeatureValue& v : event.values) {
        if (is_discrete(schema.features()[v.feature].likelihood)) ++counts[v.feature][v.value];
      }
    }
  }
  std::vector<double> out(counts.size());
  for (std::size_t f = 0; f < counts.size(); ++f) {
    const auto most = std::ranges::max_element(counts[f], {}, [](const auto& c) { return c.second; });
    if (most != counts[f].end()) out[f] = most->first;
  }
  return out;
}

double class_said(const model::Predictive& p) {
  if (p.likelihood == Likelihood::ordinal) return p.median();
  return static_cast<double>(std::ranges::max_element(p.class_probabilities) - p.class_probabilities.begin());
}

void add(MethodError& error, double off) {
  error.mae += std::abs(off);
  error.rmse += off * off;
}

std::string row_of(const MethodError& error, bool classes) {
  return classes ? fmt::format("{:.3f}", error.mae) : fmt::format("{:.3f}/{:.3f}", error.mae, error.rmse);
}

}  // namespace

std::vector<double> chained_equations(const Schema& schema, const PatientTable& table, const HeldOutCells& cells,
                                      const std::vector<StandardScale>& scales) {
  Matrix m = matrix_of(schema, table, cells, scales);
  for (int round = 0; round < kChainedRounds; ++round) {
    for (std::size_t f = 0; f < m.features; ++f) {
      if (scales[f].sd > 0) regress(m, f);
    }
  }
  std::vector<double> out;
  std::size_t first = 0;
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    for (const CellPlace& cell : cells[p]) {
      out.push_back(scales[cell.feature].mean + scales[cell.feature].sd * m.row(first + cell.moment)[cell.feature]);
    }
    first += table.patients[p].moments.size();
  }
  return out;
}

bool is_quick_to_chain(const Schema& schema, const PatientTable& table) {
  constexpr double kMost = 2e10;  // products
  std::size_t rows = 0;
  for (const TablePatient& patient : table.patients) rows += patient.moments.size();
  const auto columns = static_cast<double>(2 * schema.feature_count() + schema.attributes().size());
  return static_cast<double>(std::min(rows, kRowsMax)) * columns * columns / 2 * static_cast<double>(schema.feature_count()) *
             kChainedRounds <
         kMost;
}

std::vector<ComparedFeature> compare(const Schema& schema, const PatientTable& learned_from, const std::vector<StandardScale>& scales,
                                     const std::vector<HeldOutAnswer>& answers, const std::vector<double>& chained,
                                     const model::Calibrator& calibrator) {
  const std::vector<double> modes = most_frequent(schema, learned_from);
  std::map<FeatureId, ComparedFeature> sums;
  for (const HeldOutAnswer& a : answers) {
    const Feature& feature = schema.features()[a.feature];
    const StandardScale& scale = scales[a.feature];
    if (scale.sd <= 0) continue;
    ComparedFeature& c = sums[a.feature];
    c.feature = a.feature;
    c.count += 1;
    const model::Interval interval = calibrator.interval(a.feature, a.recency, a.predictive);
    c.covered += a.value >= interval.low && a.value <= interval.high ? 1 : 0;
    if (is_discrete(feature.likelihood)) {
      const double last = a.last.value_or(modes[a.feature]);
      const double classes = static_cast<double>(std::max<std::size_t>(feature.categories.size(), 2));
      const double by_chain = chained.empty() ? 0 : std::clamp(std::round(chained[a.number]), 0.0, classes - 1);
      for (const auto& [error, said] : {std::pair(&c.ours, class_said(a.predictive)), std::pair(&c.mean, modes[a.feature]),
                                        std::pair(&c.last, last), std::pair(&c.chained, by_chain)}) {
        error->mae += said == a.value ? 0 : 1;
      }
      continue;
    }
    const double truth = scale.of(a.value), last = a.last ? scale.of(*a.last) : scale.mean;
    c.ours.mae += std::abs(scale.of(a.predictive.median()) - truth) / scale.sd;
    c.ours.rmse += std::pow((a.predictive.mean_on_scale() - truth) / scale.sd, 2);
    add(c.mean, (scale.mean - truth) / scale.sd);
    add(c.last, (last - truth) / scale.sd);
    if (!chained.empty()) add(c.chained, (chained[a.number] - truth) / scale.sd);
  }
  std::vector<ComparedFeature> out;
  for (auto& [feature, c] : sums) {
    const auto n = static_cast<double>(c.count);
    for (MethodError* e : {&c.ours, &c.mean, &c.last, &c.chained}) *e = {e->mae / n, std::sqrt(e->rmse / n)};
    c.covered /= n;
    out.push_back(c);
  }
  return out;
}

std::string format_comparison(const Schema& schema, const std::vector<ComparedFeature>& features, double level) {
  std::vector<std::vector<std::string>> rows{
      {"feature", "cells", "Lacuna", "mean, mode", "last value", "chained equations", fmt::format("inside {:.3g} %", 100 * level)}};
  for (const bool classes : {false, true}) {
    ComparedFeature sum;
    double n = 0;
    for (const ComparedFeature& c : features) {
      if (is_discrete(schema.features()[c.feature].likelihood) != classes) continue;
      n += 1;
      sum.count += c.count;
      sum.covered += c.covered;
      for (const auto& [to, from] : {std::pair(&sum.ours, &c.ours), std::pair(&sum.mean, &c.mean), std::pair(&sum.last, &c.last),
                                     std::pair(&sum.chained, &c.chained)}) {
        *to = {to->mae + from->mae, to->rmse + from->rmse};
      }
      rows.push_back({schema.qualified_name(c.feature), std::to_string(c.count), row_of(c.ours, classes), row_of(c.mean, classes),
                      row_of(c.last, classes), row_of(c.chained, classes), fmt::format("{:.1f} %", 100 * c.covered)});
    }
    if (n == 0) continue;
    for (MethodError* e : {&sum.ours, &sum.mean, &sum.last, &sum.chained}) *e = {e->mae / n, e->rmse / n};
    rows.push_back({classes ? "all classes, equally: share wrong" : "all numbers, equally: MAE/RMSE", std::to_string(sum.count),
                    row_of(sum.ours, classes), row_of(sum.mean, classes), row_of(sum.last, classes), row_of(sum.chained, classes),
                    fmt::format("{:.1f} %", 100 * sum.covered / n)});
  }
  return text_table(std::move(rows), "lrrrrrr");
}

}  // namespace lacuna::daemon
