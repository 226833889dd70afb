#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/generation/generation.h"

// Generated samples as lines of text. They say of themselves that they are imputed and generated, so that no reader of events takes
// them; docs/messages.md has the rules.

namespace lacuna::daemon {

enum class GenerationFormat : std::uint8_t { ndjson, csv };

/// Rows of samples: NDJSON objects, or CSV (RFC 4180 but for line ends, which are LF) with one column per attribute and feature; payloads
/// are in NDJSON only.
class GenerationRows {
 public:
  GenerationRows(const Schema& schema, GenerationFormat format, std::string model_version)
      : schema_(schema), format_(format), model_version_(std::move(model_version)) {}

  /// The header row; nothing for NDJSON.
  std::string header() const;
  /// Both arms of each sample, one after the other.
  std::string rows(const Generation& what, const GeneratedPiece& piece) const;

 private:
  void json(const Generation& what, Arm arm, std::size_t number, const double* values, const Payload* payloads, std::string& out) const;
  void csv(const Generation& what, Arm arm, std::size_t number, const double* values, std::string& out) const;

  const Schema& schema_;
  const GenerationFormat format_;
  const std::string model_version_;
};

/// Per feature that is drawn or set (or category of one): the mean over all samples of each arm, and of the difference with its standard
/// error, in memory of fixed size. Samples of one patient are independent, of several patients they are not: with more than one patient the
/// error is that of the mean over patients. A feature that an intervention sets, known as a limit ("<5") without it, has no mean there.
class GenerationSummary {
 public:
  struct Row {
    FeatureId feature = 0;
    int category = -1;                                         ///< of a feature with categories: the share of this one
    std::uint64_t patients = 0, samples = 0, samples_set = 0;  ///< of numbers, by arm
    double mean = 0, sd = 0;                                   ///< of the observed arm, over samples
    double mean_set = 0, difference = 0, difference_se = 0;    ///< without an intervention 0
    bool se_known = false;                                     ///< not from a single sample
  };

  explicit GenerationSummary(const Schema& schema) : schema_(schema) {}
  void add(const Generation& what, const GeneratedPiece& piece);
  /// A patient's samples are complete.
  void end_patient();
  std::vector<Row> rows() const;
  std::string text(GenerationFormat format, const std::string& model_version, bool two_arms) const;

 private:
  /// Welford's running mean and variance.
  struct Moments {
    std::uint64_t count = 0;
    double mean = 0, squares = 0;
    void add(double value);
    double sd() const;
  };
  struct Cell {
    Moments factual, intervention, difference, of_patient, patients;
  };
  std::size_t cells_of(FeatureId feature) const;

  const Schema& schema_;
  std::vector<std::vector<Cell>> cells_;  ///< by feature, then category
};

/// A text as a CSV field: quoted where it must be.
std::string csv_field(const std::string& text);

}  // namespace lacuna::daemon
