// SPDX-License-Identifier: Apache-2.0
// grpc_echo: the smallest asynchronous libgrpc++ server that answers a fixed message, one queue
// polled by one thread; what our gRPC is compared with.
//   grpc_echo [BODY_BYTES]     prints "grpc=PORT", serves until its standard input ends.
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/async_unary_call.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace {

class EchoService : public grpc::Service {
 public:
  EchoService() {
    AddMethod(new grpc::internal::RpcServiceMethod("/slipway.Echo/Call",
                                                   grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodAsync(0);
  }
  void Request(grpc::ServerContext& context, grpc::ByteBuffer& request,
               grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>& writer,
               grpc::ServerCompletionQueue& queue, void* tag) {
    RequestAsyncUnary(0, &context, &request, &writer, &queue, &queue, tag);
  }
};

struct Call {
  grpc::ServerContext context;
  grpc::ByteBuffer request;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer{&context};
  bool answered = false;
};

constexpr int kWaitingCalls = 200;

void Poll(EchoService& service, grpc::ServerCompletionQueue& queue,
          const grpc::ByteBuffer& answer) {
  const auto wait = [&] {
    auto* call = new Call;
    service.Request(call->context, call->request, call->writer, queue, call);
  };
  for (int i = 0; i < kWaitingCalls; ++i) wait();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    auto* call = static_cast<Call*>(tag);
    if (!ok || call->answered) {
      delete call;
      continue;
    }
    wait();
    call->answered = true;
    call->writer.Finish(answer, grpc::Status::OK, call);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string body(argc > 1 ? static_cast<size_t>(std::atoi(argv[1])) : 300, 'e');
  const grpc::Slice slice(body);
  const grpc::ByteBuffer answer(&slice, 1);
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::thread poller([&] { Poll(service, *queue, answer); });
  std::printf("grpc=%d\n", port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server->Shutdown();
  queue->Shutdown();
  poller.join();
  return 0;
}
