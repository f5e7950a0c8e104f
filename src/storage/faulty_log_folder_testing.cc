// SPDX-License-Identifier: Apache-2.0
// What logs are tested on: a disk that is full, fails and forgets.
#include "storage/faulty_log_folder_testing.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/log_folder.h"

namespace slipway::storage {

class FaultyFile final : public LogFile {
 public:
  FaultyFile(FaultyDisk& disk, std::shared_ptr<FaultyDisk::Content> content)
      : disk_(disk), content_(std::move(content)) {}

  base::Result<size_t> WriteAt(int64_t offset, std::string_view first,
                               std::string_view second) override {
    const std::lock_guard lock(disk_.mutex_);
    std::string all(first);
    all += second;
    if (disk_.room_bytes <= 0) return base::FromErrno(ENOSPC, "write");
    all.resize(std::min(all.size(), static_cast<size_t>(disk_.room_bytes)));
    disk_.room_bytes -= static_cast<int64_t>(all.size());
    const auto at = static_cast<size_t>(offset);
    content_->bytes.resize(std::max(content_->bytes.size(), at + all.size()));
    content_->bytes.replace(at, all.size(), all);
    return all.size();
  }
  base::Status Sync() override {
    size_t size = 0;
    {
      const std::lock_guard lock(disk_.mutex_);
      size = content_->bytes.size();
    }
    if (disk_.before_sync) disk_.before_sync();
    const std::lock_guard lock(disk_.mutex_);
    ++disk_.syncs_;
    if (disk_.fail_sync) return base::FromErrno(EIO, "fdatasync");
    content_->synced = std::max(content_->synced, size);
    return base::Status::Ok();
  }
  base::Status Truncate(int64_t size_bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.fail_truncate) return base::FromErrno(EIO, "truncate");
    const auto size = static_cast<size_t>(size_bytes);
    disk_.room_bytes += static_cast<int64_t>(content_->bytes.size() - size);
    content_->bytes.resize(size);
    content_->synced = std::min(content_->synced, size);
    return base::Status::Ok();
  }
  base::Result<size_t> ReadAt(int64_t offset, std::span<char> buffer) const override {
    const std::lock_guard lock(disk_.mutex_);
    const auto at = static_cast<size_t>(offset);
    if (at >= content_->bytes.size()) return size_t{0};
    return content_->bytes.copy(buffer.data(), buffer.size(), at);
  }
  base::Result<int64_t> SizeBytes() const override {
    const std::lock_guard lock(disk_.mutex_);
    return static_cast<int64_t>(content_->bytes.size());
  }

 private:
  FaultyDisk& disk_;
  const std::shared_ptr<FaultyDisk::Content> content_;
};

class FaultyFolder final : public LogFolder {
 public:
  explicit FaultyFolder(FaultyDisk& disk) : disk_(disk) {}

  base::Result<std::unique_ptr<LogFile>> Open(const std::string& name, LogFileMode mode) override {
    const std::lock_guard lock(disk_.mutex_);
    auto& content = disk_.files_[name];
    if (mode == LogFileMode::kCreateEmpty) content = std::make_shared<FaultyDisk::Content>();
    if (!content) {
      disk_.files_.erase(name);
      return base::FromErrno(ENOENT, "open " + name);
    }
    return std::unique_ptr<LogFile>(std::make_unique<FaultyFile>(disk_, content));
  }
  base::Result<std::vector<std::string>> List() const override { return disk_.names(); }
  base::Status Remove(const std::string& name) override {
    const std::lock_guard lock(disk_.mutex_);
    disk_.files_.erase(name);
    return base::Status::Ok();
  }
  base::Status Sync() override {
    const std::lock_guard lock(disk_.mutex_);
    for (auto& [name, content] : disk_.files_) content->name_synced = true;
    return base::Status::Ok();
  }

 private:
  FaultyDisk& disk_;
};

std::unique_ptr<LogFolder> FaultyDisk::Open() { return std::make_unique<FaultyFolder>(*this); }

void FaultyDisk::LosePower(uint32_t seed) {
  std::mt19937 random(seed);
  const std::lock_guard lock(mutex_);
  std::erase_if(files_, [](const auto& file) { return !file.second->name_synced; });
  for (auto& [name, content] : files_) {
    std::uniform_int_distribution<size_t> kept(content->synced, content->bytes.size());
    content->bytes.resize(kept(random));
    content->synced = content->bytes.size();
  }
}

int64_t FaultyDisk::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

std::string FaultyDisk::bytes(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return files_.at(name)->bytes;
}

void FaultyDisk::SetBytes(const std::string& name, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  files_[name] = std::make_shared<Content>(Content{bytes, bytes.size(), true});
}

std::vector<std::string> FaultyDisk::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(files_.size());
  for (const auto& [name, content] : files_) names.push_back(name);
  return names;
}

}  // namespace slipway::storage
