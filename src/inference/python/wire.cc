// SPDX-License-Identifier: Apache-2.0
// A prediction by a Python model: the packets.
#include "inference/python/wire.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace slipway::inference::python {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kMostRank = 64;
constexpr size_t kMostTensors = 1024;
// Copying less than this costs less than another segment would.
constexpr size_t kCopiedBytes = 256 * 1024;

struct Entry {
  uint8_t type;
  uint8_t rank;
  uint16_t name_bytes;
  uint32_t unused;
  uint64_t offset;
  uint64_t bytes;
};
static_assert(sizeof(Entry) == 24 && sizeof(Head) == 16);

base::Status Garbled(const std::string& what) {
  return base::Internal("worker_garbled", "the model's worker sent " + what);
}

size_t Aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

size_t TensorBytes(const Tensor& tensor) {
  if (tensor.type() != DataType::kString) return tensor.bytes().size();
  size_t bytes = sizeof(int64_t) * (tensor.strings().size() + 1);
  for (const std::string& text : tensor.strings()) bytes += text.size();
  return bytes;
}

void PlaceStrings(const std::vector<std::string>& texts, std::byte* to) {
  std::byte* const blob = to + sizeof(int64_t) * (texts.size() + 1);
  int64_t at = 0;
  for (size_t i = 0; i <= texts.size(); ++i) {
    std::memcpy(to + i * sizeof(int64_t), &at, sizeof(at));
    if (i == texts.size()) break;
    std::memcpy(blob + at, texts[i].data(), texts[i].size());
    at += static_cast<int64_t>(texts[i].size());
  }
}

// Places are read once each: the worker might change them while we look.
base::Result<Tensor> TakeStrings(Shape shape, size_t count, std::span<const std::byte> bytes) {
  if (bytes.size() / sizeof(int64_t) < count + 1) return Garbled("strings that are too short");
  const auto blob = bytes.subspan(sizeof(int64_t) * (count + 1));
  std::vector<std::string> texts;
  texts.reserve(count);
  int64_t begin = 0;
  for (size_t i = 1; i <= count; ++i) {
    int64_t end = 0;
    std::memcpy(&end, bytes.data() + i * sizeof(int64_t), sizeof(end));
    if (end < begin || static_cast<size_t>(end) > blob.size())
      return Garbled("a string that lies outside its tensor");
    texts.emplace_back(reinterpret_cast<const char*>(blob.data()) + begin,
                       static_cast<size_t>(end - begin));
    begin = end;
  }
  return Tensor::Strings(std::move(shape), std::move(texts));
}

base::Result<Tensor> TakeTensor(const Entry& entry, Shape shape,
                                const std::shared_ptr<Segment>& segment) {
  const auto type = static_cast<DataType>(entry.type);
  const auto count = ElementCount(shape);
  if (!count.ok()) return Garbled("a tensor of an impossible shape");
  const size_t room = segment ? segment->bytes().size() : 0;
  if (entry.offset > room || entry.bytes > room - entry.offset || entry.offset % kAlign != 0)
    return Garbled("a tensor that lies outside the shared memory");
  if (type == DataType::kString) {
    if (static_cast<size_t>(*count) > room) return Garbled("more strings than fit");
    if (*count == 0) return Tensor::Strings(std::move(shape), {});
    return TakeStrings(std::move(shape), static_cast<size_t>(*count),
                       segment->bytes().subspan(entry.offset, entry.bytes));
  }
  if (entry.bytes / SizeOf(type) != static_cast<size_t>(*count) || entry.bytes % SizeOf(type) != 0)
    return Garbled("a tensor whose bytes do not fit its shape");
  if (entry.bytes >= kCopiedBytes) {
    return Tensor::Borrow(type, std::move(shape),
                          segment->bytes().subspan(entry.offset, entry.bytes), segment);
  }
  Tensor tensor(type, std::move(shape));
  if (entry.bytes > 0) {
    std::memcpy(tensor.mutable_bytes().data(), segment->bytes().data() + entry.offset, entry.bytes);
  }
  return tensor;
}

base::Result<TensorSpec> ReadSpec(const base::Json& json) {
  TensorSpec spec;
  spec.name = TRY(base::RequireString(json, "name"));
  spec.type = TRY(ParseDataType(TRY(base::RequireString(json, "datatype"))));
  spec.any_rank = TRY(base::OptionalBool(json, "any_rank")).value_or(false);
  const base::Json* shape = json.Find("shape");
  if (shape == nullptr || !shape->is_array() || shape->AsArray().size() > kMostRank)
    return base::InvalidArgument("model", "'" + spec.name + "' has no shape", "bad_model");
  for (const base::Json& size : shape->AsArray()) {
    if (!size.is_int() || size.AsInt() < -1)
      return base::InvalidArgument(
          "model", "the shape of '" + spec.name + "' holds sizes, -1 where any is right",
          "bad_model");
    spec.shape.push_back(size.AsInt());
  }
  if (const base::Json* columns = json.Find("columns"); columns != nullptr && columns->is_array()) {
    for (const base::Json& column : columns->AsArray())
      if (column.is_string()) spec.columns.push_back(column.AsString());
  }
  return spec;
}

base::Result<std::vector<TensorSpec>> ReadSpecs(const base::Json& json, std::string_view side) {
  std::vector<TensorSpec> specs;
  const base::Json* listed = json.Find(side);
  if (listed == nullptr || !listed->is_array() || listed->AsArray().size() > kMostTensors) {
    return base::InvalidArgument("model", "the worker did not describe its " + std::string(side),
                                 "bad_model");
  }
  for (const base::Json& one : listed->AsArray()) specs.push_back(TRY(ReadSpec(one)));
  return specs;
}

}  // namespace

base::Result<Message> ParseMessage(std::string_view packet) {
  Message message;
  if (packet.size() < sizeof(Head)) return Garbled("a packet without a head");
  std::memcpy(&message.head, packet.data(), sizeof(Head));
  packet.remove_prefix(sizeof(Head));
  if (message.head.table_bytes > packet.size()) return Garbled("a table that is cut off");
  message.table = packet.substr(0, message.head.table_bytes);
  message.rest = packet.substr(message.head.table_bytes);
  return message;
}

std::string MakeMessage(ToWorker kind, std::string_view table, uint32_t first, uint32_t second,
                        std::string_view rest) {
  const Head head{static_cast<uint32_t>(kind), static_cast<uint32_t>(table.size()), first, second};
  std::string packet(reinterpret_cast<const char*>(&head), sizeof(head));
  packet += table;
  packet += rest;
  return packet;
}

size_t PlacedBytes(const std::vector<NamedTensor>& tensors) {
  size_t bytes = 0;
  for (const NamedTensor& one : tensors) bytes += Aligned(TensorBytes(one.tensor));
  return bytes;
}

void PlaceTensors(const std::vector<NamedTensor>& tensors, std::span<std::byte> memory,
                  std::string& table) {
  size_t at = 0;
  for (const auto& [name, tensor, labels] : tensors) {
    const size_t bytes = TensorBytes(tensor);
    if (tensor.type() == DataType::kString) {
      PlaceStrings(tensor.strings(), memory.data() + at);
    } else if (bytes > 0) {
      std::memcpy(memory.data() + at, tensor.bytes().data(), bytes);
    }
    const Entry entry{static_cast<uint8_t>(tensor.type()),
                      static_cast<uint8_t>(tensor.shape().size()),
                      static_cast<uint16_t>(name.size()),
                      0,
                      at,
                      bytes};
    table.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
    table.append(reinterpret_cast<const char*>(tensor.shape().data()),
                 tensor.shape().size() * sizeof(int64_t));
    table += name;
    at += Aligned(bytes);
  }
}

base::Result<std::vector<NamedTensor>> TakeTensors(std::string_view table,
                                                   const std::shared_ptr<Segment>& segment) {
  std::vector<NamedTensor> tensors;
  while (!table.empty()) {
    Entry entry;
    if (table.size() < sizeof(entry)) return Garbled("half a tensor");
    std::memcpy(&entry, table.data(), sizeof(entry));
    table.remove_prefix(sizeof(entry));
    const size_t dims = sizeof(int64_t) * entry.rank;
    if (entry.type > static_cast<uint8_t>(DataType::kString) || entry.rank > kMostRank ||
        dims + entry.name_bytes > table.size() || tensors.size() >= kMostTensors) {
      return Garbled("a tensor that cannot be");
    }
    Shape shape(entry.rank);
    if (dims > 0) std::memcpy(shape.data(), table.data(), dims);
    NamedTensor tensor{std::string(table.substr(dims, entry.name_bytes)), {}};
    tensor.tensor = TRY(TakeTensor(entry, std::move(shape), segment));
    tensors.push_back(std::move(tensor));
    table.remove_prefix(dims + entry.name_bytes);
  }
  return tensors;
}

std::string RestOf(const Request& request) {
  if (request.parameters.empty() && request.outputs.empty() && !request.sequence) return {};
  base::Json rest = base::Json::MakeObject();
  if (!request.parameters.empty()) {
    base::Json parameters = base::Json::MakeObject();
    for (const auto& [name, value] : request.parameters)
      parameters.Set(name, std::visit([](const auto& held) { return base::Json(held); }, value));
    rest.Set("parameters", std::move(parameters));
  }
  if (!request.outputs.empty()) {
    base::Json outputs = base::Json::MakeArray();
    for (const std::string& name : request.outputs) outputs.Append(name);
    rest.Set("outputs", std::move(outputs));
  }
  if (request.sequence) {
    rest.Set("sequence", base::Json::MakeObject({{"id", request.sequence->id},
                                                 {"start", request.sequence->start},
                                                 {"end", request.sequence->end}}));
  }
  return rest.Dump();
}

base::Result<ModelDescription> ReadDescription(const base::Json& json) {
  ModelDescription description;
  description.inputs = TRY(ReadSpecs(json, "inputs"));
  description.outputs = TRY(ReadSpecs(json, "outputs"));
  description.batchable = TRY(base::OptionalBool(json, "batchable")).value_or(false);
  description.decoupled = TRY(base::OptionalBool(json, "decoupled")).value_or(false);
  description.open = TRY(base::OptionalBool(json, "open")).value_or(false);
  description.platform = TRY(base::OptionalString(json, "platform")).value_or("python");
  return description;
}

base::Json SpecsJson(const std::vector<TensorSpec>& specs) {
  base::Json listed = base::Json::MakeArray();
  for (const TensorSpec& spec : specs) {
    base::Json one = base::Json::MakeObject(
        {{"name", spec.name}, {"datatype", std::string(DataTypeName(spec.type))}});
    base::Json shape = base::Json::MakeArray();
    for (const int64_t size : spec.shape) shape.Append(size);
    if (!spec.any_rank) one.Set("shape", std::move(shape));
    listed.Append(std::move(one));
  }
  return listed;
}

base::Status ReadFailure(const base::Json& json) {
  static constexpr std::array<std::pair<std::string_view, base::Code>, 8> kCodes = {{
      {"INVALID_ARGUMENT", base::Code::kInvalidArgument},
      {"NOT_FOUND", base::Code::kNotFound},
      {"ALREADY_EXISTS", base::Code::kAlreadyExists},
      {"RESOURCE_EXHAUSTED", base::Code::kResourceExhausted},
      {"UNIMPLEMENTED", base::Code::kUnimplemented},
      {"UNAVAILABLE", base::Code::kUnavailable},
      {"CANCELLED", base::Code::kCancelled},
      {"UNKNOWN", base::Code::kUnknown},
  }};
  const auto text = [&json](std::string_view key, const char* absent) {
    const auto value = base::OptionalString(json, key);
    return value.ok() ? value->value_or(absent) : std::string(absent);
  };
  const std::string name = text("code", "");
  const auto known = std::ranges::find(kCodes, name, [](const auto& one) { return one.first; });
  const base::Code code = known == kCodes.end() ? base::Code::kInternal : known->second;
  const bool caller = code == base::Code::kInvalidArgument;
  return {code, text("reason", "model_raised"), text("message", "the model failed"),
          caller ? (text("reason", "") == "bad_model" ? "model" : "inputs") : ""};
}

}  // namespace slipway::inference::python
