#include "streaming/files/byte_source.h"

#include <archive.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

namespace lacuna::streaming {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kBlockBytes = 64 * 1024;
constexpr const char* kCutOff = "it is cut off";
constexpr const char* kDamaged = "it is damaged: ";

std::string read_block(ByteSource& source) {
  std::string block(kBlockBytes, '\0');
  block.resize(source.read(block.data(), block.size()));
  return block;
}

class PlainBytes final : public ByteSource {
 public:
  explicit PlainBytes(std::FILE* file) : file_(file) {
    std::setvbuf(file, nullptr, _IONBF, 0);  // whoever reads has a buffer
  }
  std::size_t read(char* to, std::size_t size) override {
    const std::size_t count = std::fread(to, 1, size, file_.get());
    if (count < size && std::ferror(file_.get()) != 0) error_ = errno;
    bytes_read_ += count;
    return count;
  }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::string problem() const override { return error_ == 0 ? std::string() : std::generic_category().message(error_); }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> file_;
  std::uint64_t bytes_read_ = 0;
  int error_ = 0;
};

/// Over another source, of which `first` was read before.
class Layer : public ByteSource {
 public:
  std::uint64_t bytes_read() const final { return below_->bytes_read(); }
  std::string problem() const final {
    std::string deeper = below_->problem();
    return deeper.empty() ? problem_ : deeper;
  }

 protected:
  Layer(std::unique_ptr<ByteSource> below, std::string first) : below_(std::move(below)), block_(std::move(first)) {}
  /// The next bytes below, until the next call; none at the end.
  std::string_view more() {
    if (began_) {
      block_.resize(kBlockBytes);
      block_.resize(below_->read(block_.data(), kBlockBytes));
    }
    began_ = true;
    return block_;
  }

  std::string problem_;

 private:
  std::unique_ptr<ByteSource> below_;
  std::string block_;
  bool began_ = false;
};

/// Not by libarchive, which does not look at gzip's checksums.
class GzipBytes final : public Layer {
 public:
  GzipBytes(std::unique_ptr<ByteSource> below, std::string first) : Layer(std::move(below), std::move(first)) {
    constexpr int kGzipAlone = 15 + 16;
    if (inflateInit2(&stream_, kGzipAlone) != Z_OK) problem_ = "no memory to unpack it";
  }
  ~GzipBytes() override { inflateEnd(&stream_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  std::size_t read(char* to, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0 && problem_.empty()) {
      if (stream_.avail_in == 0 && !refill()) break;
      if (between_members_) {
        if (*stream_.next_in == 0) {  // they may be filled up with zeros
          ++stream_.next_in;
          --stream_.avail_in;
          continue;
        }
        inflateReset(&stream_);
        between_members_ = false;
      }
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) between_members_ = true;
      else if (code != Z_OK) problem_ = std::string(kDamaged) + (stream_.msg != nullptr ? stream_.msg : "no gzip");
    }
    return size - stream_.avail_out;
  }

 private:
  bool refill() {
    input_ = more();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
    stream_.avail_in = static_cast<uInt>(input_.size());
    if (input_.empty() && !between_members_) problem_ = kCutOff;
    return !input_.empty();
  }

  z_stream stream_{};
  std::string_view input_;
  bool between_members_ = false;
};

/// xz, zstd and bzip2.
class ArchiveBytes final : public Layer {
 public:
  ArchiveBytes(std::unique_ptr<ByteSource> below, std::string first)
      : Layer(std::move(below), std::move(first)), archive_(archive_read_new()) {
    archive_read_support_filter_xz(archive_.get());
    archive_read_support_filter_zstd(archive_.get());
    archive_read_support_filter_bzip2(archive_.get());
    archive_read_support_format_empty(archive_.get());
    archive_read_support_format_raw(archive_.get());
    archive_entry* entry = nullptr;
    const bool opened = archive_read_open(archive_.get(), this, nullptr, &ArchiveBytes::give, nullptr) == ARCHIVE_OK;
    const int header = opened ? archive_read_next_header(archive_.get(), &entry) : ARCHIVE_FATAL;
    if (header != ARCHIVE_OK) ended_ = true;
    if (header != ARCHIVE_OK && header != ARCHIVE_EOF) set_problem();
  }

  std::size_t read(char* to, std::size_t size) override {
    std::size_t done = 0;
    while (done < size && !ended_) {
      const la_ssize_t count = archive_read_data(archive_.get(), to + done, size - done);
      if (count < 0) set_problem();
      ended_ = count <= 0;
      done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    return done;
  }

 private:
  struct Closer {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  static la_ssize_t give(archive*, void* self, const void** buffer) {
    const std::string_view bytes = static_cast<ArchiveBytes*>(self)->more();
    *buffer = bytes.data();
    return static_cast<la_ssize_t>(bytes.size());
  }
  void set_problem() {
    const char* text = archive_error_string(archive_.get());
    problem_ = std::string(kDamaged) + (text != nullptr ? text : "it cannot be unpacked");
  }

  std::unique_ptr<archive, Closer> archive_;
  bool ended_ = false;
};

class Utf16Bytes final : public Layer {
 public:
  Utf16Bytes(std::unique_ptr<ByteSource> below, std::string first, bool big_endian)
      : Layer(std::move(below), std::move(first)), big_endian_(big_endian) {}

  std::size_t read(char* to, std::size_t size) override {
    std::size_t done = 0;
    while (done < size && (given_ < text_.size() || convert())) {
      const std::size_t count = std::min(size - done, text_.size() - given_);
      text_.copy(to + done, count, given_);
      given_ += count;
      done += count;
    }
    return done;
  }

 private:
  bool convert() {
    text_.clear();
    given_ = 0;
    while (text_.empty() && !ended_) {
      const std::string_view bytes = more();
      for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (half_) take(static_cast<char16_t>(big_endian_ ? *half_ << 8 | byte : byte << 8 | *half_));
        half_ = half_ ? std::nullopt : std::optional<unsigned char>(byte);
      }
      ended_ = bytes.empty();
    }
    if (ended_ && high_ != 0) append(std::exchange(high_, u'\0'));
    if (ended_ && half_) problem_ = "it ends within a character";
    return !text_.empty();
  }
  void take(char16_t unit) {
    const bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
    const char16_t high = std::exchange(high_, u'\0');
    if (high != 0 && is_low) return append(0x10000U + ((high - 0xD800U) << 10) + (unit - 0xDC00U));
    if (high != 0) append(high);
    if (unit >= 0xD800 && unit <= 0xDBFF) high_ = unit;
    else append(unit);
  }
  void append(char32_t c) {
    const auto tail = [&](unsigned shift) { text_ += static_cast<char>(0x80U | (c >> shift & 0x3FU)); };
    if (c < 0x80) {
      text_ += static_cast<char>(c);
    } else if (c < 0x800) {
      text_ += static_cast<char>(0xC0U | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      text_ += static_cast<char>(0xE0U | c >> 12);
      tail(6);
      tail(0);
    } else {
      text_ += static_cast<char>(0xF0U | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  const bool big_endian_;
  std::string text_;
  std::size_t given_ = 0;              // of text_
  std::optional<unsigned char> half_;  // of a unit that began
  char16_t high_ = 0;                  // a surrogate that waits for the other
  bool ended_ = false;
};

std::string_view packing_of(std::string_view begin) {
  if (begin.starts_with("\x1F\x8B"sv)) return "gzip";
  if (begin.starts_with("\xFD\x37zXZ\0"sv)) return "xz";
  if (begin.starts_with("\x28\xB5\x2F\xFD"sv)) return "zstd";
  constexpr std::string_view kBlock = "\x31\x41\x59\x26\x53\x59"sv;  // after BZh and the level
  return begin.starts_with("BZh"sv) && begin.find(kBlock) == 4 ? "bzip2" : "";
}

}  // namespace

Result<OpenedBytes> open_bytes(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return {Code::not_found, "cannot open " + path};
  std::unique_ptr<ByteSource> source = std::make_unique<PlainBytes>(file);
  std::string first = read_block(*source);
  const std::string_view packing = packing_of(first);
  if (!packing.empty()) {
    if (packing == "gzip") source = std::make_unique<GzipBytes>(std::move(source), std::move(first));
    else source = std::make_unique<ArchiveBytes>(std::move(source), std::move(first));
    first = read_block(*source);
  }
  const bool big_endian = first.starts_with("\xFE\xFF");
  if (big_endian || first.starts_with("\xFF\xFE")) {
    source = std::make_unique<Utf16Bytes>(std::move(source), first.substr(2), big_endian);
    first = read_block(*source);
  } else if (first.starts_with("\xEF\xBB\xBF")) {
    first.erase(0, 3);
  }
  return OpenedBytes{std::move(source), std::move(first), packing};
}

}  // namespace lacuna::streaming
