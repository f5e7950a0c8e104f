// SPDX-License-Identifier: Apache-2.0
// The bounded pipes between an I/O thread and a pool thread: a body that arrives, a response that
// is made as it is sent. Private to net.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/status.h"
#include "net/http.h"

namespace slipway::net {

inline constexpr size_t kStreamWindowBytes = 1 << 20;  // what may wait in a pipe, either way

// A request's body. Push, End and Fail: the I/O thread; the reader: the handler's thread.
class UploadPipe : public std::enable_shared_from_this<UploadPipe> {
 public:
  // `resume` is called on the reader's thread when there is room again after there was none.
  explicit UploadPipe(std::function<void()> resume) : resume_(std::move(resume)) {}
  // Bytes that may be pushed now; 0 promises a later `resume`.
  size_t Room();
  void Push(std::string piece);
  void End();
  void Fail(base::Status status);  // the first failure counts; what was pushed before is still read
  std::unique_ptr<BodyReader> MakeReader();

 private:
  class Reader;
  base::Result<size_t> Read(std::span<char> buffer);
  void DropReader();

  std::function<void()> resume_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::string> pieces_;
  size_t taken_ = 0;  // of the first piece
  size_t bytes_ = 0;
  bool ended_ = false;
  bool starved_ = false;  // the I/O thread waits for room
  bool dropped_ = false;  // nobody reads any more
  std::optional<base::Status> failure_;
};

// A response's body in pieces. PushWait and Send: any thread; Take: the I/O thread.
class DownloadPipe final : public EventSink {
 public:
  // `wake` is called when there is something to take after Take found nothing.
  explicit DownloadPipe(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~DownloadPipe() override = default;

  // Blocks while the window is full; false when the client is gone.
  bool PushWait(std::string piece);
  bool Send(std::string piece) override;
  void Close() override { Finish(false); }
  void Finish(bool failed);
  void MarkGone();

  enum class Next { kPiece, kNothingYet, kEnd, kFailed };
  Next Take(std::string& piece);

 private:
  void Enqueue(std::unique_lock<std::mutex>& lock, std::string piece);

  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<std::string> pieces_;
  size_t bytes_ = 0;
  bool ended_ = false;
  bool failed_ = false;
  bool gone_ = false;
  bool waiting_ = true;  // Take found nothing
};

// What a handler of a pushed response holds: the response ends when the last copy is let go.
std::shared_ptr<EventSink> MakeSink(std::shared_ptr<DownloadPipe> pipe);

}  // namespace slipway::net
