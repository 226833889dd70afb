#include "streaming/messages/censored_text.h"

#include <algorithm>
#include <cctype>

namespace lacuna::streaming {

namespace {

struct Spelling {
  std::string_view text;  ///< in small letters
  Comparator comparator;
};

// The longer ones first, of those that begin alike.
constexpr Spelling kSpellings[] = {
    {"<=", Comparator::at_most},
    {"=<", Comparator::at_most},
    {">=", Comparator::at_least},
    {"=>", Comparator::at_least},
    {"<", Comparator::less},
    {">", Comparator::greater},
    {"\u2264", Comparator::at_most},
    {"\u2265", Comparator::at_least},
    // Of double width, of Japan's typesetters, and of web pages.
    {"\uff1c", Comparator::less},
    {"\uff1e", Comparator::greater},
    {"\u2266", Comparator::at_most},
    {"\u2267", Comparator::at_least},
    {"&lt;=", Comparator::at_most},
    {"&gt;=", Comparator::at_least},
    {"&lt;", Comparator::less},
    {"&gt;", Comparator::greater},
    {"lt ", Comparator::less},
    {"gt ", Comparator::greater},
    {"less than ", Comparator::less},
    {"greater than ", Comparator::greater},
    {"more than ", Comparator::greater},
};

bool begins_with(std::string_view text, std::string_view lower) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == static_cast<unsigned char>(b); };
  return text.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text.begin(), [&](char b, char a) { return same(a, b); });
}

}  // namespace

std::optional<Comparator> take_comparator(std::string_view& text) {
  if (text.empty() || (text.front() >= '+' && text.front() <= '9')) return std::nullopt;  // as nearly all numbers begin
  for (const Spelling& one : kSpellings) {
    if (!begins_with(text, one.text)) continue;
    text.remove_prefix(one.text.size());
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return one.comparator;
  }
  return std::nullopt;
}

}  // namespace lacuna::streaming
