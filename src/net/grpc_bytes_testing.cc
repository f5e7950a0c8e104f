// SPDX-License-Identifier: Apache-2.0
// The bare gRPC echo that a served model's rate is compared with.
#include "net/grpc_bytes_testing.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/server_callback.h>

#include <vector>

namespace slipway::net {

namespace {

class BytesService final : public grpc::Service {
 public:
  BytesService(std::string method, std::function<std::string(std::string)> answer)
      : method_(std::move(method)), answer_(std::move(answer)) {
    AddMethod(new grpc::internal::RpcServiceMethod(method_.c_str(),
                                                   grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodCallback(
        0,
        new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
            [this](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                   grpc::ByteBuffer* response) { return Serve(*context, *request, *response); }));
  }

 private:
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext& context,
                                  const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
    std::vector<grpc::Slice> slices;
    const grpc::Status status = request.Dump(&slices);
    std::string bytes;
    for (const grpc::Slice& slice : slices)
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    const grpc::Slice answer(answer_(std::move(bytes)));
    response = grpc::ByteBuffer(&answer, 1);
    grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  std::string method_;
  std::function<std::string(std::string)> answer_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBytesService(std::string method,
                                                std::function<std::string(std::string)> answer) {
  return std::make_unique<BytesService>(std::move(method), std::move(answer));
}

}  // namespace slipway::net
