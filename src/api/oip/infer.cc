// SPDX-License-Identifier: Apache-2.0
// A prediction: between raw bytes on the wire and tensors, for REST's binary data and gRPC's raw
// contents.
#include "api/oip/infer.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using inference::DataType;
using inference::Tensor;

// Below this a copy is cheaper than keeping the whole body alive for as long as the tensor.
constexpr size_t kLeastBorrowed = 4096;
constexpr size_t kLengthBytes = 4;

base::Result<Tensor> StringsFromRaw(inference::Shape shape, int64_t count, std::string_view bytes,
                                    const FieldPath& field) {
  // Each element takes its length at least, so the count is known to fit before anything is
  // reserved.
  if (static_cast<uint64_t>(count) > bytes.size() / kLengthBytes) {
    return InvalidArgument(field.Text(), "expected " + std::to_string(count) +
                                             " BYTES elements, each after its 4-byte length, got " +
                                             std::to_string(bytes.size()) + " bytes");
  }
  std::vector<std::string> values;
  values.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (bytes.size() < kLengthBytes)
      return InvalidArgument(field.Text(),
                             "ends within the length of element " + std::to_string(i));
    std::memcpy(&length, bytes.data(), kLengthBytes);
    bytes.remove_prefix(kLengthBytes);
    if (bytes.size() < length) {
      return InvalidArgument(field.Text(), "element " + std::to_string(i) + " is " +
                                               std::to_string(length) + " bytes long, but only " +
                                               std::to_string(bytes.size()) + " are left");
    }
    values.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty())
    return InvalidArgument(field.Text(),
                           std::to_string(bytes.size()) + " bytes are left after the last element");
  return Tensor::Strings(std::move(shape), std::move(values));
}

}  // namespace

base::Result<Tensor> TensorFromRaw(DataType type, inference::Shape shape, std::string_view bytes,
                                   const std::shared_ptr<const void>& owner,
                                   const FieldPath& field) {
  const int64_t count = TRY(inference::ElementCount(shape));
  if (type == DataType::kString) return StringsFromRaw(std::move(shape), count, bytes, field);
  const size_t element = SizeOf(type);
  if (bytes.size() != static_cast<uint64_t>(count) * element) {
    return InvalidArgument(field.Text(),
                           "expected " + std::to_string(static_cast<uint64_t>(count) * element) +
                               " bytes for " + std::to_string(count) + " elements of " +
                               std::string(DataTypeName(type)) + ", got " +
                               std::to_string(bytes.size()));
  }
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % element == 0;
  if (aligned && owner && bytes.size() >= kLeastBorrowed) {
    return Tensor::Borrow(type, std::move(shape), std::as_bytes(std::span(bytes)), owner);
  }
  Tensor tensor(type, std::move(shape));
  if (!bytes.empty()) std::memcpy(tensor.mutable_bytes().data(), bytes.data(), bytes.size());
  return tensor;
}

size_t RawSize(const Tensor& tensor) {
  if (tensor.type() != DataType::kString) return tensor.bytes().size();
  size_t size = 0;
  for (const std::string& text : tensor.strings()) size += kLengthBytes + text.size();
  return size;
}

void AppendRaw(std::string& out, const Tensor& tensor) {
  if (tensor.type() != DataType::kString) {
    const auto bytes = tensor.bytes();
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return;
  }
  for (const std::string& text : tensor.strings()) {
    const auto length = static_cast<uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&length), kLengthBytes);
    out += text;
  }
}

base::Status CheckShape(const inference::Shape& shape, const FieldPath& field) {
  if (shape.size() > kMaxRank)
    return InvalidArgument(field.Text(), "more than " + std::to_string(kMaxRank) + " dimensions");
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) {
      return InvalidArgument(field.Item(i).Text(),
                             "expected 0 or more, got " + std::to_string(shape[i]));
    }
  }
  const auto count = inference::ElementCount(shape);
  if (!count.ok()) return InvalidArgument(field.Text(), count.status().message());
  return base::Status::Ok();
}

base::Result<int64_t> ParseVersion(std::string_view text) {
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version < 1) {
    return base::NotFound("version_not_found", "there is no version '" + std::string(text) +
                                                   "'; versions are numbers from 1");
  }
  return version;
}

std::string ErrorText(const base::Status& status) {
  return status.field().empty() ? status.message() : status.field() + ": " + status.message();
}

}  // namespace slipway::api::oip
