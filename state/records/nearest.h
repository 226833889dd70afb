#pragma once

#include <string>
#include <string_view>
#include <vector>

// What somebody may have meant who wrote a name that is not known.

namespace lacuna {

/// The nearest of `known` within a typing error or two; empty when none is near, or the word is longer than anybody mistypes.
std::string nearest(std::string_view word, const std::vector<std::string>& known);
/// "; did you mean X?" or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace lacuna
