#include "daemon/pipeline/store_quarantine.h"

#include <spdlog/spdlog.h>

#include <filesystem>

#include "state/store.h"

namespace lacuna::daemon {

std::string store_folder(const Config& config) { return config.data_dir + "/state"; }

Status quarantine_store(const Config& config, const Status& why) {
  const auto aside = state::quarantine(store_folder(config));
  if (!aside.ok()) return aside.status();
  spdlog::error("the local store is damaged ({}): set aside as {}, to be rebuilt from the log", why.message(), *aside);
  return {};
}

std::size_t count_quarantined_stores(const Config& config) {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(config.data_dir, error)) {
    if (entry.path().filename().string().starts_with("state.damaged-")) ++count;
  }
  return count;
}

}  // namespace lacuna::daemon
