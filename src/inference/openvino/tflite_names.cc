// SPDX-License-Identifier: Apache-2.0
// Loading a TFLite model: its signature's names, read from the flatbuffer.
// The layout: https://flatbuffers.dev/internals/ and TensorFlow's lite/schema/schema.fbs.
#include "inference/openvino/tflite_names.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace slipway::inference::openvino {
namespace {

constexpr uint32_t kMostTensors = 100'000;

// Positions in the file; every read is held against its end.
class Flatbuffer {
 public:
  explicit Flatbuffer(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  [[nodiscard]] std::optional<T> Read(size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  // Where the reference that stands at `at` leads.
  [[nodiscard]] std::optional<size_t> Follow(std::optional<size_t> at) const {
    const auto offset = at ? Read<uint32_t>(*at) : std::nullopt;
    if (!offset || *offset == 0 || *offset > bytes_.size()) return std::nullopt;
    return *at + *offset;
  }
  // Where a table's field stands.
  [[nodiscard]] std::optional<size_t> Field(std::optional<size_t> table, size_t index) const {
    const auto back = table ? Read<int32_t>(*table) : std::nullopt;
    if (!back) return std::nullopt;
    const int64_t fields = static_cast<int64_t>(*table) - *back;
    if (fields < 0) return std::nullopt;
    const auto size = Read<uint16_t>(static_cast<size_t>(fields));
    const size_t slot = 4 + 2 * index;
    if (!size || slot + 2 > *size) return std::nullopt;
    const auto offset = Read<uint16_t>(static_cast<size_t>(fields) + slot);
    if (!offset || *offset == 0) return std::nullopt;
    return *table + *offset;
  }
  [[nodiscard]] std::optional<size_t> Sub(std::optional<size_t> table, size_t index) const {
    return Follow(Field(table, index));
  }
  [[nodiscard]] uint32_t Length(std::optional<size_t> vector) const {
    return vector ? Read<uint32_t>(*vector).value_or(0) : 0;
  }
  // A vector of tables or strings.
  [[nodiscard]] std::optional<size_t> Item(std::optional<size_t> vector, uint32_t index) const {
    if (index >= Length(vector)) return std::nullopt;
    return Follow(*vector + 4 + 4UL * index);
  }
  [[nodiscard]] std::string Text(std::optional<size_t> at) const {
    const uint32_t length = Length(at);
    if (length == 0 || *at + 4 > bytes_.size() || bytes_.size() - *at - 4 < length) return {};
    return {reinterpret_cast<const char*>(bytes_.data()) + *at + 4, length};
  }

 private:
  std::span<const std::byte> bytes_;
};

// Fields by their place in the schema.
constexpr size_t kModelSubgraphs = 2, kModelSignatures = 7;
constexpr size_t kSubgraphTensors = 0, kTensorName = 3;
constexpr size_t kSignatureInputs = 0, kSignatureOutputs = 1, kSignatureSubgraph = 4;
constexpr size_t kMapName = 0, kMapTensor = 1;

}  // namespace

std::map<std::string, std::string> SignatureNames(std::span<const std::byte> model) {
  const Flatbuffer file(model);
  const auto root = file.Follow(0);
  const auto signature = file.Item(file.Sub(root, kModelSignatures), 0);
  const auto which = file.Field(signature, kSignatureSubgraph);
  const uint32_t subgraph = which ? file.Read<uint32_t>(*which).value_or(0) : 0;
  const auto tensors =
      file.Sub(file.Item(file.Sub(root, kModelSubgraphs), subgraph), kSubgraphTensors);
  std::map<std::string, std::string> names;
  for (const size_t side : {kSignatureInputs, kSignatureOutputs}) {
    const auto maps = file.Sub(signature, side);
    for (uint32_t i = 0; i < file.Length(maps) && i < kMostTensors; ++i) {
      const auto map = file.Item(maps, i);
      const auto at = file.Field(map, kMapTensor);  // left out when 0
      const uint32_t tensor = at ? file.Read<uint32_t>(*at).value_or(0) : 0;
      const std::string inner = file.Text(file.Sub(file.Item(tensors, tensor), kTensorName));
      const std::string outer = file.Text(file.Sub(map, kMapName));
      if (!inner.empty() && !outer.empty()) names.emplace(inner, outer);
    }
  }
  return names;
}

}  // namespace slipway::inference::openvino
