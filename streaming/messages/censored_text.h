#pragma once

#include <optional>
#include <string_view>

#include "state/records/comparator.h"

namespace lacuna::streaming {

/// Takes the comparator off the beginning of what a laboratory writes ("<5", ">= 200", "≤0.3", "less than 5"), with the blanks after it;
/// empty, and `text` as it was, where it has none.
std::optional<Comparator> take_comparator(std::string_view& text);

}  // namespace lacuna::streaming
