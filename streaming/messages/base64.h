#pragma once

#include <optional>
#include <string>
#include <string_view>

// Base64 as RFC 4648 section 4 has it.

namespace lacuna::streaming {

/// With padding.
std::string base64_encode(std::string_view bytes);
/// Strict: the standard alphabet, padding where it belongs, unused bits zero, nothing else; so each sequence of bytes has exactly
/// one text. Empty for anything else.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace lacuna::streaming
