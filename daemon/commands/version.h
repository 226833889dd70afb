#pragma once

#include <string>

namespace lacuna::daemon {

/// "0.1.0".
std::string project_version();

/// What --version prints, two lines without the last one's end: "lacuna 0.1.0, commit 0123456789ab" ("-dirty" behind it where the tree had
/// changes, "unknown" where it was no clone), and the libraries on which results rest, as those that are loaded say of themselves.
std::string version_text();

}  // namespace lacuna::daemon
