#include "daemon/commands/version.h"

#include "daemon/commands/commit.h"
#include "model/device.h"
#include "state/store_inspection.h"
#include "streaming/log/kafka_properties.h"

namespace lacuna::daemon {

std::string project_version() { return LACUNA_VERSION; }

std::string version_text() {
  return "lacuna " + project_version() + ", commit " + kCommit + "\n" + model::numeric_libraries() + ", librdkafka " +
         streaming::librdkafka_version() + ", RocksDB " + state::rocksdb_version();
}

}  // namespace lacuna::daemon
