#include "bench/model_quality/contestant.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

#include "state/records/counter_random.h"

namespace lacuna::bench {

void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

void Options::set(std::string_view argument) {
  const std::size_t at = argument.find('=');
  if (at == std::string_view::npos) stop("not key=value: " + std::string(argument));
  const std::string key(argument.substr(0, at)), value(argument.substr(at + 1));
  const std::map<std::string, double*> numbers = {
      {"learning_rate", &train.learning_rate},    {"weight_decay", &train.weight_decay},      {"beta", &train.beta},
      {"hide_cells_min", &train.hide_values_min}, {"hide_cells_max", &train.hide_values_max}, {"hide_modalities", &train.hide_modalities}};
  const std::map<std::string, int*> whole = {{"latent_dim", &model.latent_dim},
                                             {"hidden_dim", &model.hidden_dim},
                                             {"batch_size", &train.batch_size},
                                             {"samples", &predict.samples},
                                             {"members", &members}};
  const std::map<std::string, bool*> flags = {
      {"mnar", &model.mnar}, {"joint_expert", &model.joint_expert}, {"two_sided", &model.two_sided}, {"validation", &validation}};
  if (const auto n = numbers.find(key); n != numbers.end()) {
    *n->second = std::stod(value);
  } else if (const auto w = whole.find(key); w != whole.end()) {
    *w->second = std::stoi(value);
  } else if (const auto f = flags.find(key); f != flags.end()) {
    *f->second = value == "1" || value == "true";
  } else if (key == "steps") {
    steps = std::stoll(value);
  } else if (key == "seed") {
    model.seed = std::stoull(value);
  } else if (key == "fusion") {
    const std::map<std::string, model::Fusion> fusions = {
        {"mopoe", model::Fusion::mopoe}, {"poe", model::Fusion::poe}, {"moe", model::Fusion::moe}, {"attention", model::Fusion::attention}};
    const auto found = fusions.find(value);
    if (found == fusions.end()) stop("no fusion " + value);
    model.fusion = found->second;
  } else {
    stop("no option " + key);
  }
}

std::vector<Column> read_columns(const std::string& path) {
  std::ifstream in(path);
  if (!in) stop("cannot read " + path);
  std::vector<Column> columns;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    Column c;
    std::string likelihood, classes;
    std::getline(fields, c.name, ',');
    std::getline(fields, c.modality, ',');
    std::getline(fields, likelihood, ',');
    std::getline(fields, classes);
    const auto parsed = parse_likelihood(likelihood);
    if (!parsed) stop(path + ": no likelihood " + likelihood);
    c.likelihood = *parsed;
    c.classes = std::atoi(classes.c_str());
    columns.push_back(std::move(c));
  }
  return columns;
}

TableSchema make_table_schema(const std::string& path) {
  const std::vector<Column> columns = read_columns(path);
  std::vector<Schema::ModalitySpec> specs;
  std::vector<Attribute> attributes;
  const auto names = [](int count) {
    std::vector<std::string> out;
    for (int c = 0; c < count; ++c) out.push_back("class_" + std::to_string(c));
    return out;
  };
  for (const Column& c : columns) {
    if (c.modality == "attribute") {
      Attribute a;
      a.name = c.name;
      if (c.likelihood == Likelihood::categorical) a.categories = names(c.classes);
      attributes.push_back(std::move(a));
      continue;
    }
    auto spec = specs.begin();
    while (spec != specs.end() && spec->modality.name != c.modality) ++spec;
    if (spec == specs.end()) {
      spec = specs.emplace(specs.end());
      spec->modality.name = c.modality;
    }
    Feature f;
    f.name = c.name;
    f.likelihood = c.likelihood;
    if (c.likelihood == Likelihood::categorical) f.categories = names(c.classes);
    spec->features.push_back(std::move(f));
  }
  Schema schema = value_or_stop(Schema::make(std::move(specs), std::move(attributes)));
  std::vector<std::uint32_t> index;
  for (const Column& c : columns) {
    index.push_back(c.modality == "attribute" ? static_cast<std::uint32_t>(schema.find_attribute(c.name).value())
                                              : schema.find_feature(schema.find_modality(c.modality), c.name).value());
  }
  return {std::move(schema), columns, std::move(index)};
}

std::vector<std::shared_ptr<const model::ModelVersion>> learn(const Schema& schema, const Options& options,
                                                              const std::vector<Example>& first, const Draw& draw) {
  std::vector<std::shared_ptr<const model::ModelVersion>> versions;
  for (int m = 0; m < options.members; ++m) {
    const auto start = std::chrono::steady_clock::now();
    Options o = options;
    o.model.seed += 1000 * static_cast<std::uint64_t>(m);
    // Every row of a batch is a fresh draw: which examples there are is the driver's to say, not a stream's.
    o.train.replay_ratio = 0;
    o.train.examples_per_step = o.train.batch_size;
    o.train.young_pace = 1;
    const auto trainer = value_or_stop(model::Trainer::make(schema, o.model, o.train, o.predict, {}));
    CounterRandom random(o.model.seed * 7919 + 1);
    std::size_t taken = 0;
    for (std::int64_t step = 0; step < o.steps; ++step) {
      while (!trainer->take(taken < first.size() ? first[taken] : draw(random))) ++taken;
      ++taken;
      trainer->step({});
      if ((step + 1) % 500 != 0 && step + 1 != o.steps) continue;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::fprintf(stderr, "model %d of %d, step %lld: loss %.4f, KL %.2f, %.0f s\n", m + 1, options.members,
                   static_cast<long long>(step + 1), trainer->stats().loss, trainer->stats().kl, seconds);
    }
    if (trainer->stats().skipped_steps > 0) stop("steps were skipped");
    versions.push_back(trainer->publish());
  }
  return versions;
}

std::vector<model::Prediction> predict(const std::vector<std::shared_ptr<const model::ModelVersion>>& versions,
                                       const std::vector<model::Query>& queries) {
  std::vector<model::Prediction> mixed;
  const auto share = 1.0F / static_cast<float>(versions.size());
  const auto scale = [share](std::vector<float> values) {
    for (float& v : values) v *= share;
    return values;
  };
  for (const auto& version : versions) {
    auto said = value_or_stop(version->predict(queries));
    mixed.resize(said.size());
    for (std::size_t i = 0; i < said.size(); ++i) {
      model::Prediction& all = mixed[i];
      all.features = said[i].features;
      all.predictive.resize(said[i].predictive.size());
      for (std::size_t j = 0; j < all.predictive.size(); ++j) {
        const model::Predictive& one = said[i].predictive[j];
        model::Predictive& into = all.predictive[j];
        into.likelihood = one.likelihood;
        const auto add = [](std::vector<float>& to, const std::vector<float>& from) { to.insert(to.end(), from.begin(), from.end()); };
        add(into.weights, scale(one.weights));
        add(into.location, one.location);
        add(into.scale, one.scale);
        into.class_probabilities.resize(one.class_probabilities.size());
        for (std::size_t c = 0; c < one.class_probabilities.size(); ++c) into.class_probabilities[c] += share * one.class_probabilities[c];
      }
    }
  }
  return mixed;
}

}  // namespace lacuna::bench

int main(int count, char** arguments) {
  using namespace lacuna::bench;
  const std::map<std::string, void (*)(const std::string&, const std::string&, Options)> parts = {{"grid", run_grid}, {"mixed", run_mixed}};
  const auto part = count < 4 ? parts.end() : parts.find(arguments[1]);
  if (part == parts.end()) stop("Usage: model_quality grid|mixed FOLDER NAME [key=value]...");
  Options options;
  options.predict.samples = 32;
  for (int i = 4; i < count; ++i) options.set(arguments[i]);
  part->second(arguments[2], arguments[3], options);
  return 0;
}
