#include "daemon/config/keys.h"

#include <algorithm>
#include <cctype>

#include "daemon/config/feed_keys.h"
#include "daemon/config/listener_keys.h"
#include "daemon/config/schema_keys.h"
#include "daemon/config/values.h"
#include "streaming/log/kafka_properties.h"

namespace lacuna::daemon {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace values;

constexpr std::uint64_t kKiB = 1ULL << 10;
constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kTiB = 1ULL << 40;
constexpr std::int64_t kMany = 1'000'000'000;

bool is_identifier(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}
bool is_instance(std::string_view text) { return is_identifier(text, 128); }
// "." and ".." are no topic names in Kafka.
bool is_topic(std::string_view text) { return is_identifier(text, 249) && text != "." && text != ".."; }
bool is_topic_or_pattern(std::string_view text) {
  return is_topic(text) || (text.size() > 1 && text.size() <= 1024 && text.front() == '^');
}
bool is_not_empty(std::string_view text) { return !text.empty(); }
bool is_any(std::string_view) { return true; }

const char* const kInstanceRange = "letters, digits, '.', '_', '-'; at most 128";
const char* const kTopicRange = "letters, digits, '.', '_', '-'; at most 249";

// The field of Config that a key sets.
#define FIELD(path) \
  [](Draft & d, const Captures&) -> auto& { return d.config.path; }

/// Takes entries that say their format as well: {topic: adt, format: hl7v2}.
Key event_topics() {
  Key key = texts("topics.events", "topic names, or patterns that start with '^'", is_topic_or_pattern,
                  "Topics to read events from; one whose records are HL7 v2 messages as {topic: NAME, format: hl7v2}. Replay and simulate "
                  "write to the first.",
                  FIELD(topics.events));
  const auto take_names = key.set;
  key.set = [take_names](Draft& d, const Captures& names, const YamlNode& node, const Complain& complain) {
    YamlNode topics = node;
    std::map<std::string, EventFormat> formats;
    for (YamlNode& item : topics.items) {
      if (item.kind != YamlNode::Kind::map) continue;
      const YamlNode entry = item;
      item = {};
      item.place = entry.place;
      const YamlNode* format = nullptr;
      for (const YamlMember& member : entry.members) {
        if (member.key == "topic") item = member.value;
        else if (member.key == "format") format = &member.value;
        else complain(member.place, "expected topic and format, got " + member.key);
      }
      if (format == nullptr) continue;
      const bool known = format->kind == YamlNode::Kind::scalar && (format->text == "json" || format->text == "hl7v2");
      if (!known) complain(format->place, "expected json or hl7v2, got " + got(*format));
      else formats[item.text] = format->text == "json" ? EventFormat::json : EventFormat::hl7v2;
    }
    take_names(d, names, topics, complain);
    d.config.topics.formats = std::move(formats);
  };
  return key;
}

void add_log_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(text("instance", kInstanceRange, is_instance,
           "Stable name of this process: it fences an older one of the same name. Each instance of a group needs its own.",
           FIELD(instance)));
  add(text("data_dir", "a folder", is_not_empty,
           "Where the local state and the embedded log live; made when absent. One process at a time.", FIELD(data_dir)));
  add(integer("seed", 0, std::numeric_limits<std::int64_t>::max(),
              "Of every random draw: initial weights, masking, replay, sampling. The same seed and input give the same output.",
              FIELD(model.seed)));

  add(choice("log.kind", {{"embedded", LogKind::embedded}, {"kafka", LogKind::kafka}},
             "Which event log: embedded keeps it in data_dir (one machine, no broker); kafka uses a cluster.", FIELD(log.kind)));
  add(text("log.group", kTopicRange, is_topic,
           "Consumer group. Instances of one group share the partitions; another group reads everything anew.", FIELD(log.group)));
  add(integer("log.partitions", 1, 10'000, "Partitions of topics that have to be made. Existing topics keep theirs.",
              FIELD(log.partitions)));
  add(integer("log.replication", 1, 100, "Copies of each partition of topics that have to be made; kafka only.", FIELD(log.replication)));
  add(boolean("log.create_topics", "Make missing topics at start. Without it a missing topic ends the start.", FIELD(log.create_topics)));
  add(text("log.embedded.path", "a folder", is_not_empty, "Folder of the embedded log; absent: data_dir/log.", FIELD(log.embedded.path)));
  add(boolean("log.embedded.sync",
              "fsync each commit: survives power loss, not only a crash of the process. Costs about a disk flush a batch.",
              FIELD(log.embedded.sync)));
  add(text("log.kafka.bootstrap_servers", "host:port, comma-separated", is_not_empty, "Where the cluster is first asked for.",
           FIELD(log.kafka.bootstrap_servers)));
  add(duration("log.kafka.transaction_timeout", seconds(1), minutes(15),
               "After this the broker aborts a transaction whose instance is gone; others wait for it as long.",
               FIELD(log.kafka.transaction_timeout)));
  add(duration("log.kafka.request_timeout", seconds(1), minutes(10), "Of administrative calls, flush and commit.",
               FIELD(log.kafka.request_timeout)));

  Key property = text(
      "log.kafka.properties.<property>", "a librdkafka property", is_any,
      "Passed to librdkafka as it is: TLS, SASL, OAuth, tuning. One that librdkafka does not know is refused.",
      [](Draft & d, const Captures& names) -> auto& { return d.config.log.kafka.properties[names[0].name]; });
  // Passwords are among them: what is wrong is said without quoting.
  property.set = [](Draft& d, const Captures& names, const YamlNode& node, const Complain& complain) {
    if (node.kind != YamlNode::Kind::scalar || !is_text(node.text)) return complain(node.place, "expected a text");
    if (const auto problem = streaming::kafka_property_problem(names[0].name, node.text)) return complain(names[0].place, *problem);
    d.config.log.kafka.properties[names[0].name] = node.text;
  };
  add(std::move(property));

  add(event_topics());
  add(text("topics.imputations", kTopicRange, is_topic, "Topic of imputations.", FIELD(topics.imputations)));
  add(text("topics.alerts", kTopicRange, is_topic, "Topic of alerts.", FIELD(topics.alerts)));
  add(text("topics.dead_letters", kTopicRange, is_topic, "Topic of what could not be used, with the reason in headers.",
           FIELD(topics.dead_letters)));
  add(text("topics.state", kTopicRange, is_topic, "Changelog of patient snapshots; its partitions match those of the events.",
           FIELD(topics.state)));
  add(text("topics.model", kTopicRange, is_topic, "Model checkpoints.", FIELD(topics.model)));
  add(text("topics.transfers", kTopicRange, is_topic,
           "What is on its way to the partition where a patient is known: merges, commands, forwarded records. As many partitions as the "
           "events have. Absent: named as topics.state, with `transfers` for `state`.",
           FIELD(topics.transfers)));
  add(text("topics.control", kTopicRange, is_topic,
           "What operators decide, for every instance. One partition. Absent: named as topics.state, with `control` for `state`.",
           FIELD(topics.control)));
}

void add_flow_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(integer("batch.max_events", 1, 100'000, "Events in one transaction. More: higher throughput; fewer: less to do again after a crash.",
              FIELD(batch.max_events)));
  add(duration("batch.max_delay", Millis(1), minutes(1), "How long a batch waits for its first event.", FIELD(batch.max_delay)));
  add(size("limits.message_bytes_max", kKiB, 64 * kMiB, "A larger message goes to the dead letters.", FIELD(limits.message_bytes_max)));
  add(size("limits.payload_bytes", 1, 64 * kMiB, "Of a payload's numbers, or of a text; base64 takes a third more of the message.",
           FIELD(limits.payload_bytes_max)));
  add(integer("limits.id_bytes_max", 1, 4096, "Bytes of event id, patient id and site.", FIELD(limits.id_bytes_max)));
  add(integer("limits.values_max", 1, 1'000'000, "Members of one event's values.", FIELD(limits.values_max)));
  add(duration("limits.past_max", hours(24), hours(24 * 3650 * 100),
               "An event whose clinical time is further back than this is refused: 1900-01-01 is no time.", FIELD(limits.past_max)));
  add(duration("limits.future_max", Millis(0), hours(24 * 3650),
               "An event whose clinical time is further than this past the clock is refused.", FIELD(limits.future_max)));
  add(duration("lateness.max", Millis(0), hours(24 * 365), "An event older than its patient's newest by more than this is refused as late.",
               FIELD(late_max)));
  add(duration("identity.horizon", hours(1), hours(24 * 1000),
               "How much of a patient's clinical time a second delivery is recognised for. An id takes about 16 bytes on the disk.",
               FIELD(identity_horizon)));
  add(integer("identity.ids_max", 64, 10'000'000, "Ids of events and results that are remembered of one patient; the oldest are forgotten.",
              FIELD(identity_ids_max)));
  add(choice("identity.namespace", {{"none", NamespaceSource::none}, {"topic", NamespaceSource::topic}, {"site", NamespaceSource::site}},
             "Within what a patient id is one person: everywhere; the topic of the event; its site, where sites number their patients "
             "independently. A change makes every person a new one.",
             FIELD(identity_namespace)));
  add(boolean(
      "identity.forward",
      "Send a record that lies in another partition than the one its patient id's hash gives to that one, through topics.transfers, "
      "instead of taking it where it lies.",
      FIELD(identity_forward)));
  add(integer("state.history", 1, 1000,
              "Recent results of each feature of a patient that a correction or a withdrawal reaches exactly. Each takes 20 bytes.",
              FIELD(state_history)));
  add(integer(
      "state.payloads", 0, 100,
      "Payloads of each modality that are kept of a patient beside the newest one, so that the one before comes back when the newest is "
      "withdrawn. Each is written once more, with every payload that comes.",
      FIELD(state_payloads)));
}

void add_model_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(integer("model.latent_dim", 1, 1024, "Dimensions of the joint latent code. Fixed for the life of a checkpoint.",
              FIELD(model.latent_dim)));
  add(integer("model.hidden_dim", 8, 8192, "Width of the hidden layers. Fixed for the life of a checkpoint.", FIELD(model.hidden_dim)));
  add(choice(
      "model.fusion",
      {{"mopoe", model::Fusion::mopoe}, {"poe", model::Fusion::poe}, {"moe", model::Fusion::moe}, {"attention", model::Fusion::attention}},
      "How what the modalities say is joined: experts of subsets, all experts, one expert, or attention over the modalities. Fixed for "
      "the life of a checkpoint.",
      FIELD(model.fusion)));
  add(boolean("model.mnar",
              "Model also which values are missing, where high or low values of a feature tend not to be measured. Fixed for the life of a "
              "checkpoint.",
              FIELD(model.mnar)));
  add(choice("model.device", {{"auto", model::Device::automatic}, {"cpu", model::Device::cpu}, {"cuda", model::Device::cuda}},
             "Where the model is computed; auto takes a GPU when there is one.", FIELD(model.device)));
}

void add_train_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(integer("train.batch_size", 1, 65'536, "Examples in a gradient step, fresh and replayed together.", FIELD(train.batch_size)));
  add(number("train.learning_rate", 1e-7, 1, "Step size of the optimiser.", FIELD(train.learning_rate)));
  add(number("train.weight_decay", 0, 1, "Decoupled decay of the weights.", FIELD(train.weight_decay)));
  add(number("train.beta", 0, 100, "Weight of the KL term after the warm-up.", FIELD(train.beta)));
  add(integer("train.kl_warmup_steps", 0, kMany, "Steps over which the KL term rises from zero to beta.", FIELD(train.kl_warmup_steps)));
  add(number("train.gradient_norm_max", 1e-3, 1e6, "Gradients are shortened to this norm.", FIELD(train.gradient_norm_max)));
  add(number("train.hide_cells_min", 0, 0.95, "Least share of the observed cells hidden in a training example.",
             FIELD(train.hide_values_min)));
  add(number("train.hide_cells_max", 0, 0.95, "Largest share; drawn uniformly between the two.", FIELD(train.hide_values_max)));
  add(number("train.hide_modalities", 0, 1, "Probability that whole modalities are hidden as well.", FIELD(train.hide_modalities)));
  add(choice("train.objective",
             {{"stratified", model::Objective::stratified}, {"mopoe", model::Objective::mopoe}, {"mvtcae", model::Objective::mvtcae}},
             "Which subsets of an example's modalities are encoded: all of them and smaller ones; all subsets alike; all of them, drawn "
             "towards what each modality says alone.",
             FIELD(train.objective)));
  add(integer("train.passes", 1, 64, "Subsets of an example's modalities that a step encodes.", FIELD(train.passes)));
  add(number("train.payload_cells", 0.01, 1e6,
             "Observed cells that an image, text, signal or embedding counts for in the objective at most; one of fewer values or words "
             "counts for those.",
             FIELD(train.payload_values)));
  add(number("train.replay_ratio", 0, 0.95, "Share of a batch that is replayed from the past.", FIELD(train.replay_ratio)));
  add(integer("train.examples_per_step", 1, 1'000'000,
              "Fresh examples that pay for one gradient step: fewer learn more from each and cost more time.",
              FIELD(train.examples_per_step)));
  add(integer(
      "train.young_pace", 1, 1000,
      "The first 8192 / young_pace examples that a model ever learns from pay for so many times the steps, later ones for 8192 over "
      "their number times; a step has 8 fresh examples at least. 1: none does.",
      FIELD(train.young_pace)));
  add(integer("train.publish_every_steps", 1, 1'000'000,
              "Steps between two model versions; an eighth of all steps so far, where that is less.", FIELD(train.publish_every_steps)));
  add(integer(
      "train.serve_after", 2, 1'000'000,
      "The version made from a batch serves from the batch that comes so many later: by counts, however fast they come. Reading waits "
      "where the learner is not that far.",
      FIELD(train.serve_after)));
  add(integer("train.queue_examples_max", 1, 10'000'000, "Fresh examples that wait for the trainer; when it is full, consumption waits.",
              FIELD(train.queue_examples_max)));
}

void add_prediction_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(integer("predict.samples", 1, 1024, "Posterior samples behind a prediction.", FIELD(predict.samples)));
  add(number("predict.level", 0.5, 0.999, "Nominal coverage of the intervals; also what the coverage alerts hold them against.",
             FIELD(predict.level)));
  add(choice("imputation.features", {{"missing_or_stale", "missing_or_stale"}, {"never_measured", "never_measured"}},
             "Which features are imputed and published for a changed patient.", FIELD(imputation_features)));
  add(choice("imputation.payloads", {{"none", PayloadDetail::none}, {"summary", PayloadDetail::summary}, {"whole", PayloadDetail::whole}},
             "What is published of missing or stale images, signals, embeddings and texts: nothing; mean and spread of each channel, "
             "or the likeliest words; or every value, about 22 bytes each.",
             FIELD(imputation_payloads)));
  add(integer("imputation.observations_min", 2, 20,
              "Observations of a feature, or of a payload, that the serving model must have learned from before it is imputed or scored: "
              "until then it is warming up.",
              FIELD(observations_min)));
  add(choice("imputation.uninformed", {{"omit", Uninformed::omit}, {"range", Uninformed::range}},
             "What is published of a feature that is warming up: nothing, or its declared range, marked `uninformed`.", FIELD(uninformed)));
  add(boolean("imputation.explain", "Publish with each imputation how much each known modality had to say.", FIELD(imputation_explain)));
  add(boolean("imputation.latent", "Publish with each imputation the patient's latent state: mean and spread of its posterior.",
              FIELD(imputation_latent)));
  add(number("scores.share", 0, 1, "Share of the patients whose arriving values are predicted first and scored.", FIELD(score_share)));
  add(number("calibration.hidden_share", 0, 1,
             "Share of the scored moments that are predicted once more with what arrives hidden, as if it had never been measured: "
             "what is truly missing never tells whether its interval held. Costs that share of the time of scoring.",
             FIELD(hidden_share)));
  add(texts("subgroups.together", "attributes joined by +", is_not_empty,
            "Attributes whose classes or bands divide the patients together, such as sex+age.", FIELD(subgroups_together)));
  add(integer("subgroups.patients_min", 2, kMany, "A group with fewer scored patients is named, and nothing is told of it.",
              FIELD(subgroup_patients_min)));
  add(number("scores.window", 10, 1e9, "Values per feature over which the recent scores forget.", FIELD(score_window)));
}

void add_operation_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(duration("checkpoint.every", seconds(1), hours(24 * 7), "Wall-clock time between two checkpoints of the model.",
               FIELD(checkpoint_every)));
  add(integer("checkpoint.keep", 1, 1000, "Checkpoints kept; older ones are dropped.", FIELD(checkpoints_kept)));
  add(duration("checkpoint.publish_every", seconds(1), hours(24 * 7),
               "Wall-clock time between two checkpoints published to topics.model, from which an instance that lost its disk, or a "
               "new one, starts. A stop publishes one too.",
               FIELD(checkpoint_publish_every)));
  add(size("store.memory", 16 * kMiB, kTiB, "Block cache and write buffers of the local store together.", FIELD(store.memory_bytes_max)));
  add(integer("store.replay_capacity", 1, kMany, "Examples in the replay buffer, over all strata.", FIELD(store.replay_capacity)));
  add(integer("store.replay_strata_max", 1, 4096, "Strata (site x missingness pattern); further ones share the last.",
              FIELD(store.replay_strata_max)));
  add(duration("store.rebuild_after", minutes(1), hours(24 * 365),
               "A partition whose local state is older than this when it comes back is rebuilt from the whole changelog. At most "
               "delete.retention.ms of topics.state.",
               FIELD(rebuild_after)));
  add(number("alerts.false_per_month", 1e-3, 1000, "False alerts to be expected a month, over all subjects together.",
             FIELD(alerts.false_per_month)));
  add(duration("alerts.learning", minutes(1), hours(24 * 90), "Clinical time a subject is watched before it can raise an alert.",
               FIELD(alerts.learning)));
  add(integer("alerts.learning_updates_min", 1, kMany, "And updates.", FIELD(alerts.learning_updates_min)));
#define WEIGHT(kind, help) \
  add(number("alerts.weights." #kind, 0, 1000, help, FIELD(alerts.weights[static_cast<std::size_t>(drift::Kind::kind)])))
  WEIGHT(missingness, "Share of the budget, relative to the others, of whether each modality arrives; 0: not watched.");
  WEIGHT(measured, "Of which features are in the panels that arrive.");
  WEIGHT(pattern, "Of which modalities arrive together.");
  WEIGHT(value, "Of values, given the rest of the patient.");
  WEIGHT(distribution, "Of the first values of a stay, over all patients.");
  WEIGHT(error, "Of how far predictions are off.");
  WEIGHT(coverage, "Of whether the model's own intervals hold.");
  WEIGHT(latent, "Of the latent codes of patients, against a fixed reference.");
  WEIGHT(mix, "Of which patients come, and which classes are observed.");
  WEIGHT(stream, "Of late, duplicate and refused records.");
  WEIGHT(subgroup, "Of whether a group's error or coverage is worse than everybody's.");
#undef WEIGHT
  add(choice("alerts.on_critical", {{"nothing", OnCritical::nothing}, {"freeze", OnCritical::freeze}, {"adapt", OnCritical::adapt}},
             "What is done to learning while a critical alert is open: freeze takes no gradient step, so that the model that serves "
             "stays as it was; adapt takes more of them.",
             FIELD(alert_response.on_critical)));
  add(integer("alerts.adapt_factor", 2, 64, "Under adapt: how many times as many steps each example pays for.",
              FIELD(alert_response.adapt_factor)));
  add(duration("alerts.react_for", minutes(1), hours(24 * 90),
               "Clinical time, from its detection on, for which an open critical alert acts on learning; then learning goes on as usual.",
               FIELD(alert_response.react_for)));
  add(boolean("http.enabled", "Serve metrics, health and the API.", FIELD(http.enabled)));
  add(text("http.address", "an address of this host", is_not_empty,
           "Loopback unless something in front of it authenticates: answers hold patient data.", FIELD(http.address)));
  add(integer("http.port", 0, 65'535, "0: any free one, printed at start.", FIELD(http.port)));
  add(size("http.body_bytes_max", kKiB, 64 * kMiB, "Largest request.", FIELD(http.body_bytes_max)));
  add(text("http.token_file", "a file", is_not_empty,
           "Holds the token (16 to 512 visible characters) that calls which change anything must bring: `Authorization: Bearer "
           "TOKEN`. Read at each such call. Absent: these calls are refused.",
           FIELD(http.token_file)));
  add(choice("logging.level", {{"trace", "trace"}, {"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}},
             "Least severe message that is written. Patient identifiers appear below info only.", FIELD(logging.level)));
  add(choice("logging.format", {{"text", "text"}, {"json", "json"}}, "Lines for people, or one JSON object a line.",
             FIELD(logging.format)));
  add(duration("shutdown.timeout", seconds(1), minutes(60), "How long a stop may take to drain, commit and checkpoint.",
               FIELD(shutdown_timeout)));
}
#undef FIELD

KeyNode& descend(KeyNode& root, std::string_view path) {
  KeyNode* node = &root;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('.'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.front() == '<') {
      if (!node->any) node->any = std::make_unique<KeyNode>();
      node = node->any.get();
    } else {
      node = &node->children[std::string(part)];
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return *node;
}

}  // namespace

const std::vector<Key>& key_table() {
  static const std::vector<Key> table = [] {
    std::vector<Key> keys;
    add_log_keys(keys);
    add_flow_keys(keys);
    add_model_keys(keys);
    add_train_keys(keys);
    add_prediction_keys(keys);
    add_operation_keys(keys);
    add_schema_keys(keys);
    add_input_keys(keys);
    add_feed_keys(keys);
    add_listener_keys(keys);
    return keys;
  }();
  return table;
}

const KeyNode& key_tree() {
  static const KeyNode tree = [] {
    KeyNode root;
    for (const Key& key : key_table()) descend(root, key.path).leaf = &key;
    for (const auto& [path, open] : named_sections()) descend(root, path).open = open;
    for (const auto& [path, open] : feed_sections()) descend(root, path).open = open;
    return root;
  }();
  return tree;
}

std::string written(const Config& config, std::string_view path) {
  Draft draft;
  draft.config = config;
  for (const Key& key : key_table()) {
    if (key.path == path) return key.get(draft, {});
  }
  return {};
}

std::vector<KeyInfo> config_keys() {
  std::vector<KeyInfo> out;
  for (const Key& key : key_table()) out.push_back({key.path, key.type, key.range, key.default_value, key.doc});
  return out;
}

}  // namespace lacuna::daemon
