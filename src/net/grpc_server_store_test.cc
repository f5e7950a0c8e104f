// SPDX-License-Identifier: Apache-2.0
// GrpcServer over real sockets, with a generic service, so that no .proto is needed.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <future>

#include "net/grpc_bytes_testing.h"
#include "net/grpc_server.h"

namespace slipway::net {
namespace {

GrpcServerSettings AnyPort() {
  GrpcServerSettings settings;
  settings.listen = "127.0.0.1:0";
  return settings;
}

// Calls /`method` with raw bytes.
grpc::Status Call(uint16_t port, const std::string& method, const std::string& request,
                  std::string& response, int most_bytes = 1 << 30) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(most_bytes);
  arguments.SetMaxSendMessageSize(most_bytes);
  const auto channel = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                                 grpc::InsecureChannelCredentials(), arguments);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer got;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, {}, &sent, &got,
                 [&](grpc::Status status) { done.set_value(std::move(status)); });
  grpc::Status status = done.get_future().get();
  std::vector<grpc::Slice> slices;
  if (status.ok() && got.Dump(&slices).ok()) {
    for (const grpc::Slice& one : slices)
      response.append(reinterpret_cast<const char*>(one.begin()), one.size());
  }
  return status;
}

TEST(GrpcServer, HostsABytesMethod) {
  GrpcServer server(AnyPort());
  server.Add(
      MakeBytesMethod("/test.Echo/Call", [](std::string request) { return "echo " + request; }));
  ASSERT_TRUE(server.Start().ok());
  std::string response;
  const grpc::Status status = Call(server.port(), "/test.Echo/Call", "hello", response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response, "echo hello");
  EXPECT_EQ(Call(server.port(), "/test.Echo/Other", "", response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST(GrpcServer, TellsItsHealth) {
  GrpcServer server(AnyPort());
  ASSERT_TRUE(server.Start().ok());
  std::string response;
  EXPECT_TRUE(Call(server.port(), "/grpc.health.v1.Health/Check", "", response).ok());
  EXPECT_EQ(response, std::string("\x08\x01", 2));  // status: SERVING
}

TEST(GrpcServer, LimitsMessages) {
  GrpcServerSettings settings = AnyPort();
  settings.max_message_bytes = 1024;
  GrpcServer server(settings);
  server.Add(MakeBytesMethod("/test.Echo/Call", [](std::string request) { return request; }));
  ASSERT_TRUE(server.Start().ok());
  std::string response;
  EXPECT_TRUE(Call(server.port(), "/test.Echo/Call", std::string(1000, 'x'), response).ok());
  EXPECT_EQ(Call(server.port(), "/test.Echo/Call", std::string(1025, 'x'), response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(GrpcServer, NamesTheAddressThatItCannotBind) {
  GrpcServer first(AnyPort());
  ASSERT_TRUE(first.Start().ok());
  GrpcServerSettings settings;
  settings.listen = "127.0.0.1:" + std::to_string(first.port());
  const base::Status status = GrpcServer(settings).Start();
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_NE(status.message().find(settings.listen), std::string::npos);
  settings.listen = "nonsense";
  EXPECT_EQ(GrpcServer(settings).Start().code(), base::Code::kInvalidArgument);
}

TEST(GrpcServer, FinishesACallInFlightBeforeItStops) {
  GrpcServer server(AnyPort());
  std::promise<void> started;
  std::promise<void> go;
  server.Add(MakeBytesMethod("/test.Slow/Call", [&](std::string request) {
    started.set_value();
    go.get_future().wait();
    return request + " done";
  }));
  ASSERT_TRUE(server.Start().ok());
  std::string response;
  std::future<grpc::Status> call = std::async(
      std::launch::async, [&] { return Call(server.port(), "/test.Slow/Call", "slow", response); });
  started.get_future().wait();
  std::thread stopping([&] { server.Stop(); });
  go.set_value();
  EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(response, "slow done");
  stopping.join();
}

}  // namespace
}  // namespace slipway::net
