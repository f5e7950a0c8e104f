// SPDX-License-Identifier: Apache-2.0
// Streaming routes: how a large artifact flows up and down in bounded memory, with back-pressure in
// both directions.
#include "net/http_streams.h"

#include <algorithm>

namespace slipway::net {

class UploadPipe::Reader final : public BodyReader {
 public:
  explicit Reader(std::shared_ptr<UploadPipe> pipe) : pipe_(std::move(pipe)) {}
  ~Reader() override { pipe_->DropReader(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  base::Result<size_t> Read(std::span<char> buffer) override { return pipe_->Read(buffer); }

 private:
  std::shared_ptr<UploadPipe> pipe_;
};

std::unique_ptr<BodyReader> UploadPipe::MakeReader() {
  return std::make_unique<Reader>(shared_from_this());
}

size_t UploadPipe::Room() {
  std::lock_guard lock(mutex_);
  if (dropped_) return kStreamWindowBytes;
  if (bytes_ >= kStreamWindowBytes) starved_ = true;
  return bytes_ >= kStreamWindowBytes ? 0 : kStreamWindowBytes - bytes_;
}

void UploadPipe::Push(std::string piece) {
  if (piece.empty()) return;
  {
    std::lock_guard lock(mutex_);
    if (dropped_) return;
    bytes_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
  arrived_.notify_one();
}

void UploadPipe::End() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  arrived_.notify_one();
}

void UploadPipe::Fail(base::Status status) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_ && !ended_) failure_ = std::move(status);
  }
  arrived_.notify_one();
}

base::Result<size_t> UploadPipe::Read(std::span<char> buffer) {
  size_t count = 0;
  bool resume = false;
  {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return bytes_ > 0 || ended_ || failure_; });
    if (bytes_ == 0 && failure_) return *failure_;
    while (count < buffer.size() && bytes_ > 0) {
      const std::string& piece = pieces_.front();
      const size_t part = std::min(buffer.size() - count, piece.size() - taken_);
      std::copy_n(piece.data() + taken_, part, buffer.data() + count);
      count += part;
      taken_ += part;
      bytes_ -= part;
      if (taken_ == piece.size()) {
        pieces_.pop_front();
        taken_ = 0;
      }
    }
    resume = starved_ && bytes_ <= kStreamWindowBytes / 2;
    if (resume) starved_ = false;
  }
  if (resume) resume_();
  return count;
}

void UploadPipe::DropReader() {
  bool resume = false;
  {
    std::lock_guard lock(mutex_);
    dropped_ = true;
    pieces_.clear();
    bytes_ = 0;
    resume = std::exchange(starved_, false);
  }
  if (resume) resume_();
}

void DownloadPipe::Enqueue(std::unique_lock<std::mutex>& lock, std::string piece) {
  bytes_ += piece.size();
  pieces_.push_back(std::move(piece));
  const bool wake = std::exchange(waiting_, false);
  lock.unlock();
  if (wake) wake_();
}

bool DownloadPipe::PushWait(std::string piece) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return gone_ || bytes_ < kStreamWindowBytes; });
  if (gone_) return false;
  Enqueue(lock, std::move(piece));
  return true;
}

bool DownloadPipe::Send(std::string piece) {
  std::unique_lock lock(mutex_);
  if (gone_ || ended_) return false;
  if (piece.empty()) return true;
  // One piece of any size has its turn; it is those that pile up behind it that are too many.
  if (bytes_ > 0 && bytes_ + piece.size() > kStreamWindowBytes) {
    ended_ = failed_ = true;
    pieces_.clear();
    bytes_ = 0;
    lock.unlock();
    wake_();
    return false;
  }
  Enqueue(lock, std::move(piece));
  return true;
}

void DownloadPipe::Finish(bool failed) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    failed_ = failed;
    if (!std::exchange(waiting_, false)) return;
  }
  wake_();
}

void DownloadPipe::MarkGone() {
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
  }
  room_.notify_all();
}

DownloadPipe::Next DownloadPipe::Take(std::string& piece) {
  {
    std::lock_guard lock(mutex_);
    if (pieces_.empty()) {
      if (ended_) return failed_ ? Next::kFailed : Next::kEnd;
      waiting_ = true;
      return Next::kNothingYet;
    }
    piece = std::move(pieces_.front());
    pieces_.pop_front();
    bytes_ -= piece.size();
  }
  room_.notify_one();
  return Next::kPiece;
}

namespace {

class HeldSink final : public EventSink {
 public:
  explicit HeldSink(std::shared_ptr<DownloadPipe> pipe) : pipe_(std::move(pipe)) {}
  ~HeldSink() override { pipe_->Close(); }
  HeldSink(const HeldSink&) = delete;
  HeldSink& operator=(const HeldSink&) = delete;
  bool Send(std::string piece) override { return pipe_->Send(std::move(piece)); }
  void Close() override { pipe_->Close(); }

 private:
  std::shared_ptr<DownloadPipe> pipe_;
};

}  // namespace

std::shared_ptr<EventSink> MakeSink(std::shared_ptr<DownloadPipe> pipe) {
  return std::make_shared<HeldSink>(std::move(pipe));
}

}  // namespace slipway::net
