// SPDX-License-Identifier: Apache-2.0
// gRPC calls as the protocols see them: messages in, messages out. net/grpc_server.h hosts them.
//   server.AddUnary<InferRequest, InferResponse>("/package.Service/Infer", [](auto call) {
//     call.response().set_id(call.request().id());
//     call.Finish(base::Status::Ok());
//   });
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace google::protobuf {
class MessageLite;
}

namespace slipway::net {

// What is known of a call besides its messages. For the handler's thread; gone() for any.
class GrpcCall {
 public:
  // First value of that metadata (name in lower case); empty when absent.
  virtual std::string_view GetMetadata(std::string_view name) const = 0;
  // "ipv4:127.0.0.1:50412"
  virtual std::string peer() const = 0;
  // Microseconds until the caller gives up, at least 1; 0: it named no time, or more than a day.
  virtual int64_t TimeLeft() const = 0;
  // The caller cancelled, ran out of time or closed its connection: the answer is for nobody.
  virtual bool gone() const = 0;
  // The same as a flag that outlives the call.
  virtual std::shared_ptr<const std::atomic<bool>> gone_flag() = 0;

 protected:
  ~GrpcCall() = default;
};

// One message in, one out. Owned by the server; to be finished exactly once, from any thread, and
// not to be touched afterwards.
class GrpcUnaryCall : public GrpcCall {
 public:
  // Both belong to this call alone: parts may be moved out.
  virtual google::protobuf::MessageLite& request() = 0;
  virtual google::protobuf::MessageLite& response() = 0;
  // Sends the response, or only the status's code and message.
  virtual void Finish(const base::Status& status) = 0;

 protected:
  ~GrpcUnaryCall() = default;
};

// GrpcUnaryCall with its messages' types; a reference, free to copy.
template <typename Request, typename Response>
class GrpcUnary {
 public:
  explicit GrpcUnary(GrpcUnaryCall& call) : call_(&call) {}
  Request& request() const { return static_cast<Request&>(call_->request()); }
  Response& response() const { return static_cast<Response&>(call_->response()); }
  GrpcCall& call() const { return *call_; }
  void Finish(const base::Status& status) const { call_->Finish(status); }

 private:
  GrpcUnaryCall* call_;
};

// Messages both ways (or several one way). Thread-safe but for what GrpcCall says.
class GrpcStream : public GrpcCall {
 public:
  // Asks for the next message: OnMessage or OnEnd follows. One at a time: what the handler does not
  // ask for stays with the caller.
  virtual void Read() = 0;
  // Queues a message; they are sent in order. False when the stream is over, or when the caller has
  // let kMostQueuedBytes pile up (the stream is ended then).
  virtual bool Write(const google::protobuf::MessageLite& message) = 0;
  // Ends the stream once everything queued is sent. The first one counts.
  virtual void Finish(const base::Status& status) = 0;

  static constexpr size_t kMostQueuedBytes = 256UL << 20;

 protected:
  ~GrpcStream() = default;
};

// The protocol's side of a stream. Called on an I/O thread, one call at a time: must not block.
class GrpcStreamHandler {
 public:
  virtual ~GrpcStreamHandler() = default;
  virtual void OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) = 0;
  // The caller sends no more.
  virtual void OnEnd() = 0;
  // The stream was cut: nothing can be sent any more.
  virtual void OnGone() {}
};

using GrpcMessageMaker = std::function<std::shared_ptr<google::protobuf::MessageLite>()>;

struct GrpcUnaryMethod {
  std::string name;  // "/package.Service/Method"
  GrpcMessageMaker make_request;
  GrpcMessageMaker make_response;
  std::function<void(GrpcUnaryCall&)> handle;  // on an I/O thread: must not block
};

struct GrpcStreamMethod {
  std::string name;
  GrpcMessageMaker make_request;
  // Called when the stream begins; the handler is let go when it is over. It asks for the first
  // message itself.
  std::function<std::shared_ptr<GrpcStreamHandler>(std::shared_ptr<GrpcStream>)> begin;
};

}  // namespace slipway::net
