#include "daemon/commands/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/config_options.h"
#include "daemon/commands/logging.h"
#include "daemon/commands/session.h"
#include "daemon/generation/generation.h"
#include "daemon/generation/output.h"
#include "daemon/pipeline/store_quarantine.h"
#include "daemon/registry/newest_checkpoint.h"
#include "daemon/tables/progress_bar.h"
#include "state/store_inspection.h"

namespace lacuna::daemon {

namespace {

struct Arguments {
  ConfigOptions config;
  std::vector<std::string> patients, attributes, hide, features, intervene;
  std::string given, later = "0s", format = "ndjson", output = "-";
  std::optional<std::size_t> count;
  std::optional<std::uint64_t> seed;
  bool summary = false;
};

/// What is generated for one patient.
struct Order {
  Generation what;
  std::size_t count = 1;
};

Result<std::string> read_all(const std::string& path) {
  std::ostringstream out;
  if (path == "-") {
    out << std::cin.rdbuf();
    return out.str();
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::invalid, path + " cannot be read");
  out << file.rdbuf();
  return out.str();
}

Result<std::vector<streaming::ImputeRequest>> patients(const Config& config, const Arguments& arguments) {
  std::vector<streaming::ImputeRequest> out;
  if (!arguments.given.empty()) {
    const auto text = read_all(arguments.given);
    if (!text.ok()) return text.status();
    return parse_given(*config.schema, *text, arguments.given == "-" ? "standard input" : arguments.given, config.limits, system_clock()());
  }
  for (std::size_t i = 0; i < arguments.patients.size(); ++i) {
    auto snapshot = state::read_snapshot(*config.schema, config.store.path, arguments.patients[i]);
    if (!snapshot.ok()) return Status(snapshot.code(), "--patient, number " + std::to_string(i + 1) + ": " + snapshot.status().message());
    out.push_back({std::move(*snapshot), 0, 0});
  }
  if (out.empty()) out.push_back({unknown_patient(*config.schema), 0, 0});
  return out;
}

/// Every option that is wrong is told before anything is opened.
Result<GenerationPlan> plan_of(const Schema& schema, const Arguments& arguments) {
  GenerationPlan plan;
  std::string wrong;
  const auto take = [&wrong](const char* option, auto result, auto& out) {
    if (result.ok()) out = std::move(*result);
    else wrong += (wrong.empty() ? "" : "; ") + std::string(option) + ": " + result.status().message();
  };
  take("--intervene", parse_assignments(schema, arguments.intervene, false), plan.intervention);
  take("--attribute", parse_assignments(schema, arguments.attributes, true), plan.attributes);
  take("--hide", parse_modalities(schema, arguments.hide), plan.hidden);
  if (!arguments.features.empty()) take("--features", parse_features(schema, arguments.features), plan.features);
  const auto later = parse_duration(arguments.later);
  take("--later", later ? Result<Millis>(*later) : Status(Code::invalid, "not a duration such as 90m or 24h"), plan.later);
  if (!wrong.empty()) return Status(Code::invalid, wrong);
  return plan;
}

/// What the model has learned from too few observations of.
Selection uninformed(const Config& config, const model::ModelVersion& version) {
  Selection out;
  const auto little = [&config](const model::LearnedFrom& from) { return from.observations < config.observations_min; };
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    if (little(version.learned_from(f))) out.features.push_back(f);
  }
  for (ModalityId m = 0; m < config.schema->modality_count(); ++m) {
    const bool payload = config.schema->modalities()[m].kind != ModalityKind::tabular;
    if (payload && little(version.learned_from_payload(m))) out.payloads.push_back(m);
  }
  return out;
}

void say_what_is_left_out(const Schema& schema, const Selection& uninformed) {
  std::string names;
  const auto add = [&names](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  for (const FeatureId f : uninformed.features) add(schema.qualified_name(f));
  for (const ModalityId m : uninformed.payloads) add(schema.modalities()[m].name);
  if (names.empty()) return;
  std::fprintf(stderr, "lacuna generate: not drawn, since the model has learned too little of them: %s\n", names.c_str());
}

Result<std::vector<Order>> orders_of(const Config& config, const Arguments& arguments, GenerationPlan plan) {
  auto asked = patients(config, arguments);
  if (!asked.ok()) return asked.status();
  std::vector<Order> out;
  Status nothing_left;
  for (std::size_t i = 0; i < asked->size(); ++i) {
    streaming::ImputeRequest& request = (*asked)[i];
    plan.seed = arguments.seed.value_or(request.samples > 0 ? request.seed : 1);
    auto what = prepare(*config.schema, plan, std::move(request.snapshot), i);
    if (what.code() == Code::not_found) {
      nothing_left = what.status();
      continue;
    }
    if (!what.ok()) {
      const std::string where = asked->size() > 1 ? "patient number " + std::to_string(i + 1) + ": " : "";
      return Status(what.code(), where + what.status().message());
    }
    out.push_back({std::move(*what), arguments.count.value_or(std::max<std::size_t>(1, request.samples))});
  }
  // A wrong question where nobody is left; of a file with many, some are complete.
  if (out.empty()) return Status(Code::invalid, nothing_left.message());
  if (const std::size_t complete = asked->size() - out.size(); complete > 0) {
    std::fprintf(stderr, "lacuna generate: %zu of %zu patients left out, of whom nothing is left to draw (--features, --hide)\n", complete,
                 asked->size());
  }
  return out;
}

/// Silent unless somebody watches and it takes long.
class SampleProgress {
 public:
  explicit SampleProgress(std::uint64_t total) : total_(total), bar_("generate", "samples") {}
  void add(std::uint64_t samples) {
    done_ += samples;
    const bool is_long = std::chrono::steady_clock::now() - start_ > std::chrono::seconds(2);
    if (is_long && isatty(STDERR_FILENO) == 1) bar_.update(done_, total_);
  }

 private:
  const std::uint64_t total_;
  std::uint64_t done_ = 0;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  ProgressBar bar_;
};

Status write(const Config& config, const Arguments& arguments, const model::ModelVersion& version, const std::vector<Order>& orders,
             CheckedOutput& out) {
  const GenerationFormat format = arguments.format == "csv" ? GenerationFormat::csv : GenerationFormat::ndjson;
  const GenerationRows rows(*config.schema, format, version.id());
  GenerationSummary summary(*config.schema);
  std::uint64_t total = 0;
  for (const Order& order : orders) total += order.count;
  SampleProgress progress(total);
  if (!arguments.summary) out << rows.header();
  for (const Order& order : orders) {
    LACUNA_RETURN_IF_ERROR(generate(version, order.what, order.count, [&](const GeneratedPiece& piece) {
      if (arguments.summary) summary.add(order.what, piece);
      else out << rows.rows(order.what, piece);
      progress.add(piece.factual.count());
      return out ? Status() : out.finish();
    }));
    summary.end_patient();
  }
  if (arguments.summary) out << summary.text(format, version.id(), orders.front().what.two_arms);
  return out.finish();
}

int fail(const Status& status) {
  std::fprintf(stderr, "lacuna generate: %s\n", status.message().c_str());
  return status.code() == Code::invalid ? kExitConfiguration : kExitFailed;
}

/// Until the last release --set was the intervention.
int refuse_set(const Schema& schema, const std::string& text) {
  const std::string name = text.substr(0, text.find('='));
  const std::size_t dot = name.find('.');
  const std::string section = name.substr(0, dot), last = dot == std::string::npos ? "" : name.substr(dot + 1);
  const ModalityId modality = schema.find_modality(section);
  // A modality may bear the name of a section.
  const std::vector<KeyInfo> keys = config_keys();
  const bool a_section = std::any_of(keys.begin(), keys.end(), [&](const KeyInfo& key) { return key.key.starts_with(section + "."); });
  const bool feature = modality != kNoModality && (!a_section || schema.find_feature(modality, last));
  if (!feature && section != "attribute" && section != "attributes") return kExitOk;
  std::fprintf(stderr, "lacuna generate: --set is for the configuration, and %s is of a patient: --intervene %s asks what would be\n",
               name.c_str(), text.c_str());
  return kExitConfiguration;
}

int run(const Arguments& arguments) {
  if (const ConfigOutcome file = load_config(arguments.config.path, {}); file.config) {
    for (const std::string& text : arguments.config.overrides) {
      if (const int code = refuse_set(*file.config->schema, text); code != kExitOk) return code;
    }
  }
  const std::optional<Config> config = arguments.config.load();
  if (!config) return kExitConfiguration;
  if (!set_up_logging(*config)) return kExitConfiguration;
  auto plan = plan_of(*config->schema, arguments);
  if (!plan.ok()) return fail(plan.status());
  const auto version = open_newest_checkpoint(*config);
  if (!version.ok()) return fail(version.status());
  plan->uninformed = uninformed(*config, **version);
  say_what_is_left_out(*config->schema, plan->uninformed);
  auto orders = orders_of(*config, arguments, std::move(*plan));
  if (!orders.ok()) return fail(orders.status());
  std::optional<CheckedOutput> file;
  if (arguments.output != "-") file.emplace(arguments.output);
  const Status done = write(*config, arguments, **version, *orders, file ? *file : standard_output());
  return done.ok() ? kExitOk : fail(done);
}

}  // namespace

void add_generate(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("generate", "Draw synthetic patients, the missing of a patient, or what would be if a value were another");
  command->footer(
      "Draws jointly from the newest model in data_dir: what depends on each other stays so. Works beside a running daemon and writes\n"
      "nothing into data_dir. Without --given and --patient nothing is known: synthetic patients, which are the more like real ones the\n"
      "more attributes they are given. A given patient's values are kept, and what is not known is drawn, once a sample.\n\n"
      "--intervene asks what the others become: each sample is drawn twice under the same noise, with the patient as it is (arm "
      "`observed`)\n"
      "and with the value set now (arm `set`), so that the arms differ by the intervention alone. It shows what the model has learned\n"
      "goes together; that is not what a treatment would do.\n\n"
      "NDJSON: one object a sample and arm, what was drawn under `values`, what was given under `known`, the\n"
      "number of the patient among those given under `given`. CSV: a column a feature, known ones named in the column `known`, without\n"
      "images, texts, signals and embeddings. Each row\n"
      "says imputed and generated, and is refused as an event. What is drawn for a patient is patient data.\n\n"
      "Examples:\n"
      "  lacuna generate -c ward.yaml -n 1000 --later 24h --format csv -o synthetic.csv\n"
      "  lacuna generate -c ward.yaml -n 20 --attribute sex=female --features vitals\n"
      "  lacuna generate -c ward.yaml --patient 132539 --hide blood_gas -n 100\n"
      "  lacuna generate -c ward.yaml --given patient.json --intervene vitals.map=50 \\\n"
      "      --features blood_gas -n 200 --summary\n"
      "  lacuna generate -c ward.yaml --given - < patients.ndjson \\\n"
      "      --intervene 'chemistry.creatinine=300 umol/L' --intervene attribute.age=80");
  arguments->config.add_to(*command)->required();
  add_old_name(*command, "--override", "--set", [arguments](const std::string& text) { arguments->config.overrides.push_back(text); });
  command->add_option("-n,--count", arguments->count, "Samples a patient (default 1)")->check(CLI::Range(1, 100'000'000));
  CLI::Option* given = command->add_option("--given", arguments->given,
                                           "Patients as POST /v1/impute takes them: one JSON object, or one a line; - for standard input");
  command->add_option("--patient", arguments->patients, "A patient of the store in data_dir, by id (repeatable)")
      ->allow_extra_args(false)
      ->excludes(given);
  command->add_option("--intervene", arguments->intervene, "What would be: modality.feature=value or attribute.name=value (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--attribute", arguments->attributes, "An attribute of every patient, in both arms: name=value (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--hide", arguments->hide, "Modalities to treat as never measured, by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--features", arguments->features,
                   "Draw these only, known or not: features, modalities, all, by commas (default: what is not known); images, "
                   "texts, signals and embeddings only where they are not known")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--later", arguments->later, "So long after the patient's newest time; of synthetic ones, after their first")
      ->capture_default_str();
  command->add_flag("--summary", arguments->summary,
                    "Instead of samples, per feature: mean of each arm, and of the difference with its standard error");
  command->add_option("--format", arguments->format, "ndjson | csv")->check(CLI::IsMember({"ndjson", "csv"}))->capture_default_str();
  command->add_option("-o,--output", arguments->output, "File to write; - is standard output")->capture_default_str();
  command->add_option("--seed", arguments->seed, "The same seed, model and patient give the same samples (default 1)");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace lacuna::daemon
