// SPDX-License-Identifier: Apache-2.0
// GrpcMethods: hosts unary and streaming methods on gRPC's completion queues, one polling thread
// each: a call costs a fifth less than by the library's callbacks. Private to net.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc_calls.h"

namespace grpc {
class ByteBuffer;
class ServerBuilder;
class ServerContext;
class ServerContextBase;
class Status;
template <class W, class R>
class ServerAsyncReaderWriter;
}  // namespace grpc

namespace slipway::net {

// What a completion queue tells of an operation's end.
class GrpcTag {
 public:
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~GrpcTag() = default;
};

// A tag that calls a member.
template <typename Owner>
class GrpcMemberTag final : public GrpcTag {
 public:
  GrpcMemberTag(Owner* owner, void (Owner::*event)(bool)) : owner_(owner), event_(event) {}
  void OnEvent(bool ok) override { (owner_->*event_)(ok); }

 private:
  Owner* owner_;
  void (Owner::*event_)(bool);
};

// What all calls of a server share.
struct GrpcCalls {
  int64_t most = 0;
  std::atomic<int64_t> open{0};
  std::atomic<bool> stopping{false};
};

class GrpcMethods {
 public:
  explicit GrpcMethods(int64_t max_calls);
  ~GrpcMethods();
  // Before Register.
  void Add(GrpcUnaryMethod method);
  void Add(GrpcStreamMethod method);
  std::vector<std::string> services() const;  // "package.Service", each once
  void Register(grpc::ServerBuilder& builder, int64_t threads);
  void Start();     // once the server runs
  void Stopping();  // before the server is shut down
  void Stop();      // after it was: every call is over

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The pieces that calls are made of.
base::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);
grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message);
grpc::Status ToGrpcStatus(const base::Status& status);
base::Status TooManyCalls();
std::string_view FirstMetadata(const grpc::ServerContextBase& context, std::string_view name);
int64_t MicrosLeft(const grpc::ServerContextBase& context);

// Where the streams of one method come in on one queue.
class GrpcStreamDoor {
 public:
  virtual ~GrpcStreamDoor() = default;
  // `arrived` is told of the next stream; false: the server is stopping.
  virtual void Ask(grpc::ServerContext& context,
                   grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>& stream,
                   GrpcTag& arrived) = 0;

  GrpcStreamDoor(GrpcCalls& shared, const GrpcStreamMethod& served)
      : calls(shared), method(served) {}
  GrpcCalls& calls;
  const GrpcStreamMethod& method;
};
// Serves one stream; each that comes opens the door for the next.
void AwaitStream(GrpcStreamDoor& door);

}  // namespace slipway::net
