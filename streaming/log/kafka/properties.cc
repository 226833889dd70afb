#include "streaming/log/kafka_properties.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "state/records/nearest.h"
#include "streaming/log/kafka/handles.h"

namespace lacuna::streaming {

namespace {

/// Exactly-once and the equal placement of keys rest on these, so the operator cannot set them.
constexpr std::array<std::string_view, 12> kReserved = {
    "bootstrap.servers",  "metadata.broker.list",     "group.id",    "transactional.id",     "isolation.level",        "enable.auto.commit",
    "enable.idempotence", "enable.auto.offset.store", "partitioner", "enable.partition.eof", "transaction.timeout.ms", "acks"};
/// To set it is to load what it names.
constexpr std::string_view kPlugins = "plugin.library.paths";

/// The first column of the table that librdkafka prints of itself.
std::vector<std::string> known_properties() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const table = open_memstream(&text, &size);
  if (table == nullptr) return {};
  rd_kafka_conf_properties_show(table);
  std::fclose(table);
  std::vector<std::string> out;
  for (std::string_view rest(text, size); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string_view name = line.substr(0, line.find_first_of(" |"));
    if (line.find('|') != std::string_view::npos && name != "Property" && !name.starts_with("--")) out.emplace_back(name);
  }
  std::free(text);
  return out;
}

}  // namespace

std::optional<std::string> kafka_property_problem(const std::string& name, const std::string& value) {
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) return "is set by the log itself";
  if (name == kPlugins) return std::nullopt;
  const kafka::Conf conf(rd_kafka_conf_new());
  switch (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), nullptr, 0)) {
    case RD_KAFKA_CONF_OK: return std::nullopt;
    case RD_KAFKA_CONF_UNKNOWN: return "librdkafka has no such property" + did_you_mean(name, known_properties());
    default: return "librdkafka does not take this value";
  }
}

}  // namespace lacuna::streaming
