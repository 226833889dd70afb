#pragma once

#include <string>

#include "daemon/commands/command_tree.h"

namespace lacuna::daemon {

/// Of "lacuna alerts list": "lacuna-alerts-list", as git's pages are called.
std::string page_name(const CommandNode& command);
/// The page in section 1, for man(1): what --help says of this command, and which commands are above and below it.
std::string manual_page(const CommandNode& command, const std::string& version);

}  // namespace lacuna::daemon
