#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/encoding.h"
#include "model/trainer.h"
#include "state/records/counter_random.h"

// What the parts of the driver share: options from the command line, files of prepare.py, and learning.

namespace lacuna::bench {

[[noreturn]] void stop(const std::string& why);
/// The value, or stop() with what went wrong.
template <typename T>
T value_or_stop(Result<T> result) {
  if (!result.ok()) stop(result.status().to_string());
  return std::move(result).value();
}

struct Options {
  model::ModelOptions model;
  model::TrainOptions train;
  model::PredictOptions predict;
  std::int64_t steps = 2000;
  int members = 1;          ///< models that differ by their seed; their distributions are mixed
  bool validation = false;  ///< predict the validation split
  /// One "key=value"; stops at a key it does not know.
  void set(std::string_view argument);
};

/// All of a file as numbers of one type.
template <typename T>
std::vector<T> read_numbers(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) stop("cannot read " + path);
  std::vector<T> out(static_cast<std::size_t>(in.tellg()) / sizeof(T));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(T)));
  return out;
}

/// A line of columns.csv. `modality` "attribute": known of everybody.
struct Column {
  std::string name, modality;
  Likelihood likelihood = Likelihood::normal;
  int classes = 0;
};
std::vector<Column> read_columns(const std::string& path);

/// A schema of tabular columns, and where each went.
struct TableSchema {
  Schema schema;
  std::vector<Column> columns;
  std::vector<std::uint32_t> index;  ///< per column: its FeatureId, or the position of its attribute
  bool is_attribute(std::size_t column) const { return columns[column].modality == "attribute"; }
};
TableSchema make_table_schema(const std::string& path);

/// Draws a training example.
using Draw = std::function<Example(CounterRandom&)>;
/// Learns options.steps steps, each from a batch of fresh draws. `first` come before all draws, once. Prints the loss now and then.
/// One version for each of options.members.
std::vector<std::shared_ptr<const model::ModelVersion>> learn(const Schema& schema, const Options& options,
                                                              const std::vector<Example>& first, const Draw& draw);

/// Predictions of each version, mixed with equal weight. `queries` may be many.
std::vector<model::Prediction> predict(const std::vector<std::shared_ptr<const model::ModelVersion>>& versions,
                                       const std::vector<model::Query>& queries);

/// The parts. Each takes the folder that prepare.py made, the name its answers go by, and options.
void run_grid(const std::string& folder, const std::string& name, Options options);
void run_mixed(const std::string& folder, const std::string& name, Options options);

}  // namespace lacuna::bench
