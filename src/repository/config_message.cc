// SPDX-License-Identifier: Apache-2.0
// Text and JSON of Triton's message. Fields that Triton knows and that change nothing here are
// skipped; any other unknown name is an error, because it is most likely misspelt.
#include "repository/config_message.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "repository/model_config.pb.h"
#include "repository/triton_config.h"

namespace slipway::repository {
namespace {

using base::Json;
using base::Status;
namespace protobuf = google::protobuf;

// Of how a model is tuned, watched or placed elsewhere; its answers stay what they are.
constexpr std::string_view kWithoutEffect[] = {"optimization",
                                               "model_warmup",
                                               "metric_tags",
                                               "model_metrics",
                                               "cc_model_filenames",
                                               "runtime",
                                               "format",
                                               "allow_ragged_batch",
                                               "rate_limiter",
                                               "secondary_devices",
                                               "profile",
                                               "passive",
                                               "host_policy",
                                               "preserve_ordering",
                                               "priority_queue_policy",
                                               "minimum_slot_utilization",
                                               "max_inflight_requests",
                                               "use_same_buffer_for_input_output",
                                               "use_growable_memory",
                                               "model_repository_agents"};

bool HasNoEffect(std::string_view name) {
  return std::ranges::find(kWithoutEffect, name) != std::end(kWithoutEffect);
}

Status BadConfig(std::string field, std::string message) {
  return base::InvalidArgument(std::move(field), std::move(message), "bad_config");
}

// "Message type "inference.ModelConfig" has no field named "x"." -> x; empty: another complaint.
std::string UnknownFieldOf(const std::string& message) {
  constexpr std::string_view kBefore = "has no field named \"";
  const size_t begin = message.find(kBefore);
  if (begin == std::string::npos) return {};
  const size_t end = message.find('"', begin + kBefore.size());
  return message.substr(begin + kBefore.size(), end - begin - kBefore.size());
}

// Keeps the first complaint that counts.
class Complaints final : public protobuf::io::ErrorCollector {
 public:
  explicit Complaints(std::vector<std::string>& ignored) : ignored_(ignored) {}
  void AddError(int line, int column, const std::string& message) override {
    Keep(line, column, message);
  }
  void AddWarning(int line, int column, const std::string& message) override {
    const std::string unknown = UnknownFieldOf(message);
    if (unknown.empty()) return;
    if (HasNoEffect(unknown)) {
      ignored_.push_back(unknown);
    } else {
      Keep(line, column, "'" + unknown + "' is not a field that is known here");
    }
  }
  [[nodiscard]] const Status& first() const { return first_; }

 private:
  void Keep(int line, int column, const std::string& message) {
    if (!first_.ok()) return;
    first_ = BadConfig(
        "config.pbtxt:" + std::to_string(line + 1) + ":" + std::to_string(column + 1), message);
  }

  std::vector<std::string>& ignored_;
  Status first_;
};

// Takes out the members that have no effect. Names inside these maps are the author's own.
void StripIgnored(Json& value, std::vector<std::string>& ignored) {
  if (value.is_array()) {
    for (Json& item : value.AsArray()) StripIgnored(item, ignored);
    return;
  }
  if (!value.is_object()) return;
  Json::Object& members = value.AsObject();
  std::erase_if(members, [&](const Json::Member& member) {
    if (!HasNoEffect(member.first)) return false;
    ignored.push_back(member.first);
    return true;
  });
  for (auto& [name, member] : members) {
    if (name != "parameters" && name != "input_map" && name != "output_map")
      StripIgnored(member, ignored);
  }
}

Json ObjectOf(const protobuf::Message& message);

Json ScalarOf(const protobuf::Message& message, const protobuf::FieldDescriptor& field) {
  using Field = protobuf::FieldDescriptor;
  const protobuf::Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      return static_cast<int64_t>(read.GetInt32(message, &field));
    case Field::CPPTYPE_INT64:
      return static_cast<int64_t>(read.GetInt64(message, &field));
    case Field::CPPTYPE_UINT32:
      return static_cast<int64_t>(read.GetUInt32(message, &field));
    case Field::CPPTYPE_UINT64:
      return static_cast<uint64_t>(read.GetUInt64(message, &field));
    case Field::CPPTYPE_BOOL:
      return read.GetBool(message, &field);
    case Field::CPPTYPE_ENUM:
      return read.GetEnum(message, &field)->name();
    case Field::CPPTYPE_STRING:
      return read.GetString(message, &field);
    default:
      return ObjectOf(read.GetMessage(message, &field));
  }
}

Json ItemOf(const protobuf::Message& message, const protobuf::FieldDescriptor& field, int i) {
  using Field = protobuf::FieldDescriptor;
  const protobuf::Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      return static_cast<int64_t>(read.GetRepeatedInt32(message, &field, i));
    case Field::CPPTYPE_INT64:
      return static_cast<int64_t>(read.GetRepeatedInt64(message, &field, i));
    case Field::CPPTYPE_BOOL:
      return read.GetRepeatedBool(message, &field, i);
    case Field::CPPTYPE_FLOAT:
      return static_cast<double>(read.GetRepeatedFloat(message, &field, i));
    default:
      return ObjectOf(read.GetRepeatedMessage(message, &field, i));
  }
}

Json MapOf(const protobuf::Message& message, const protobuf::FieldDescriptor& field) {
  const protobuf::Reflection& read = *message.GetReflection();
  std::vector<std::pair<std::string, Json>> members;
  for (int i = 0; i < read.FieldSize(message, &field); ++i) {
    const protobuf::Message& entry = read.GetRepeatedMessage(message, &field, i);
    const auto* key = entry.GetDescriptor()->map_key();
    const auto* value = entry.GetDescriptor()->map_value();
    members.emplace_back(entry.GetReflection()->GetString(entry, key), ScalarOf(entry, *value));
  }
  // The message's own order is that of a hash.
  std::ranges::sort(members, {}, &std::pair<std::string, Json>::first);
  Json object = Json::MakeObject();
  for (auto& [name, value] : members) object.Set(name, std::move(value));
  return object;
}

Json ObjectOf(const protobuf::Message& message) {
  const protobuf::Reflection& read = *message.GetReflection();
  const protobuf::Descriptor& type = *message.GetDescriptor();
  Json object = Json::MakeObject();
  for (int i = 0; i < type.field_count(); ++i) {
    const protobuf::FieldDescriptor& field = *type.field(i);
    if (field.is_map()) {
      object.Set(field.name(), MapOf(message, field));
    } else if (field.is_repeated()) {
      Json items = Json::MakeArray();
      for (int at = 0; at < read.FieldSize(message, &field); ++at)
        items.Append(ItemOf(message, field, at));
      object.Set(field.name(), std::move(items));
    } else if (field.cpp_type() != protobuf::FieldDescriptor::CPPTYPE_MESSAGE ||
               read.HasField(message, &field)) {
      object.Set(field.name(), ScalarOf(message, field));
    }
  }
  return object;
}

}  // namespace

Status MessageFromText(std::string_view text, ::inference::ModelConfig& message,
                       std::vector<std::string>& ignored) {
  if (text.size() > kMaxConfigBytes) {
    return BadConfig("config.pbtxt", "longer than " + std::to_string(kMaxConfigBytes) + " bytes");
  }
  protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(static_cast<int>(base::kMaxJsonDepth));
  Complaints complaints(ignored);
  parser.RecordErrorsTo(&complaints);
  const bool parsed = parser.ParseFromString(std::string(text), &message);
  if (!complaints.first().ok()) return complaints.first();
  return parsed ? Status::Ok() : BadConfig("config.pbtxt", "not readable");
}

Status MessageFromJson(std::string_view json, ::inference::ModelConfig& message,
                       std::vector<std::string>& ignored) {
  if (json.size() > kMaxConfigBytes)
    return BadConfig("config", "longer than " + std::to_string(kMaxConfigBytes) + " bytes");
  auto tree = Json::Parse(json);
  if (!tree.ok()) return BadConfig("config", tree.status().message());
  if (!tree->is_object())
    return BadConfig("config", "expected an object, got " + std::string(tree->TypeName()));
  StripIgnored(*tree, ignored);
  const auto status = protobuf::util::JsonStringToMessage(tree->Dump(), &message, {});
  if (!status.ok()) return BadConfig("config", std::string(status.message()));
  return Status::Ok();
}

Json MessageToJson(const ::inference::ModelConfig& message) { return ObjectOf(message); }

}  // namespace slipway::repository
