#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace lacuna::streaming::hl7 {

/// What MSH-18 says that the bytes of a message are.
class CharacterSet {
 public:
  /// `iconv_name` empty: UTF-8, of which ASCII is a part, so that there is nothing to convert.
  explicit CharacterSet(std::string iconv_name);
  bool is_utf8() const { return name_.empty(); }
  /// Appends `bytes` in UTF-8. False: they are not of this set; `out` is as it was. One thread.
  bool to_utf8(std::string_view bytes, std::string& out);

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  std::string name_;
  std::unique_ptr<void, Close> handle_;  // iconv_t
};

/// The sets of a process' messages, each opened once. One thread.
class CharacterSets {
 public:
  /// `names`: MSH-18 with its repetitions, by HL7's table 0211 and as senders write it ("8859/1", "ISO-8859-1", "UNICODE UTF-8", "utf8").
  /// The first that is more than ASCII decides. Null: a name that is not known, or that this machine does not convert.
  CharacterSet* find(std::string_view names, char repetition);

 private:
  std::map<std::string, CharacterSet, std::less<>> sets_;  // by the whole of MSH-18
};

/// Whether all of it is ASCII.
bool is_ascii(std::string_view text);
/// Whether it is UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

}  // namespace lacuna::streaming::hl7
