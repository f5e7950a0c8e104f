// SPDX-License-Identifier: Apache-2.0
// GrpcMethods: queues, their threads, and unary calls. Each method keeps some slots that wait for a
// call; a slot serves one call after the other, with its messages.
#include "net/grpc_methods.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>
#include <pthread.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>

namespace slipway::net {

namespace {

constexpr int kFirstSlots = 4;                  // of a method on a queue, waiting for calls
constexpr int kMostWaiting = 64;                // slots that are kept for further calls
constexpr size_t kMostKeptBytes = 64UL * 1024;  // of messages that a waiting slot keeps

// The library's view of a service: names of methods whose messages are bytes.
class BytesService final : public grpc::Service {
 public:
  explicit BytesService(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  // `method` must stay where it is.
  int Add(const std::string& method, grpc::internal::RpcMethod::RpcType type) {
    AddMethod(new grpc::internal::RpcServiceMethod(method.c_str(), type, nullptr));
    MarkMethodAsync(count_);
    return count_++;
  }
  using grpc::Service::RequestAsyncBidiStreaming;
  using grpc::Service::RequestAsyncUnary;

 private:
  std::string name_;
  int count_ = 0;
};

// The calls of one unary method on one queue.
struct UnaryDoor {
  GrpcCalls& calls;
  const GrpcUnaryMethod& method;
  BytesService& service;
  int index;
  grpc::ServerCompletionQueue& queue;
  int waiting = 0;  // slots; the queue's thread only
};

class UnarySlot final : public GrpcUnaryCall {
 public:
  explicit UnarySlot(UnaryDoor& door)
      : door_(door), request_(door.method.make_request()), response_(door.method.make_response()) {}

  // Waits for a call; the slot deletes itself when there is none to come.
  void Await() {
    ++door_.waiting;
    arrived_ = ended_ = finished_ = false;
    cut_.store(false, std::memory_order_relaxed);
    gone_.reset();
    context_.emplace();
    writer_.emplace(&*context_);
    context_->AsyncNotifyWhenDone(static_cast<GrpcTag*>(&end_tag_));
    door_.service.RequestAsyncUnary(door_.index, &*context_, &bytes_, &*writer_, &door_.queue,
                                    &door_.queue, static_cast<GrpcTag*>(&tag_));
  }

  std::string_view GetMetadata(std::string_view name) const override {
    return FirstMetadata(*context_, name);
  }
  std::string peer() const override { return context_->peer(); }
  int64_t TimeLeft() const override { return MicrosLeft(*context_); }
  bool gone() const override { return cut_.load(std::memory_order_relaxed); }
  std::shared_ptr<const std::atomic<bool>> gone_flag() override {
    if (!gone_) gone_ = std::make_shared<std::atomic<bool>>(gone());
    return gone_;
  }
  google::protobuf::MessageLite& request() override { return *request_; }
  google::protobuf::MessageLite& response() override { return *response_; }

  // The slot may serve another call before this returns.
  void Finish(const base::Status& status) override {
    if (!status.ok())
      return writer_->FinishWithError(ToGrpcStatus(status), static_cast<GrpcTag*>(&tag_));
    const grpc::ByteBuffer bytes = SerializeMessage(*response_);
    sent_bytes_ = bytes.Length();
    writer_->Finish(bytes, grpc::Status::OK, static_cast<GrpcTag*>(&tag_));
  }

 private:
  // A call arrived, or its answer is out.
  void OnEvent(bool ok) {
    if (arrived_) {
      finished_ = true;
      return Leave();
    }
    if (!ok) {  // stopping; nothing more is told of this slot
      delete this;
      return;
    }
    arrived_ = true;
    if (--door_.waiting == 0 && !door_.calls.stopping.load()) (new UnarySlot(door_))->Await();
    if (door_.calls.open.fetch_add(1) >= door_.calls.most) return Finish(TooManyCalls());
    const base::Status status = ParseMessage(bytes_, *request_);
    if (!status.ok()) return Finish(status);
    door_.method.handle(*this);
  }
  // The call is over for the library: answered, or the caller is gone.
  void OnEnd(bool) {
    ended_ = true;
    cut_.store(context_->IsCancelled(), std::memory_order_relaxed);
    if (gone_) gone_->store(gone(), std::memory_order_relaxed);
    Leave();
  }
  void Leave() {
    if (!ended_ || !finished_) return;
    door_.calls.open.fetch_sub(1);
    if (door_.calls.stopping.load() || door_.waiting >= kMostWaiting) {
      delete this;
      return;
    }
    const bool large = bytes_.Length() > kMostKeptBytes || sent_bytes_ > kMostKeptBytes;
    bytes_.Clear();
    sent_bytes_ = 0;
    if (large) {
      request_ = door_.method.make_request();
      response_ = door_.method.make_response();
    } else {
      request_->Clear();
      response_->Clear();
    }
    Await();
  }

  UnaryDoor& door_;
  std::shared_ptr<google::protobuf::MessageLite> request_;
  std::shared_ptr<google::protobuf::MessageLite> response_;
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
  grpc::ByteBuffer bytes_;
  size_t sent_bytes_ = 0;
  bool arrived_ = false;
  bool ended_ = false;
  bool finished_ = false;
  std::atomic<bool> cut_{false};
  std::shared_ptr<std::atomic<bool>> gone_;  // made when asked for
  GrpcMemberTag<UnarySlot> tag_{this, &UnarySlot::OnEvent};
  GrpcMemberTag<UnarySlot> end_tag_{this, &UnarySlot::OnEnd};
};

class StreamDoor final : public GrpcStreamDoor {
 public:
  StreamDoor(GrpcCalls& shared, const GrpcStreamMethod& served, BytesService& service, int index,
             grpc::ServerCompletionQueue& queue)
      : GrpcStreamDoor(shared, served), service_(service), index_(index), queue_(queue) {}

  void Ask(grpc::ServerContext& context,
           grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>& stream,
           GrpcTag& arrived) override {
    service_.RequestAsyncBidiStreaming(index_, &context, &stream, &queue_, &queue_, &arrived);
  }

 private:
  BytesService& service_;
  int index_;
  grpc::ServerCompletionQueue& queue_;
};

std::string ServiceOf(const std::string& method) {
  const size_t slash = method.find('/', 1);
  CHECK(method.starts_with('/') && slash != std::string::npos,
        "a gRPC method is /package.Service/Method: " + method);
  return method.substr(1, slash - 1);
}

}  // namespace

struct GrpcMethods::State {
  template <typename Method>
  struct Served {
    Method method;
    BytesService& service;
    int index;
  };
  struct Queue final : GrpcTag {
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
    std::deque<UnaryDoor> unary;
    std::deque<StreamDoor> streams;
    grpc::Alarm last;
    std::thread thread;

    void Run() {
      pthread_setname_np(pthread_self(), "grpc-io");
      void* tag = nullptr;
      bool ok = false;
      while (queue->Next(&tag, &ok)) static_cast<GrpcTag*>(tag)->OnEvent(ok);
    }
    // On the queue's own thread, where a slot goes from one call to the next in one step.
    void OnEvent(bool) override { queue->Shutdown(); }
  };

  GrpcCalls calls;
  std::vector<std::unique_ptr<BytesService>> services;
  std::deque<Served<GrpcUnaryMethod>> unary;
  std::deque<Served<GrpcStreamMethod>> streams;
  std::deque<Queue> queues;

  BytesService& Service(const std::string& name) {
    for (const auto& service : services) {
      if (service->name() == name) return *service;
    }
    services.push_back(std::make_unique<BytesService>(name));
    return *services.back();
  }

  template <typename Method>
  void Add(std::deque<Served<Method>>& table, Method method,
           grpc::internal::RpcMethod::RpcType type) {
    BytesService& service = Service(ServiceOf(method.name));
    table.push_back({std::move(method), service, 0});
    table.back().index = service.Add(table.back().method.name, type);
  }
};

GrpcMethods::GrpcMethods(int64_t max_calls) : state_(std::make_unique<State>()) {
  state_->calls.most = max_calls;
}
GrpcMethods::~GrpcMethods() = default;

void GrpcMethods::Add(GrpcUnaryMethod method) {
  state_->Add(state_->unary, std::move(method), grpc::internal::RpcMethod::NORMAL_RPC);
}

void GrpcMethods::Add(GrpcStreamMethod method) {
  state_->Add(state_->streams, std::move(method), grpc::internal::RpcMethod::BIDI_STREAMING);
}

std::vector<std::string> GrpcMethods::services() const {
  std::vector<std::string> names;
  for (const auto& service : state_->services) names.push_back(service->name());
  return names;
}

void GrpcMethods::Register(grpc::ServerBuilder& builder, int64_t threads) {
  for (const auto& service : state_->services) builder.RegisterService(service.get());
  if (state_->services.empty()) return;
  for (int64_t i = 0; i < threads; ++i) {
    state_->queues.emplace_back().queue = builder.AddCompletionQueue();
  }
}

void GrpcMethods::Start() {
  for (State::Queue& queue : state_->queues) {
    for (auto& served : state_->unary)
      queue.unary.push_back(
          {state_->calls, served.method, served.service, served.index, *queue.queue});
    for (auto& served : state_->streams)
      queue.streams.emplace_back(state_->calls, served.method, served.service, served.index,
                                 *queue.queue);
    for (UnaryDoor& door : queue.unary) {
      for (int i = 0; i < kFirstSlots; ++i) (new UnarySlot(door))->Await();
    }
    for (StreamDoor& door : queue.streams) AwaitStream(door);
  }
  for (State::Queue& queue : state_->queues) queue.thread = std::thread([&queue] { queue.Run(); });
}

void GrpcMethods::Stopping() { state_->calls.stopping.store(true); }

void GrpcMethods::Stop() {
  for (State::Queue& queue : state_->queues) {
    if (!queue.thread.joinable()) {  // it never ran
      queue.queue->Shutdown();
      queue.Run();
      continue;
    }
    queue.last.Set(queue.queue.get(), std::chrono::system_clock::now(),
                   static_cast<GrpcTag*>(&queue));
    queue.thread.join();
  }
  state_->queues.clear();
}

}  // namespace slipway::net
