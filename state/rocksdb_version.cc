#include "state/rocksdb_version.h"

#include <rocksdb/version.h>

namespace lacuna::state {

std::string rocksdb_version() { return rocksdb::GetRocksVersionAsString(); }

}  // namespace lacuna::state
