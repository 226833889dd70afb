#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {

/// The real binary on made-up tables, in a folder of its own: `lacuna init` and `lacuna impute`.
class TableCommand : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{240};

  /// The exit status; what it said, standard output before standard error or mixed, is in output_.
  int lacuna(const std::vector<std::string>& arguments) {
    lacuna::testing::DaemonProcess process(arguments, files_.path("output"));
    const std::optional<int> code = process.wait(kPatience);
    output_ = process.output();
    return code.value_or(-1);
  }

  testing::Files files_;
  std::string output_;
};

}  // namespace lacuna::daemon
