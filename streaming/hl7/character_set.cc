#include "streaming/hl7/character_set.h"

#include <iconv.h>

#include <cctype>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace lacuna::streaming::hl7 {

namespace {

struct Name {
  const char* written;  ///< in capitals, letters and digits alone
  const char* iconv;
};

// HL7's table 0211, and what DICOM and senders call the same.
constexpr Name kNames[] = {{"", ""},
                           {"ASCII", ""},
                           {"USASCII", ""},
                           {"ISOIR6", ""},
                           {"UNICODE", ""},
                           {"UNICODEUTF8", ""},
                           {"UTF8", ""},
                           {"ISOIR192", ""},
                           {"88591", "ISO-8859-1"},
                           {"ISO88591", "ISO-8859-1"},
                           {"ISOIR100", "ISO-8859-1"},
                           {"LATIN1", "ISO-8859-1"},
                           {"88592", "ISO-8859-2"},
                           {"ISO88592", "ISO-8859-2"},
                           {"88593", "ISO-8859-3"},
                           {"88594", "ISO-8859-4"},
                           {"88595", "ISO-8859-5"},
                           {"88596", "ISO-8859-6"},
                           {"88597", "ISO-8859-7"},
                           {"88598", "ISO-8859-8"},
                           {"88599", "ISO-8859-9"},
                           {"885915", "ISO-8859-15"},
                           {"ISO885915", "ISO-8859-15"},
                           {"WINDOWS1252", "CP1252"},
                           {"CP1252", "CP1252"},
                           {"ISOIR14", "JIS_X0201"},
                           {"ISOIR87", "ISO-2022-JP"},
                           {"ISOIR159", "ISO-2022-JP-2"},
                           {"GB180302000", "GB18030"},
                           {"KSX1001", "EUC-KR"},
                           {"CNS116431992", "EUC-TW"},
                           {"BIG5", "BIG5"}};

std::string letters_and_digits(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) out.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return out;
}

std::optional<std::string> iconv_name(std::string_view name) {
  const std::string plain = letters_and_digits(name);
  for (const Name& known : kNames) {
    if (plain == known.written) return known.iconv;
  }
  return std::nullopt;
}

iconv_t open_handle(const std::string& name) { return iconv_open("UTF-8", name.c_str()); }
bool is_open(iconv_t handle) { return handle != reinterpret_cast<iconv_t>(-1); }

}  // namespace

void CharacterSet::Close::operator()(void* handle) const { iconv_close(handle); }

CharacterSet::CharacterSet(std::string iconv_name) : name_(std::move(iconv_name)) {
  if (name_.empty()) return;
  const iconv_t handle = open_handle(name_);
  if (is_open(handle)) handle_.reset(handle);
}

bool CharacterSet::to_utf8(std::string_view bytes, std::string& out) {
  const std::size_t before = out.size();
  if (is_utf8()) {
    out += bytes;
    return hl7::is_utf8(bytes);
  }
  if (handle_ == nullptr) return false;
  iconv(handle_.get(), nullptr, nullptr, nullptr, nullptr);  // to its first state
  std::string copy(bytes);                                   // iconv's input is not const
  char* from = copy.data();
  std::size_t left = copy.size();
  char block[4096];
  while (left > 0) {
    char* to = block;
    std::size_t room = sizeof block;
    const std::size_t done = iconv(handle_.get(), &from, &left, &to, &room);
    out.append(block, sizeof block - room);
    if (done == static_cast<std::size_t>(-1) && room == sizeof block) {
      out.resize(before);
      return false;
    }
  }
  return true;
}

CharacterSet* CharacterSets::find(std::string_view names, char repetition) {
  constexpr std::size_t kRemembered = 64, kBytesMax = 128;
  const auto known = sets_.find(names);
  if (known != sets_.end()) return &known->second;
  if (names.size() > kBytesMax || sets_.size() >= kRemembered) return nullptr;
  std::string chosen;
  for (std::size_t begin = 0; begin <= names.size() && chosen.empty();) {
    std::size_t end = repetition == '\0' ? std::string_view::npos : names.find(repetition, begin);
    if (end == std::string_view::npos) end = names.size();
    const auto name = iconv_name(names.substr(begin, end - begin));
    if (!name) return nullptr;
    if (letters_and_digits(names.substr(begin, end - begin)).find("UTF8") != std::string::npos) break;
    chosen = *name;
    begin = end + 1;
  }
  if (!chosen.empty()) {
    const iconv_t handle = open_handle(chosen);
    if (!is_open(handle)) return nullptr;
    iconv_close(handle);
  }
  return &sets_.emplace(std::string(names), CharacterSet(chosen)).first->second;
}

bool is_ascii(std::string_view text) {
  constexpr std::uint64_t kHigh = 0x8080808080808080ULL;
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 32; at += 32, left -= 32) {
    std::uint64_t words[4];
    std::memcpy(words, at, sizeof words);
    if (((words[0] | words[1] | words[2] | words[3]) & kHigh) != 0) return false;
  }
  unsigned char any = 0;
  for (; left > 0; ++at, --left) any |= static_cast<unsigned char>(*at);
  return any < 0x80;
}

bool is_utf8(std::string_view text) {
  if (is_ascii(text)) return true;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) return false;
    }
    const auto second = size > 1 ? static_cast<unsigned char>(text[i + 1]) : 0x80U;
    const bool bad = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
                     (lead == 0xf4 && second > 0x8f);
    if (bad) return false;
    i += size;
  }
  return true;
}

}  // namespace lacuna::streaming::hl7
