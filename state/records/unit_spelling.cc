#include "state/records/unit_spelling.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>
#include <utility>

#include "state/records/ucum.h"
#include "state/records/unit_words.h"

namespace lacuna {
namespace {

using unit_words::kAsWritten;
using unit_words::kBases;
using unit_words::kCapitalCounts;
using unit_words::kCounts;
using unit_words::kExact;
using unit_words::kPrefixes;
using unit_words::kSigns;
using unit_words::kSuffixes;
using unit_words::kWhole;
using unit_words::kWords;
using unit_words::Word;

constexpr std::size_t kSpellingBytesMax = 48;
constexpr std::size_t kReadingsMax = 16;

using Readings = std::vector<std::string>;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string without_spaces(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t'; });
  return out;
}

const Word* find(std::span<const Word> words, std::string_view spelling) {
  const auto at = std::ranges::find(words, spelling, &Word::spelling);
  return at == words.end() ? nullptr : &*at;
}

void add(Readings& out, const Word& word, std::string_view prefix = {}) {
  if (word.code.empty()) return;
  out.push_back(std::string(prefix) + std::string(word.code));
  if (!word.other.empty()) out.push_back(std::string(prefix) + std::string(word.other));
}

/// The sign of ASCII that is meant where `text` begins with one of double width, as Japanese laboratories write units; 0: with another.
char narrow(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xef') return 0;
  const auto lead = static_cast<unsigned char>(text[1]), last = static_cast<unsigned char>(text[2]);
  if (lead == 0xbc && last >= 0x81 && last <= 0xbf) return static_cast<char>(last - 0x60);
  if (lead == 0xbd && last >= 0x80 && last <= 0x9e) return static_cast<char>(last - 0x20);
  return 0;
}

/// Empty where a sign remains that is none of ASCII's.
std::optional<std::string> to_ascii(std::string_view text) {
  std::string out;
  bool lifted = false;
  while (!text.empty()) {
    const auto sign = std::ranges::find_if(kSigns, [&](const Word& w) { return text.starts_with(w.spelling); });
    if (sign != std::end(kSigns)) {
      // Of "10\u207b\u2079" the first sign alone lifts what follows.
      out += sign->code.substr(lifted && sign->code.starts_with('^') ? 1 : 0);
      lifted = sign->code.starts_with('^');
      text.remove_prefix(sign->spelling.size());
      continue;
    }
    if (const char one = narrow(text); one != 0) {
      out += one;
      lifted = false;
      text.remove_prefix(3);
      continue;
    }
    if (const unsigned char c = static_cast<unsigned char>(text.front()); c < 32 || c > 126) return std::nullopt;
    out += text.front();
    lifted = false;
    text.remove_prefix(1);
  }
  const auto begin = out.find_first_not_of(' ');
  if (begin == std::string::npos) return std::nullopt;
  out = out.substr(begin, out.find_last_not_of(' ') + 1 - begin);
  if (out.size() > 1 && out.back() == '.') out.pop_back();
  return out;
}

bool is_volume(std::string_view code) {
  const auto unit = read_ucum(code);
  return unit && unit->kinds.empty() && unit->dimension == UnitDimension{{3}};
}

/// Of a UCUM code that hospitals use, and that is itself.
bool stands_for_itself(std::string_view code) {
  const auto unit = read_ucum(code);
  return unit && unit->kinds.empty() && !unit->improbable && code != "m" && code != "k" && code != "K";
}

/// "min-1", "mm^3": the symbol and the exponent.
std::pair<std::string_view, std::string> split_exponent(std::string_view token) {
  const std::size_t digits = token.find_last_not_of("0123456789");
  if (digits == std::string_view::npos || digits + 1 == token.size()) return {token, {}};
  const std::string_view number = token.substr(digits + 1);
  std::size_t end = digits + 1;
  std::string sign;
  if (token[end - 1] == '-') sign = "-", --end;
  if (end > 0 && token[end - 1] == '^') --end;
  return {token.substr(0, end), sign + std::string(number)};
}

/// What a factor stands above: where it counts in a volume, "K" is a thousand, and above a litre "G" is 10*9.
enum class Above : std::uint8_t { nothing, volume, litre };

Readings read_factor(std::string_view token, Above above) {
  if (token.empty()) return {};
  if (token.front() == '{' && token.back() == '}') return {std::string(token)};
  Readings out;
  if (stands_for_itself(token)) return {std::string(token)};
  const std::string low = lower(token);
  if (const Word* word = find(kAsWritten, token)) {
    add(out, *word);
    return out;
  }
  if (const Word* word = find(kCapitalCounts, token); word != nullptr && above == Above::litre) add(out, *word);
  if (const Word* word = find(kCounts, low); word != nullptr && above != Above::nothing) add(out, *word);
  if (const Word* word = find(kWords, low)) add(out, *word);
  for (const Word& prefix : kPrefixes) {
    if (!std::string_view(low).starts_with(prefix.spelling)) continue;
    if (const Word* base = find(kBases, std::string_view(low).substr(prefix.spelling.size()))) add(out, *base, prefix.code);
  }
  if (low != token && stands_for_itself(low) && read_ucum(token)) out.push_back(low);
  if (!out.empty()) return out;
  if (const auto [symbol, exponent] = split_exponent(token); !exponent.empty() && !symbol.empty()) {
    for (const std::string& reading : read_factor(symbol, Above::nothing)) {
      if (reading.find_first_of("0123456789{") == std::string::npos) out.push_back(reading + exponent);
    }
  }
  return out;
}

struct Product {
  std::vector<std::string> above, below;
};

std::vector<std::string> split_factors(std::string_view text) {
  std::vector<std::string> out;
  std::string one;
  for (const char c : text) {
    if (c != '.' && c != '*') {
      one += c;
      continue;
    }
    out.push_back(without_spaces(std::exchange(one, {})));
  }
  out.push_back(without_spaces(one));
  return out;
}

/// Stands for a point that joins no factors.
constexpr char kPoint = '\x01';

/// "1.73 m2" divides as what it is, a person's surface by agreement.
std::string mark_surface(std::string text) {
  const std::size_t at = std::min(text.find("1.73"), text.find("1,73"));
  if (at == std::string::npos) return text;
  const std::string rest = without_spaces(lower(std::string_view(text).substr(at + 4)));
  for (const std::string_view surface : {"m2", "_m2", "m^2", "sqm", "m*2"}) {
    if (rest == surface) return text.substr(0, at) + "{1" + kPoint + "73_m2}";
  }
  return text;
}

/// Empty where a factor is missing.
std::optional<Product> split_product(const std::string& text) {
  Product out;
  std::size_t begin = 0;
  for (bool first = true; begin <= text.size(); first = false) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    for (std::string& factor : split_factors(std::string_view(text).substr(begin, end - begin))) {
      std::ranges::replace(factor, kPoint, '.');
      if (!factor.empty()) (first ? out.above : out.below).push_back(std::move(factor));
      else if (!first || end == text.size()) return std::nullopt;
    }
    begin = end + 1;
  }
  return out;
}

/// Each of `so_far` with each of `next`.
Readings joined(const Readings& so_far, std::string_view sign, const Readings& next) {
  Readings out;
  for (const std::string& left : so_far) {
    for (const std::string& right : next) {
      if (out.size() < kReadingsMax) out.push_back(left + std::string(left.empty() && sign == "." ? "" : sign) + right);
    }
  }
  return out;
}

Readings read_product(const Product& product) {
  Readings below{""};
  Above above_what = Above::nothing;
  const auto note = [&above_what](const Readings& read) {
    if (std::ranges::any_of(read, [](const std::string& r) { return r == "L" || r == "l"; })) above_what = Above::litre;
    else if (std::ranges::any_of(read, is_volume)) above_what = Above::volume;
  };
  for (const std::string& factor : product.below) {
    const Readings read = read_factor(factor, Above::nothing);
    note(read);
    below = joined(below, "/", read);
  }
  for (const std::string& factor : product.above) {
    const auto [symbol, exponent] = split_exponent(factor);
    if (exponent == "-1") note(read_factor(symbol, Above::nothing));
  }
  Readings above{""};
  for (const std::string& factor : product.above) {
    // Millions or thousandths: only what they are in tells.
    if ((factor == "MU" || factor == "MIU") && above_what == Above::nothing) return {};
    above = joined(above, ".", read_factor(factor, &factor == &product.above.front() ? above_what : Above::nothing));
  }
  Readings out;
  for (const std::string& left : above) {
    for (const std::string& right : below) {
      if (out.size() < kReadingsMax) out.push_back(left + right);
    }
  }
  return out;
}

/// "x10^9/L", "10E3 cells/uL", "10(6)mcL": the power, then the volume.
std::optional<Readings> read_power(std::string_view left) {
  const auto skip = [&left](std::string_view signs) {
    const std::size_t n = std::min(left.find_first_not_of(signs), left.size());
    left.remove_prefix(n);
    return n > 0;
  };
  skip("xX* ");
  if (!left.starts_with("10")) return std::nullopt;
  left.remove_prefix(2);
  if (left.starts_with("exp")) left.remove_prefix(3);
  else if (!skip(" ^*eE(xX")) return std::nullopt;
  const std::size_t digits = std::min(left.find_first_not_of("0123456789"), left.size());
  if (digits == 0 || digits > 2) return std::nullopt;
  const std::string power = "10*" + std::string(left.substr(0, digits));
  left.remove_prefix(digits);
  skip(") ");
  for (const std::string_view counted : {"cells", "cell", "wbc", "rbc", "plt"}) {
    if (lower(left).starts_with(counted)) left.remove_prefix(counted.size());
  }
  skip("/ ");
  Readings out;
  for (const std::string& volume : read_factor(without_spaces(left), Above::nothing)) {
    if (is_volume(volume)) out.push_back(power + "/" + volume);
  }
  return out;
}

/// Takes what says of which kind the amount is, or in what, off the end.
std::string_view cut_suffix(std::string_view text, std::string& kind) {
  const std::string low = lower(text);
  const auto ends_with = [&](std::string_view suffix) {
    if (!std::string_view(low).ends_with(suffix) || low.size() == suffix.size()) return false;
    const char before = low[low.size() - suffix.size() - 1];
    return before == ' ' || before == '(' || before == '%';
  };
  if (text.ends_with(')') && text.find('(') != std::string_view::npos && text.find('(') > 1) {
    std::string inner = lower(text.substr(text.find('(') + 1));
    inner.pop_back();
    if (inner == "feu" || inner == "ddu") {
      kind = inner == "feu" ? "{FEU}" : "{DDU}";
      return text.substr(0, text.find('('));
    }
  }
  for (const std::string_view one : {"feu", "ddu"}) {
    if (!ends_with(one)) continue;
    kind = one == "feu" ? "{FEU}" : "{DDU}";
    return text.substr(0, text.size() - one.size());
  }
  for (const std::string_view suffix : kSuffixes) {
    if (ends_with(suffix) && low != "cm h2o" && low != "mm h2o") return text.substr(0, text.size() - suffix.size());
  }
  return text;
}

/// Codes alone, each once, those of hospitals first.
Readings codes_of(Readings readings, std::string_view spelling) {
  std::erase_if(readings, [&](const std::string& code) { return code == spelling || !read_ucum(code) || is_improbable(code); });
  Readings out;
  for (std::string& code : readings) {
    if (std::ranges::find(out, code) == out.end()) out.push_back(std::move(code));
  }
  std::ranges::stable_partition(out, [](const std::string& code) { return read_ucum(code)->kinds.empty(); });
  return out;
}

Readings read_spelling(std::string_view spelling) {
  const std::optional<std::string> ascii = to_ascii(spelling);
  if (!ascii) return {};
  if (ascii->starts_with('[') && ascii->find_first_of("[]", 1) == ascii->size() - 1) {  // "[mmol/L]", as in a header
    return read_spelling(std::string_view(*ascii).substr(1, ascii->size() - 2));
  }
  Readings out;
  if (const Word* word = find(kExact, without_spaces(*ascii))) {
    add(out, *word);
    return out;
  }
  if (const Word* word = find(kWhole, lower(without_spaces(*ascii)))) {
    add(out, *word);
    return out;
  }
  if (std::optional<Readings> power = read_power(*ascii)) return *power;
  std::string kind;
  std::string text = mark_surface(std::string(cut_suffix(*ascii, kind)));
  if (lower(text).starts_with("per ")) text.replace(0, 4, "/");
  for (std::size_t at; (at = lower(text).find(" per ")) != std::string::npos;) text.replace(at, 5, "/");
  const std::optional<Product> product = split_product(text);
  if (!product) return {};
  out = read_product(*product);
  if (kind.empty()) return out;
  for (std::string& code : out) code.insert(std::min(code.find('/'), code.size()), kind);
  return out;
}

}  // namespace

namespace {

/// A code that says what it means, and not "K/uL", kelvin in so small a volume.
bool is_meant(std::string_view code) {
  const auto unit = read_ucum(code);
  const bool counts = (code.starts_with("K/") || code.starts_with("m/")) && is_volume(code.substr(2));
  return unit && unit->kinds.empty() && !counts && !unit->improbable && find(kExact, code) == nullptr && !is_mixed(code);
}

}  // namespace

bool is_mixed(std::string_view code) {
  bool divides = false;
  int depth = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    depth += c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
    if (depth != 0) continue;
    const bool joins = c == '.' && i + 1 < code.size() && std::string_view("0123456789{").find(code[i + 1]) == std::string_view::npos;
    if (joins && divides) return true;
    divides = divides || c == '/';
  }
  return false;
}

bool is_improbable(std::string_view code) {
  const auto unit = read_ucum(code);
  return unit && unit->improbable;
}

std::vector<std::string> ucum_codes_meant(std::string_view spelling) {
  if (spelling.empty() || spelling.size() > kSpellingBytesMax || is_meant(spelling)) return {};
  return codes_of(read_spelling(spelling), spelling);
}

}  // namespace lacuna
