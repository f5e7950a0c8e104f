// SPDX-License-Identifier: Apache-2.0
// The pieces of gRPC calls: messages to bytes and back, statuses, metadata, deadlines.
#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <chrono>

#include "net/grpc_methods.h"

namespace slipway::net {

base::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  bool parsed = false;
  grpc::Slice whole;
  if (bytes.TrySingleSlice(&whole).ok()) {
    parsed = message.ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
  } else {
    grpc::ByteBuffer pieces = bytes;
    grpc::ProtoBufferReader reader(&pieces);
    parsed = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  if (parsed) return base::Status::Ok();
  return base::InvalidArgument("", "the bytes are not a valid " + message.GetTypeName(),
                               "bad_message");
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  const grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return {&slice, 1};
}

grpc::Status ToGrpcStatus(const base::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), status.message()};
}

base::Status TooManyCalls() {
  return base::Unavailable("too_many_calls",
                           "as many calls are under way as the server takes; try again");
}

std::string_view FirstMetadata(const grpc::ServerContextBase& context, std::string_view name) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find({name.data(), name.size()});
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

int64_t MicrosLeft(const grpc::ServerContextBase& context) {
  const auto deadline = context.deadline();
  const auto now = std::chrono::system_clock::now();
  if (deadline > now + std::chrono::hours(24)) return 0;
  return std::max<int64_t>(
      1, std::chrono::duration_cast<std::chrono::microseconds>(deadline - now).count());
}

}  // namespace slipway::net
