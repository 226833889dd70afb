#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/drift/monitor.h"
#include "model/options.h"
#include "state/records/schema.h"
#include "state/records/status.h"
#include "state/records/subgroups.h"
#include "state/store.h"
#include "streaming/files/input_files.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/event_decoder.h"

// The whole configuration of a deployment, read from YAML and validated before anything starts. configs/reference.yaml
// documents every key with unit, range and default; a test holds the two against each other.

namespace lacuna::daemon {

enum class LogKind : std::uint8_t { embedded, kafka };
/// What the namespace of an event's person is.
enum class NamespaceSource : std::uint8_t { none, topic, site };
/// How much of the predictive distribution of a missing payload is published.
enum class PayloadDetail : std::uint8_t { none, summary, whole };
/// What is published of a feature of which the serving model has learned too little.
enum class Uninformed : std::uint8_t { omit, range };
/// What the records of a topic are.
enum class EventFormat : std::uint8_t { json, hl7v2 };
enum class OnCritical : std::uint8_t { nothing, freeze, adapt };

struct Config {
  std::string instance = "lacuna-0";  ///< stable name: transactional.id, changelog of models
  std::string data_dir = "lacuna-data";

  struct Log {
    LogKind kind = LogKind::embedded;
    std::string group = "lacuna";
    streaming::KafkaOptions kafka;
    streaming::EmbeddedOptions embedded;  ///< path empty: <data_dir>/log
    std::int32_t partitions = 4;          ///< of topics that have to be made
    std::int32_t replication = 1;         ///< kafka only
    bool create_topics = true;
  } log;

  struct Topics {
    std::vector<std::string> events{"lacuna.events"};
    std::map<std::string, EventFormat> formats;  ///< of those of `events` that say one; a record's content-type says it first
    /// Of an entry of `events`, as what replay and simulate write.
    bool holds_json(const std::string& entry) const {
      const auto format = formats.find(entry);
      return format == formats.end() || format->second == EventFormat::json;
    }
    std::string imputations = "lacuna.imputations";
    std::string alerts = "lacuna.alerts";
    std::string dead_letters = "lacuna.dead-letters";
    std::string state = "lacuna.state";
    std::string model = "lacuna.model";
    std::string transfers = "lacuna.transfers";
    std::string control = "lacuna.control";
  } topics;

  struct Batch {
    std::size_t max_events = 2000;
    Millis max_delay{200};
  } batch;

  streaming::CodecLimits limits;
  Millis late_max{std::chrono::hours(72)};  ///< lateness.max: older than the patient's newest event by more: dead letter

  Millis identity_horizon{std::chrono::hours(24 * 30)};  ///< identity.horizon: so much of a patient's clinical time ids are remembered
  std::uint64_t identity_ids_max = 100'000;              ///< identity.ids_max: and so many of a patient
  std::size_t state_history = 16;                        ///< state.history: recent results of a feature that a correction reaches exactly
  std::size_t state_payloads = 1;                        ///< state.payloads: of each modality, kept beside the newest one
  NamespaceSource identity_namespace = NamespaceSource::none;  ///< identity.namespace
  bool identity_forward = false;                               ///< identity.forward

  model::ModelOptions model;
  model::TrainOptions train;
  model::PredictOptions predict;
  std::string imputation_features = "missing_or_stale";        ///< which are published: missing_or_stale | never_measured
  PayloadDetail imputation_payloads = PayloadDetail::summary;  ///< imputation.payloads
  bool imputation_explain = false;                             ///< imputation.explain
  bool imputation_latent = false;                              ///< imputation.latent
  /// imputation.observations_min: of which the serving version must have learned before a feature or payload is imputed, or scored
  std::uint64_t observations_min = 10;
  Uninformed uninformed = Uninformed::omit;  ///< imputation.uninformed
  double score_share = 1.0;                  ///< scores.share: share of arriving values that are predicted before, by patient hash
  /// calibration.hidden_share: share of the scored moments that are predicted once more, as if what arrived had never been measured
  double hidden_share = 0.02;
  double score_window = 5000;                   ///< scores.window: values per feature in the recent columns
  std::vector<std::string> subgroups_together;  ///< subgroups.together: each is attributes joined by '+', as Subgroups::make takes them
  std::uint64_t subgroup_patients_min = 60;     ///< subgroups.patients_min: of smaller groups nothing is told
  Millis checkpoint_every{std::chrono::minutes(5)};
  std::size_t checkpoints_kept = 3;
  Millis checkpoint_publish_every{std::chrono::hours(1)};  ///< to topics.model, and at a stop

  Millis rebuild_after{std::chrono::hours(24)};  ///< store.rebuild_after: see Restore::Wiped::too_old

  state::StoreOptions store;  ///< path is <data_dir>/state
  drift::MonitorOptions alerts;
  struct AlertResponseOptions {  ///< while a critical alert is open
    OnCritical on_critical = OnCritical::freeze;
    int adapt_factor = 4;                      ///< of the gradient steps an example pays for
    Millis react_for{std::chrono::hours(24)};  ///< of clinical time, from its detection on, that one alert acts for
  } alert_response;

  struct Http {
    bool enabled = true;
    std::string address = "127.0.0.1";
    int port = 9464;  ///< 0: any free one, printed at start
    std::size_t body_bytes_max = 1 << 20;
    std::string token_file;  ///< of calls that change anything; empty: there are none
  } http;

  struct Logging {
    std::string level = "info";   ///< trace debug info warn error
    std::string format = "text";  ///< text | json
  } logging;

  Millis shutdown_timeout{std::chrono::seconds(30)};

  std::shared_ptr<const Schema> schema;
  streaming::hl7::FeedOptions hl7;                ///< what hospital messages mean, with what codes_file has
  std::string hl7_codes_file;                     ///< hl7.codes_file; empty: there is none
  std::optional<streaming::FileMapping> mapping;  ///< "input": how replay and evaluate read files of this deployment
};

/// One thing that is wrong, where it stands, 1-based.
struct ConfigProblem {
  std::string file;
  int line = 0;
  int column = 0;
  std::string key;      ///< dotted path: "train.batch_size"
  std::string message;  ///< what is wrong and what would be right
};

struct ConfigOutcome {
  std::optional<Config> config;         ///< set exactly when `problems` is empty
  std::vector<ConfigProblem> problems;  ///< all of them, in file order
};

/// Names of the features and payload modalities that take any number, or any beyond one side: where one wrong value, or a mark for missing
/// that nobody declared, is a measurement. By position, features first.
std::vector<std::string> open_ranges(const Schema& schema);

/// The groups for which errors and coverage are told; everybody alone where there is no schema.
Subgroups subgroups_of(const Config& config);

/// The topics that a deployment reads and writes, as they are made where they are missing; patterns are left out.
std::vector<streaming::TopicSpec> topics_to_make(const Config& config);
/// `not_found`: that one of these is missing, and what to do about it where log.create_topics is off. `key`: "topics.state"; `with`: its
/// partitions, in words.
Status missing_topic(const Config& config, const std::string& topic, const std::string& key, std::int32_t partitions,
                     const std::string& with);

/// Never throws. `overrides` are "key.path=value" from the command line, applied after the file.
ConfigOutcome load_config(const std::string& path, const std::vector<std::string>& overrides = {});
ConfigOutcome parse_config(const std::string& text, const std::string& name, const std::vector<std::string>& overrides = {});

/// A file mapping alone (`replay --mapping FILE`): the same keys as under "input".
struct MappingOutcome {
  std::optional<streaming::FileMapping> mapping;
  std::vector<ConfigProblem> problems;
};
MappingOutcome load_mapping(const std::string& path, const Schema& schema);

/// "configs/x.yaml:12:3: train.batch_sise: unknown key; did you mean batch_size?"
std::string format_problem(const ConfigProblem& problem);

/// Every documented key with its unit, range, default: for `lacuna check --keys` and the test of configs/reference.yaml.
struct KeyInfo {
  std::string key;
  std::string type;
  std::string range;
  std::string default_value;
  std::string doc;
};
std::vector<KeyInfo> config_keys();

}  // namespace lacuna::daemon
