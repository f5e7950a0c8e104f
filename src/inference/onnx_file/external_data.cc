// SPDX-License-Identifier: Apache-2.0
// Loading a version: before ONNX Runtime sees a model file, its references to other files are
// found.
#include "inference/onnx_file/external_data.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::inference::onnx {
namespace {

constexpr int kMostDepth = 64;  // of nested messages: a subgraph costs three
constexpr size_t kMostLocations = 1'000'000;

enum class Message {
  kModel,
  kTraining,
  kGraph,
  kNode,
  kAttribute,
  kFunction,
  kSparse,
  kTensor,
  kEntry
};

struct Field {
  Message parent;
  uint64_t number;
  Message child;
};
// The fields of onnx.proto3 on the way to TensorProto.external_data.
constexpr Field kFields[] = {
    {Message::kModel, 7, Message::kGraph},         {Message::kModel, 20, Message::kTraining},
    {Message::kModel, 25, Message::kFunction},     {Message::kTraining, 1, Message::kGraph},
    {Message::kTraining, 2, Message::kGraph},      {Message::kGraph, 1, Message::kNode},
    {Message::kGraph, 5, Message::kTensor},        {Message::kGraph, 15, Message::kSparse},
    {Message::kNode, 5, Message::kAttribute},      {Message::kAttribute, 5, Message::kTensor},
    {Message::kAttribute, 6, Message::kGraph},     {Message::kAttribute, 10, Message::kTensor},
    {Message::kAttribute, 11, Message::kGraph},    {Message::kAttribute, 22, Message::kSparse},
    {Message::kAttribute, 23, Message::kSparse},   {Message::kFunction, 7, Message::kNode},
    {Message::kFunction, 11, Message::kAttribute}, {Message::kSparse, 1, Message::kTensor},
    {Message::kSparse, 2, Message::kTensor},       {Message::kTensor, 13, Message::kEntry},
};

base::Status NotOnnx(const std::string& why) {
  return base::InvalidArgument("model", "not an ONNX model: " + why, "bad_model");
}

// Reads protobuf's wire format: https://protobuf.dev/programming-guides/encoding/
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool done() const { return bytes_.empty(); }

  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }

  // The payload of a field; empty for numbers, which nothing here needs.
  std::optional<std::string_view> Payload(uint64_t wire_type) {
    switch (wire_type) {
      case 0:
        return Varint() ? std::optional<std::string_view>("") : std::nullopt;
      case 1:
        return Skip(8) ? std::optional<std::string_view>("") : std::nullopt;
      case 5:
        return Skip(4) ? std::optional<std::string_view>("") : std::nullopt;
      case 2:
        break;
      default:
        return std::nullopt;
    }
    const auto size = Varint();
    if (!size || *size > bytes_.size()) return std::nullopt;
    const std::string_view payload = bytes_.substr(0, *size);
    bytes_.remove_prefix(*size);
    return payload;
  }

 private:
  bool Skip(size_t count) {
    if (bytes_.size() < count) return false;
    bytes_.remove_prefix(count);
    return true;
  }

  std::string_view bytes_;
};

class Walk {
 public:
  // False when the bytes are no message.
  bool Read(Message message, std::string_view bytes, int depth) {
    if (depth > kMostDepth) return false;
    if (message == Message::kEntry) return ReadEntry(bytes);
    Reader reader(bytes);
    while (!reader.done()) {
      const auto tag = reader.Varint();
      if (!tag || *tag >> 3 == 0) return false;
      const auto payload = reader.Payload(*tag & 7);
      if (!payload) return false;
      saw_graph_ = saw_graph_ || (message == Message::kModel && *tag >> 3 == 7);
      for (const Field& field : kFields) {
        if (field.parent != message || field.number != *tag >> 3) continue;
        if ((*tag & 7) != 2 || !Read(field.child, *payload, depth + 1)) return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool saw_graph() const { return saw_graph_; }
  std::vector<std::string>& locations() { return locations_; }

 private:
  // A StringStringEntryProto: of a repeated key or value the last one counts.
  bool ReadEntry(std::string_view bytes) {
    std::string_view key, value;
    Reader reader(bytes);
    while (!reader.done()) {
      const auto tag = reader.Varint();
      if (!tag || *tag >> 3 == 0) return false;
      const auto payload = reader.Payload(*tag & 7);
      if (!payload) return false;
      if (*tag >> 3 == 1) key = *payload;
      if (*tag >> 3 == 2) value = *payload;
    }
    if (key != "location") return true;
    if (locations_.size() >= kMostLocations) return false;
    if (locations_.empty() || locations_.back() != value) locations_.emplace_back(value);
    return true;
  }

  bool saw_graph_ = false;
  std::vector<std::string> locations_;
};

}  // namespace

base::Result<std::vector<std::string>> ExternalDataLocations(std::span<const std::byte> model) {
  Walk walk;
  const std::string_view bytes(reinterpret_cast<const char*>(model.data()), model.size());
  if (!walk.Read(Message::kModel, bytes, 0))
    return NotOnnx("the file is damaged or of another format");
  if (!walk.saw_graph()) return NotOnnx("it has no graph");
  return std::move(walk.locations());
}

bool UsesMlOperators(std::span<const std::byte> model) {
  constexpr uint64_t kOpsetImport = 8;  // of ModelProto
  Reader reader({reinterpret_cast<const char*>(model.data()), model.size()});
  while (!reader.done()) {
    const auto tag = reader.Varint();
    const auto payload = tag ? reader.Payload(*tag & 7) : std::nullopt;
    if (!payload) return false;
    if (*tag >> 3 == kOpsetImport && payload->find("ai.onnx.ml") != std::string_view::npos)
      return true;
  }
  return false;
}

}  // namespace slipway::inference::onnx
