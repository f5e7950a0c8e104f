// SPDX-License-Identifier: Apache-2.0
// Streaming gRPC calls: one message is read when the protocol asks for it, answers are queued and
// written in order.
#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "net/grpc_methods.h"

namespace slipway::net {

namespace {

class Stream final : public GrpcStream, public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(GrpcStreamDoor& door) : door_(door), stream_(&context_) {}

  void Await() {
    self_ = shared_from_this();
    context_.AsyncNotifyWhenDone(static_cast<GrpcTag*>(&end_tag_));
    door_.Ask(context_, stream_, arrived_tag_);
  }

  std::string_view GetMetadata(std::string_view name) const override {
    return FirstMetadata(context_, name);
  }
  std::string peer() const override { return context_.peer(); }
  int64_t TimeLeft() const override { return MicrosLeft(context_); }
  bool gone() const override { return gone_->load(std::memory_order_relaxed); }
  std::shared_ptr<const std::atomic<bool>> gone_flag() override { return gone_; }

  void Read() override {
    std::lock_guard lock(mutex_);
    if (reading_ || read_all_ || status_) return;
    reading_ = true;
    stream_.Read(&bytes_, static_cast<GrpcTag*>(&read_tag_));
  }

  bool Write(const google::protobuf::MessageLite& message) override {
    grpc::ByteBuffer bytes = SerializeMessage(message);
    std::lock_guard lock(mutex_);
    if (status_) return false;
    if (queued_bytes_ + bytes.Length() > kMostQueuedBytes) {
      End({base::Code::kResourceExhausted, "reader_too_slow",
           "the caller does not read its answers"});
      return false;
    }
    queued_bytes_ += bytes.Length();
    queued_.push_back(std::move(bytes));
    WriteNext();
    return true;
  }

  void Finish(const base::Status& status) override {
    std::lock_guard lock(mutex_);
    End(status);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) {  // stopping; nothing more is told of this stream
      self_.reset();
      return;
    }
    if (!door_.calls.stopping.load()) AwaitStream(door_);
    if (door_.calls.open.fetch_add(1) >= door_.calls.most) return Finish(TooManyCalls());
    handler_ = door_.method.begin(shared_from_this());
  }

  void OnRead(bool ok) {
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
      read_all_ = !ok;
    }
    if (handler_) Deliver(ok);
    Leave();
  }

  void Deliver(bool ok) {
    if (!ok) {
      if (!gone()) handler_->OnEnd();
      return;
    }
    auto message = door_.method.make_request();
    const base::Status status = ParseMessage(bytes_, *message);
    bytes_.Clear();
    if (!status.ok()) return Finish(status);
    handler_->OnMessage(std::move(message));
  }

  void OnWritten(bool ok) {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      queued_bytes_ -= queued_.front().Length();
      queued_.pop_front();
      if (!ok) DropQueued();
      WriteNext();
    }
    Leave();
  }

  void OnFinished(bool) {
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
    }
    Leave();
  }

  // The stream is over for the library.
  void OnEnd(bool) {
    const bool cut = context_.IsCancelled();
    gone_->store(cut, std::memory_order_relaxed);
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      if (cut) DropQueued();
      End({base::Code::kCancelled, "client_gone", "the caller is gone"});
    }
    if (cut && handler_) handler_->OnGone();
    Leave();
  }

  // The functions below are called under the lock.
  void End(const base::Status& status) {
    if (status_) return;
    status_ = status;
    WriteNext();
  }
  void DropQueued() {
    while (queued_.size() > (writing_ ? 1U : 0U)) {
      queued_bytes_ -= queued_.back().Length();
      queued_.pop_back();
    }
  }
  void WriteNext() {
    if (writing_) return;
    if (!queued_.empty()) {
      writing_ = true;
      stream_.Write(queued_.front(), static_cast<GrpcTag*>(&written_tag_));
    } else if (status_ && !std::exchange(finishing_, true)) {
      stream_.Finish(ToGrpcStatus(*status_), static_cast<GrpcTag*>(&finished_tag_));
    }
  }

  void Leave() {
    {
      std::lock_guard lock(mutex_);
      if (!ended_ || !finished_ || reading_ || writing_ || !self_) return;
    }
    handler_.reset();
    door_.calls.open.fetch_sub(1);
    const auto last = std::move(self_);  // of the server's own
  }

  GrpcStreamDoor& door_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_;
  std::shared_ptr<Stream> self_;                // until the stream is over
  std::shared_ptr<GrpcStreamHandler> handler_;  // the queue's thread only
  grpc::ByteBuffer bytes_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);

  std::mutex mutex_;  // over the members below
  std::deque<grpc::ByteBuffer> queued_;
  size_t queued_bytes_ = 0;
  std::optional<base::Status> status_;
  bool reading_ = false;
  bool read_all_ = false;
  bool writing_ = false;  // the first of queued_
  bool finishing_ = false;
  bool finished_ = false;
  bool ended_ = false;

  GrpcMemberTag<Stream> arrived_tag_{this, &Stream::OnArrived};
  GrpcMemberTag<Stream> read_tag_{this, &Stream::OnRead};
  GrpcMemberTag<Stream> written_tag_{this, &Stream::OnWritten};
  GrpcMemberTag<Stream> finished_tag_{this, &Stream::OnFinished};
  GrpcMemberTag<Stream> end_tag_{this, &Stream::OnEnd};
};

}  // namespace

void AwaitStream(GrpcStreamDoor& door) { std::make_shared<Stream>(door)->Await(); }

}  // namespace slipway::net
