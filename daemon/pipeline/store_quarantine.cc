#include "daemon/pipeline/store_quarantine.h"

#include <spdlog/spdlog.h>

#include <filesystem>

#include "state/store.h"

namespace lacuna::daemon {

Status quarantine_store(const Config& config, const Status& why) {
  const auto aside = state::quarantine(config.store.path);
  if (!aside.ok()) return aside.status();
  spdlog::error("the local store is damaged ({}): set aside as {}, to be rebuilt from the log", why.message(), *aside);
  return {};
}

std::size_t count_quarantined_stores(const Config& config) {
  const std::filesystem::path store = config.store.path;
  const std::string prefix = store.filename().string() + ".damaged-";
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store.parent_path(), error)) {
    if (entry.path().filename().string().starts_with(prefix)) ++count;
  }
  return count;
}

}  // namespace lacuna::daemon
