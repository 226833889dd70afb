#include "streaming/files/row_sort.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace lacuna::streaming {

namespace {

constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::size_t kBlockBytesMin = 4096;

Status failed(const std::string& what, int error) {
  return {Code::unavailable, "the rows of a patient do not stand together, and cannot be sorted: " + what + ": " +
                                 std::generic_category().message(error) + " (TMPDIR names the folder for temporary files)"};
}

}  // namespace

RowSort::~RowSort() {
  if (file_ >= 0) ::close(file_);
}

Status RowSort::open() {
  std::error_code error;
  folder_ = std::filesystem::temp_directory_path(error).string();
  if (error) return failed("no folder for temporary files", error.value());
  std::string name = folder_ + "/lacuna-sort-XXXXXX";
  file_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file_ < 0) return failed("no file can be made in " + folder_, errno);
  ::unlink(name.c_str());
  return {};
}

Status RowSort::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(folder_ + " cannot be written", errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    written_ += static_cast<std::uint64_t>(count);
  }
  return {};
}

Status RowSort::add(const SortedRow& row) {
  const std::size_t bytes = sizeof(Head) + row.text.size();
  if (!places_.empty() && buffer_.size() + bytes > run_bytes_) LACUNA_RETURN_IF_ERROR(spill());
  buffer_.reserve(run_bytes_);
  const Head head{row.line, row.key, row.file, static_cast<std::uint32_t>(row.text.size()), row.quoted, row.malformed};
  places_.emplace_back(row.key, buffer_.size());
  buffer_.append(reinterpret_cast<const char*>(&head), sizeof head).append(row.text);
  ++rows_;
  return {};
}

Status RowSort::spill() {
  if (file_ < 0) LACUNA_RETURN_IF_ERROR(open());
  std::sort(places_.begin(), places_.end());  // by key, then as they came
  Run run{written_, 0, {}};
  std::string sorted;
  sorted.reserve(std::min(buffer_.size(), kWriteBytes));
  for (const auto& [key, begin] : places_) {
    Head head;
    std::memcpy(&head, buffer_.data() + begin, sizeof head);
    const std::size_t bytes = sizeof head + head.size;
    if (sorted.size() + bytes > kWriteBytes) {
      LACUNA_RETURN_IF_ERROR(write(sorted));
      sorted.clear();
    }
    sorted.append(buffer_, begin, bytes);
  }
  LACUNA_RETURN_IF_ERROR(write(sorted));
  run.end = written_;
  runs_.push_back(std::move(run));
  places_.clear();
  buffer_.clear();
  return {};
}

Status RowSort::finish() {
  if (!places_.empty()) LACUNA_RETURN_IF_ERROR(spill());
  std::string().swap(buffer_);
  std::vector<std::pair<std::uint32_t, std::size_t>>().swap(places_);
  block_bytes_ = std::max(kBlockBytesMin, run_bytes_ / std::max<std::size_t>(1, runs_.size()));
  block_bytes_ = std::min(block_bytes_, kWriteBytes);
  for (std::uint32_t i = 0; i < runs_.size(); ++i) LACUNA_RETURN_IF_ERROR(enter(i));
  return {};
}

// So many bytes of the run's next row are in its block.
Status RowSort::need(Run& run, std::size_t bytes) {
  if (run.block.size() - run.at >= bytes) return {};
  run.block.erase(0, run.at);
  run.at = 0;
  std::size_t have = run.block.size();
  run.block.resize(std::max(bytes, static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes_, have + run.end - run.unread))));
  while (have < run.block.size()) {
    const ssize_t count = ::pread(file_, run.block.data() + have, run.block.size() - have, static_cast<off_t>(run.unread));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed(folder_ + " cannot be read", count == 0 ? EIO : errno);
    have += static_cast<std::size_t>(count);
    run.unread += static_cast<std::uint64_t>(count);
  }
  return {};
}

Status RowSort::enter(std::uint32_t number) {
  Run& run = runs_[number];
  if (run.at == run.block.size() && run.unread == run.end) return {};
  LACUNA_RETURN_IF_ERROR(need(run, sizeof(Head)));
  Head head;
  std::memcpy(&head, run.block.data() + run.at, sizeof head);
  LACUNA_RETURN_IF_ERROR(need(run, sizeof head + head.size));
  heap_.emplace(head.key, number);
  return {};
}

Result<bool> RowSort::next(SortedRow& row) {
  if (given_ > 0) {
    if (Status status = enter(std::exchange(given_, 0) - 1); !status.ok()) return status;
  }
  if (heap_.empty()) return false;
  const std::uint32_t number = heap_.top().second;
  heap_.pop();
  Run& run = runs_[number];
  Head head;
  std::memcpy(&head, run.block.data() + run.at, sizeof head);
  row = {head.key, head.file, head.line, head.quoted, head.malformed, {run.block.data() + run.at + sizeof head, head.size}};
  run.at += sizeof head + head.size;
  given_ = number + 1;
  return true;
}

}  // namespace lacuna::streaming
