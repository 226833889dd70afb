#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

namespace lacuna::daemon {

/// The token in a file: its first line, 16 to 512 visible ASCII characters. `invalid` names what is wrong, never the content.
Result<std::string> read_token(const std::string& path);

/// Takes as long whatever differs, so that nobody can feel a way to the token byte by byte.
bool same_token(std::string_view expected, std::string_view given);

/// Of "Bearer TOKEN"; empty for anything else.
std::string_view bearer_of(std::string_view authorization);

}  // namespace lacuna::daemon
