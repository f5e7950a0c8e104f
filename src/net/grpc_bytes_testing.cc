// SPDX-License-Identifier: Apache-2.0
// The bare gRPC echo that a served model's rate is compared with.
#include "net/grpc_bytes_testing.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/parse_context.h>

#include <utility>

namespace slipway::net {

namespace {

class BytesMessage final : public google::protobuf::MessageLite {
 public:
  std::string bytes;

  std::string GetTypeName() const override { return "bytes"; }
  BytesMessage* New(google::protobuf::Arena* /*arena*/) const override {
    return new BytesMessage();
  }
  void Clear() override { bytes.clear(); }
  bool IsInitialized() const override { return true; }
  void CheckTypeAndMergeFrom(const MessageLite& other) override {
    bytes += static_cast<const BytesMessage&>(other).bytes;
  }
  size_t ByteSizeLong() const override { return bytes.size(); }
  int GetCachedSize() const override { return static_cast<int>(bytes.size()); }
  const char* _InternalParse(const char* ptr,
                             google::protobuf::internal::ParseContext* ctx) override {
    while (!ctx->Done(&ptr)) bytes += *ptr++;
    return ptr;
  }
  uint8_t* _InternalSerialize(uint8_t* ptr,
                              google::protobuf::io::EpsCopyOutputStream* stream) const override {
    return stream->WriteRaw(bytes.data(), static_cast<int>(bytes.size()), ptr);
  }
};

}  // namespace

GrpcMessageMaker MakeBytesMessage() {
  return [] { return std::make_shared<BytesMessage>(); };
}

std::string& BytesOf(google::protobuf::MessageLite& message) {
  return static_cast<BytesMessage&>(message).bytes;
}

GrpcUnaryMethod MakeBytesMethod(std::string name, std::function<std::string(std::string)> answer) {
  return {std::move(name), MakeBytesMessage(), MakeBytesMessage(),
          [answer = std::move(answer)](GrpcUnaryCall& call) {
            BytesOf(call.response()) = answer(std::move(BytesOf(call.request())));
            call.Finish(base::Status::Ok());
          }};
}

}  // namespace slipway::net
