// SPDX-License-Identifier: Apache-2.0
// Loading a version: an ONNX file that may be a tree ensemble.
// https://protobuf.dev/programming-guides/encoding/
#include "inference/trees/onnx_proto.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kMostGraphNodes = 24;  // of the graph around an ensemble
constexpr size_t kMostNumbers = 300'000'000;

base::Status Damaged() {
  return BadModel("not an ONNX model: the file is damaged or of another format");
}

template <typename To>
To Little(std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  To value;
  std::memcpy(&value, bytes.data(), sizeof(To));
  return value;
}

// One field: `bytes` for lengths (and 4 or 8 bytes for fixed ones), `number` for varints.
struct Field {
  uint64_t id = 0;
  uint64_t wire = 0;
  uint64_t number = 0;
  std::string_view bytes;
};

class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool done() const { return bytes_.empty(); }

  base::Result<Field> Next() {
    Field field;
    uint64_t tag = 0;
    if (!Varint(tag) || tag >> 3 == 0) return Damaged();
    field.id = tag >> 3;
    field.wire = tag & 7;
    switch (field.wire) {
      case 0:
        if (!Varint(field.number)) return Damaged();
        return field;
      case 1:
        return Take(field, 8);
      case 2: {
        uint64_t size = 0;
        if (!Varint(size)) return Damaged();
        return Take(field, size);
      }
      case 5:
        return Take(field, 4);
      default:
        return Damaged();
    }
  }

  bool Varint(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

 private:
  base::Result<Field> Take(Field field, uint64_t size) {
    if (size > bytes_.size()) return Damaged();
    field.bytes = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return field;
  }

  std::string_view bytes_;
};

// Repeated numbers, packed or one by one.
base::Status AddInts(const Field& field, std::vector<int64_t>& out) {
  if (field.wire == 0) {
    out.push_back(static_cast<int64_t>(field.number));
  } else if (field.wire == 2) {
    Fields packed(field.bytes);
    while (!packed.done()) {
      uint64_t number = 0;
      if (!packed.Varint(number) || out.size() >= kMostNumbers) return Damaged();
      out.push_back(static_cast<int64_t>(number));
    }
  } else {
    return Damaged();
  }
  return base::Status::Ok();
}

template <typename Number, typename Out>
base::Status AddFixed(const Field& field, std::vector<Out>& out) {
  if (field.wire == 0 || field.bytes.size() % sizeof(Number) != 0) return Damaged();
  if (out.size() + field.bytes.size() / sizeof(Number) > kMostNumbers) return Damaged();
  for (size_t at = 0; at < field.bytes.size(); at += sizeof(Number))
    out.push_back(Little<Number>(field.bytes.substr(at, sizeof(Number))));
  return base::Status::Ok();
}

base::Status AddRaw(std::string_view raw, OnnxTensor& tensor) {
  const Field field{0, 2, 0, raw};
  switch (tensor.type) {
    case kOnnxFloat:
      return AddFixed<float>(field, tensor.values);
    case kOnnxDouble:
      return AddFixed<double>(field, tensor.values);
    case kOnnxInt32:
      return AddFixed<int32_t>(field, tensor.values);
    case kOnnxInt64: {
      std::vector<int64_t> numbers;
      TRY(AddFixed<int64_t>(field, numbers));
      for (const int64_t number : numbers) tensor.values.push_back(static_cast<double>(number));
      return base::Status::Ok();
    }
    default:
      return base::Status::Ok();
  }
}

base::Result<OnnxTensor> ReadTensor(std::string_view bytes) {
  OnnxTensor tensor;
  std::string_view raw;
  std::vector<int64_t> integers;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    switch (field.id) {
      case 1:
        TRY(AddInts(field, tensor.dims));
        break;
      case 2:
        tensor.type = static_cast<int64_t>(field.number);
        break;
      case 4:
        TRY(AddFixed<float>(field, tensor.values));
        break;
      case 5:
      case 7:
        TRY(AddInts(field, integers));
        break;
      case 8:
        tensor.name = field.bytes;
        break;
      case 9:
        raw = field.bytes;
        break;
      case 10:
        TRY(AddFixed<double>(field, tensor.values));
        break;
      case 13:
        tensor.external = true;
        break;
      default:
        break;
    }
  }
  for (const int64_t number : integers) tensor.values.push_back(static_cast<double>(number));
  TRY(AddRaw(raw, tensor));
  return tensor;
}

base::Result<OnnxAttribute> ReadAttribute(std::string_view bytes) {
  OnnxAttribute attribute;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    switch (field.id) {
      case 1:
        attribute.name = field.bytes;
        break;
      case 2:
        if (field.wire != 5) return Damaged();
        attribute.f = Little<float>(field.bytes);
        break;
      case 3:
        attribute.i = static_cast<int64_t>(field.number);
        break;
      case 4:
        attribute.s = field.bytes;
        break;
      case 5:
        attribute.tensor = TRY(ReadTensor(field.bytes));
        break;
      case 6:
      case 11:
        return NotTrees("a node of its graph holds a graph");
      case 7:
        TRY(AddFixed<float>(field, attribute.floats));
        break;
      case 8:
        TRY(AddInts(field, attribute.ints));
        break;
      case 9:
        attribute.strings.push_back(field.bytes);
        break;
      default:
        break;
    }
  }
  return attribute;
}

base::Result<OnnxNode> ReadNode(std::string_view bytes) {
  OnnxNode node;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    switch (field.id) {
      case 1:
        node.inputs.push_back(field.bytes);
        break;
      case 2:
        node.outputs.push_back(field.bytes);
        break;
      case 4:
        node.op = field.bytes;
        break;
      case 5:
        node.attributes.push_back(TRY(ReadAttribute(field.bytes)));
        break;
      case 7:
        node.domain = field.bytes;
        break;
      default:
        break;
    }
  }
  return node;
}

// TensorShapeProto
base::Status ReadShape(std::string_view bytes, OnnxValue& value) {
  constexpr size_t kMostRank = 8;
  value.has_shape = true;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    if (field.id != 1) continue;
    int64_t dimension = -1;
    for (Fields parts(field.bytes); !parts.done();) {
      const Field part = TRY(parts.Next());
      if (part.id == 1 && part.wire == 0) dimension = static_cast<int64_t>(part.number);
    }
    if (value.shape.size() >= kMostRank)
      return NotTrees("a tensor of its graph has too many dimensions");
    value.shape.push_back(dimension < 0 ? -1 : dimension);
  }
  return base::Status::Ok();
}

base::Result<OnnxValue> ReadValue(std::string_view bytes) {
  OnnxValue value;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    if (field.id == 1) value.name = field.bytes;
    if (field.id != 2) continue;
    for (Fields types(field.bytes); !types.done();) {
      const Field type = TRY(types.Next());
      if (type.id != 1) continue;
      value.tensor = true;
      for (Fields parts(type.bytes); !parts.done();) {
        const Field part = TRY(parts.Next());
        if (part.id == 1) value.type = static_cast<int64_t>(part.number);
        if (part.id == 2) TRY(ReadShape(part.bytes, value));
      }
    }
  }
  return value;
}

base::Status ReadGraph(std::string_view bytes, OnnxGraph& graph) {
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    if (graph.nodes.size() + graph.initializers.size() + graph.inputs.size() +
            graph.outputs.size() >
        2 * kMostGraphNodes)
      return NotTrees("its graph is larger than that of a tree ensemble");
    switch (field.id) {
      case 1:
        if (graph.nodes.size() >= kMostGraphNodes)
          return NotTrees("its graph is larger than that of a tree ensemble");
        graph.nodes.push_back(TRY(ReadNode(field.bytes)));
        break;
      case 5:
        graph.initializers.push_back(TRY(ReadTensor(field.bytes)));
        break;
      case 11:
        graph.inputs.push_back(TRY(ReadValue(field.bytes)));
        break;
      case 12:
        graph.outputs.push_back(TRY(ReadValue(field.bytes)));
        break;
      case 15:
        return NotTrees("its graph has sparse initializers");
      default:
        break;
    }
  }
  return base::Status::Ok();
}

}  // namespace

base::Status NotTrees(const char* why) {
  return {base::Code::kUnimplemented, "not_trees", std::string("not only a tree ensemble: ") + why,
          "model"};
}

base::Result<OnnxGraph> ParseOnnx(std::string_view bytes) {
  OnnxGraph graph;
  bool found = false;
  for (Fields fields(bytes); !fields.done();) {
    const Field field = TRY(fields.Next());
    if (field.id == 25) return NotTrees("it has functions");
    if (field.id != 7) continue;
    if (found) return Damaged();
    found = true;
    TRY(ReadGraph(field.bytes, graph));
  }
  if (!found) return BadModel("not an ONNX model: it has no graph");
  return graph;
}

}  // namespace slipway::inference::trees
