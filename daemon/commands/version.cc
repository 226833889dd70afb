#include "daemon/commands/version.h"

#include "daemon/commands/commit.h"
#include "model/numeric_libraries.h"
#include "state/rocksdb_version.h"
#include "streaming/log/librdkafka_version.h"

namespace lacuna::daemon {

std::string project_version() { return LACUNA_VERSION; }

std::string version_text() {
  return "lacuna " + project_version() + ", commit " + kCommit + "\n" + model::numeric_libraries() + ", librdkafka " +
         streaming::librdkafka_version() + ", RocksDB " + state::rocksdb_version();
}

}  // namespace lacuna::daemon
