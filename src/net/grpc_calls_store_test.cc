// SPDX-License-Identifier: Apache-2.0
// gRPC calls over real sockets: streams, cancelled and late calls, limits, health.
#include <google/protobuf/message_lite.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "net/grpc_bytes_testing.h"
#include "net/grpc_server.h"
#include "net/health.grpc.pb.h"

namespace slipway::net {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

GrpcServerSettings AnyPort() {
  GrpcServerSettings settings;
  settings.listen = "127.0.0.1:0";
  return settings;
}

std::shared_ptr<grpc::Channel> ChannelTo(const GrpcServer& server) {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(server.port()),
                             grpc::InsecureChannelCredentials());
}

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

std::string Text(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!bytes.Dump(&slices).ok()) return "unreadable";
  for (const grpc::Slice& slice : slices)
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// A unary call under way, with its own channel.
class Caller {
 public:
  Caller(const GrpcServer& server, const std::string& method, const std::string& request,
         std::chrono::milliseconds limit = std::chrono::seconds(20))
      : stub_(ChannelTo(server)), request_(Bytes(request)) {
    context_.set_deadline(std::chrono::system_clock::now() + limit);
    context_.AddMetadata("x-name", "bob");
    stub_.UnaryCall(&context_, method, {}, &request_, &response_,
                    [this](grpc::Status status) { done_.set_value(std::move(status)); });
  }
  grpc::ClientContext& context() { return context_; }
  grpc::Status Wait() { return done_.get_future().get(); }
  std::string response() const { return Text(response_); }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::promise<grpc::Status> done_;
};

// A stream, driven step by step by a queue of its own.
class StreamCaller {
 public:
  StreamCaller(const GrpcServer& server, const std::string& method) : stub_(ChannelTo(server)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(this);
    EXPECT_TRUE(Step());
  }
  ~StreamCaller() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  StreamCaller(const StreamCaller&) = delete;
  StreamCaller& operator=(const StreamCaller&) = delete;

  bool Write(const std::string& text) {
    stream_->Write(Bytes(text), this);
    return Step();
  }
  void WritesDone() {
    stream_->WritesDone(this);
    Step();
  }
  std::string Read() {
    grpc::ByteBuffer bytes;
    stream_->Read(&bytes, this);
    return Step() ? Text(bytes) : "(end)";
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Step();
    return status;
  }
  grpc::ClientContext& context() { return context_; }

 private:
  bool Step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

// Answers each message with itself as many times as its first digit says.
class Repeater final : public GrpcStreamHandler {
 public:
  Repeater(std::shared_ptr<GrpcStream> stream, std::promise<void>* gone)
      : stream_(std::move(stream)), gone_(gone) {
    stream_->Read();
  }
  void OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) override {
    const std::string& text = BytesOf(*message);
    if (text == "stop") return stream_->Finish(base::NotFound("stopped", "as you asked"));
    for (int i = 0; i < text.at(0) - '0'; ++i) stream_->Write(*message);
    stream_->Read();
  }
  void OnEnd() override { stream_->Finish(base::Status::Ok()); }
  void OnGone() override {
    if (gone_ != nullptr) gone_->set_value();
  }

 private:
  std::shared_ptr<GrpcStream> stream_;
  std::promise<void>* gone_;
};

GrpcStreamMethod Repeat(std::promise<void>* gone = nullptr) {
  return {"/test.Repeat/Stream", MakeBytesMessage(), [gone](std::shared_ptr<GrpcStream> stream) {
            return std::make_shared<Repeater>(std::move(stream), gone);
          }};
}

TEST(GrpcCalls, StreamsAnswersInOrder) {
  GrpcServer server(AnyPort());
  server.Add(Repeat());
  ASSERT_TRUE(server.Start().ok());
  StreamCaller caller(server, "/test.Repeat/Stream");
  ASSERT_TRUE(caller.Write("3 first"));
  ASSERT_TRUE(caller.Write("0 none"));
  ASSERT_TRUE(caller.Write("2 last"));
  caller.WritesDone();
  for (const char* text : {"3 first", "3 first", "3 first", "2 last", "2 last", "(end)"})
    EXPECT_EQ(caller.Read(), text);
  EXPECT_TRUE(caller.Finish().ok());
}

TEST(GrpcCalls, EndsAStreamWithTheHandlersStatus) {
  GrpcServer server(AnyPort());
  server.Add(Repeat());
  ASSERT_TRUE(server.Start().ok());
  StreamCaller caller(server, "/test.Repeat/Stream");
  ASSERT_TRUE(caller.Write("1 x"));
  ASSERT_TRUE(caller.Write("stop"));
  EXPECT_EQ(caller.Read(), "1 x");
  EXPECT_EQ(caller.Read(), "(end)");
  const grpc::Status status = caller.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "as you asked");
}

TEST(GrpcCalls, TellsAStreamsHandlerThatItsCallerIsGone) {
  std::promise<void> gone;
  GrpcServer server(AnyPort());
  server.Add(Repeat(&gone));
  ASSERT_TRUE(server.Start().ok());
  StreamCaller caller(server, "/test.Repeat/Stream");
  ASSERT_TRUE(caller.Write("1 x"));
  EXPECT_EQ(caller.Read(), "1 x");
  caller.context().TryCancel();
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(GrpcCalls, CarriesMetadataAndTimeLeft) {
  GrpcServer server(AnyPort());
  std::atomic<int64_t> left{0};
  server.Add({"/test.Who/Am", MakeBytesMessage(), MakeBytesMessage(), [&](GrpcUnaryCall& call) {
                left = call.TimeLeft();
                BytesOf(call.response()) = std::string(call.GetMetadata("x-name")) +
                                           std::string(call.GetMetadata("x-none")) + " " +
                                           call.peer();
                call.Finish(base::Status::Ok());
              }});
  ASSERT_TRUE(server.Start().ok());
  Caller caller(server, "/test.Who/Am", "");
  ASSERT_TRUE(caller.Wait().ok());
  EXPECT_EQ(caller.response().find("bob ipv4:127.0.0.1:"), 0U) << caller.response();
  EXPECT_GT(left.load(), 0);
  EXPECT_LE(left.load(), 21'000'000);  // the wire rounds up
}

// A method whose calls are kept until the test finishes them.
struct Held {
  std::promise<GrpcUnaryCall*> arrived;
  GrpcUnaryMethod Method() {
    return {"/test.Held/Call", MakeBytesMessage(), MakeBytesMessage(),
            [this](GrpcUnaryCall& call) { arrived.set_value(&call); }};
  }
};

TEST(GrpcCalls, TellsThatTheCallerIsGone) {
  for (const bool cancelled : {true, false}) {
    Held held;
    GrpcServer server(AnyPort());
    server.Add(held.Method());
    ASSERT_TRUE(server.Start().ok());
    Caller caller(server, "/test.Held/Call", "",
                  std::chrono::milliseconds(cancelled ? 20000 : 300));
    GrpcUnaryCall* call = held.arrived.get_future().get();
    if (cancelled) {
      EXPECT_FALSE(call->gone());
      caller.context().TryCancel();
    }
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!call->gone() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_TRUE(call->gone());
    call->Finish(base::Status::Ok());  // harmless
    EXPECT_EQ(caller.Wait().error_code(),
              cancelled ? grpc::StatusCode::CANCELLED : grpc::StatusCode::DEADLINE_EXCEEDED);
  }
}

TEST(GrpcCalls, RefusesMoreCallsThanItTakes) {
  GrpcServerSettings settings = AnyPort();
  settings.max_calls = 1;
  Held held;
  GrpcServer server(settings);
  server.Add(held.Method());
  server.Add(MakeBytesMethod("/test.Echo/Call", [](std::string text) { return text; }));
  ASSERT_TRUE(server.Start().ok());
  Caller first(server, "/test.Held/Call", "");
  GrpcUnaryCall* call = held.arrived.get_future().get();
  EXPECT_EQ(Caller(server, "/test.Echo/Call", "x").Wait().error_code(),
            grpc::StatusCode::UNAVAILABLE);
  call->Finish(base::Status::Ok());
  EXPECT_TRUE(first.Wait().ok());
  Caller again(server, "/test.Echo/Call", "x");
  // The first call may be let go of a moment after its answer is seen.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool served = again.Wait().ok();
  while (!served && std::chrono::steady_clock::now() < limit)
    served = Caller(server, "/test.Echo/Call", "x").Wait().ok();
  EXPECT_TRUE(served);
}

TEST(GrpcCalls, ServesMoreCallsAtATimeThanSlotsWait) {
  GrpcServerSettings settings = AnyPort();
  settings.io_threads = 2;
  std::mutex mutex;
  std::vector<GrpcUnaryCall*> calls;
  std::promise<void> all;
  GrpcServer server(settings);
  server.Add({"/test.All/Call", MakeBytesMessage(), MakeBytesMessage(), [&](GrpcUnaryCall& call) {
                BytesOf(call.response()) = BytesOf(call.request());
                std::lock_guard lock(mutex);
                calls.push_back(&call);
                if (calls.size() == 300) all.set_value();
              }});
  ASSERT_TRUE(server.Start().ok());
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 300; ++i)
    callers.push_back(std::make_unique<Caller>(server, "/test.All/Call", std::to_string(i)));
  ASSERT_EQ(all.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  std::vector<GrpcUnaryCall*> arrived;
  {
    std::lock_guard lock(mutex);
    arrived.swap(calls);
  }
  for (GrpcUnaryCall* call : arrived) call->Finish(base::Status::Ok());
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(callers[static_cast<size_t>(i)]->Wait().ok());
    EXPECT_EQ(callers[static_cast<size_t>(i)]->response(), std::to_string(i));
  }
}

TEST(GrpcCalls, RefusesBytesThatAreNotTheMessage) {
  GrpcServer server(AnyPort());
  ASSERT_TRUE(server.Start().ok());
  Caller caller(server, "/grpc.health.v1.Health/Check", "\xff\xff\xff");
  const grpc::Status status = caller.Wait();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the bytes are not a valid grpc.health.v1.HealthCheckRequest");
}

TEST(GrpcHealth, ChecksAndWatchesTheServicesItHas) {
  GrpcServer server(AnyPort());
  server.Add(MakeBytesMethod("/test.Echo/Call", [](std::string text) { return text; }));
  ASSERT_TRUE(server.Start().ok());
  const auto stub = Health::NewStub(ChannelTo(server));
  for (const auto& [name, code] : {std::pair<const char*, grpc::StatusCode>{"", grpc::OK},
                                   {"test.Echo", grpc::OK},
                                   {"test.None", grpc::NOT_FOUND}}) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(name);
    HealthCheckResponse response;
    EXPECT_EQ(stub->Check(&context, request, &response).error_code(), code) << name;
    EXPECT_EQ(response.status(),
              code == grpc::OK ? HealthCheckResponse::SERVING : HealthCheckResponse::UNKNOWN);
  }
  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, {});
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  std::thread stopping([&] { server.Stop(); });
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::UNAVAILABLE);
  stopping.join();
}

}  // namespace
}  // namespace slipway::net
