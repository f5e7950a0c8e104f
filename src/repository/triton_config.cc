// SPDX-License-Identifier: Apache-2.0
// Triton's message -> ModelConfig. An error names the field as Triton's documentation does.
#include "repository/triton_config.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "repository/config_message.h"
#include "repository/model_config.pb.h"
#include "repository/triton_types.h"

namespace slipway::repository {

using base::Result;
using base::Status;
using inference::DataType;
using inference::ModelConfig;
using inference::Shape;

namespace {

namespace pb = ::inference;

constexpr int kMaxTensors = 4096;
constexpr int64_t kMaxRank = 64;
constexpr int kMaxVersions = 1000;

constexpr std::pair<std::string_view, std::string_view> kBackends[] = {
    {"onnxruntime", "onnx"},
    {"onnxruntime_onnx", "onnx"},
    {"tensorflow", "openvino"},
    {"tensorflow_savedmodel", "openvino"},
    {"tensorflow_graphdef", "openvino"},
    {"pytorch", "python"},
    {"pytorch_libtorch", "python"},
    {"fil", "trees"},
};

constexpr DataType kTypes[] = {DataType::kBool,   DataType::kUint8,  DataType::kUint16,
                               DataType::kUint32, DataType::kUint64, DataType::kInt8,
                               DataType::kInt16,  DataType::kInt32,  DataType::kInt64,
                               DataType::kFp16,   DataType::kFp32,   DataType::kFp64,
                               DataType::kString, DataType::kBf16};  // by Triton's number, from 1

Status Bad(const std::string& field, std::string message) {
  return base::InvalidArgument(field, std::move(message), "bad_config");
}

// 64 bits without a sign, as far as we count.
int64_t Clamped(uint64_t value) {
  return static_cast<int64_t>(
      std::min<uint64_t>(value, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
}

Result<DataType> TypeOf(pb::DataType type, const std::string& field) {
  if (const auto known = TypeOfTriton(type)) return *known;
  return Bad(field + ".data_type", "expected a type such as TYPE_FP32");
}

template <typename Dims>
Result<Shape> ShapeOf(const Dims& dims, bool rows, const std::string& field) {
  if (dims.size() > kMaxRank) return Bad(field, "more than " + std::to_string(kMaxRank));
  Shape shape;
  if (rows) shape.push_back(-1);
  for (const int64_t dimension : dims) {
    if (dimension < -1 || dimension == 0)
      return Bad(field, std::to_string(dimension) + ": expected -1 or a size of at least 1");
    shape.push_back(dimension);
  }
  return shape;
}

// Elements of one row when all sizes are known; -1 when they are not.
int64_t FixedCount(const Shape& shape) {
  int64_t count = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0 && i == 0) continue;
    if (shape[i] < 0) return -1;
    count *= shape[i];
  }
  return count;
}

// Inputs and outputs have the same fields.
template <typename Tensors>
Status ReadTensors(const Tensors& tensors, bool rows, const std::string& what,
                   std::vector<inference::TensorSpec>& specs,
                   std::map<std::string, Shape>& reshapes) {
  if (tensors.size() > kMaxTensors) return Bad(what, "more than " + std::to_string(kMaxTensors));
  std::set<std::string> names;
  for (int i = 0; i < tensors.size(); ++i) {
    const auto& tensor = tensors[i];
    const std::string field = what + "[" + std::to_string(i) + "]";
    if (tensor.name().empty()) return Bad(field + ".name", "is missing");
    if (!names.insert(tensor.name()).second)
      return Bad(field + ".name", "'" + tensor.name() + "' stands there twice");
    inference::TensorSpec spec;
    spec.name = tensor.name();
    spec.type = TRY(TypeOf(tensor.data_type(), field));
    spec.shape = TRY(ShapeOf(tensor.dims(), rows, field + ".dims"));
    if (tensor.has_reshape()) {
      Shape inner = TRY(ShapeOf(tensor.reshape().shape(), rows, field + ".reshape.shape"));
      const int64_t outside = FixedCount(spec.shape), inside = FixedCount(inner);
      if (outside >= 0 && inside >= 0 && outside != inside) {
        return Bad(field + ".reshape.shape",
                   std::to_string(inside) + " elements, but dims has " + std::to_string(outside));
      }
      if (!reshapes.emplace(spec.name, std::move(inner)).second)
        return Bad(field + ".reshape", "an input and an output of one name cannot both have it");
    }
    specs.push_back(std::move(spec));
  }
  return Status::Ok();
}

Status ReadBatching(const pb::ModelDynamicBatching& batching, ModelConfig& config) {
  for (const int32_t size : batching.preferred_batch_size()) {
    if (size < 1) return Bad("dynamic_batching.preferred_batch_size", "expected 1 or more");
    config.preferred_batch_rows.push_back(size);
  }
  config.max_queue_delay_us = Clamped(batching.max_queue_delay_microseconds());
  config.priority_levels = Clamped(batching.priority_levels());
  config.default_priority = Clamped(batching.default_priority_level());
  if (config.priority_levels > 0 &&
      (config.default_priority < 1 || config.default_priority > config.priority_levels)) {
    return Bad("dynamic_batching.default_priority_level",
               "expected 1 to " + std::to_string(config.priority_levels));
  }
  if (!batching.has_default_queue_policy()) return Status::Ok();
  const pb::ModelQueuePolicy& policy = batching.default_queue_policy();
  if (policy.timeout_action() != pb::ModelQueuePolicy::REJECT) {
    return Bad("dynamic_batching.default_queue_policy.timeout_action",
               "only REJECT: a request past its time is not run");
  }
  config.default_timeout_us = Clamped(policy.default_timeout_microseconds());
  if (policy.max_queue_size() > 0) config.max_queue_rows = policy.max_queue_size();
  return Status::Ok();
}

Result<inference::SequenceControl> ReadControl(const std::string& input,
                                               const pb::ModelSequenceBatching::Control& control,
                                               const std::string& field) {
  using Control = pb::ModelSequenceBatching::Control;
  inference::SequenceControl read;
  read.input = input;
  switch (control.kind()) {
    case Control::CONTROL_SEQUENCE_START:
      read.kind = "start";
      break;
    case Control::CONTROL_SEQUENCE_READY:
      read.kind = "ready";
      break;
    case Control::CONTROL_SEQUENCE_END:
      read.kind = "end";
      break;
    case Control::CONTROL_SEQUENCE_CORRID:
      read.kind = "id";
      read.type = control.data_type() == pb::TYPE_INVALID ? DataType::kUint64
                                                          : TRY(TypeOf(control.data_type(), field));
      return read;
    default:
      return Bad(field + ".kind", "is not known");
  }
  const auto values = [&](DataType type, const auto& pair) {
    read.type = type;
    read.off = static_cast<double>(pair[0]);
    read.on = static_cast<double>(pair[1]);
  };
  if (control.int32_false_true_size() == 2) {
    values(DataType::kInt32, control.int32_false_true());
  } else if (control.fp32_false_true_size() == 2) {
    values(DataType::kFp32, control.fp32_false_true());
  } else if (control.bool_false_true_size() == 2) {
    values(DataType::kBool, control.bool_false_true());
  } else {
    return Bad(field,
               "expected two values in int32_false_true, fp32_false_true or bool_false_true");
  }
  return read;
}

Status ReadSequences(const pb::ModelSequenceBatching& batching, bool rows, ModelConfig& config) {
  inference::SequenceConfig& sequence = config.sequence.emplace();
  if (batching.max_sequence_idle_microseconds() > 0)
    sequence.max_idle_us = Clamped(batching.max_sequence_idle_microseconds());
  if (batching.has_oldest()) {
    if (batching.oldest().max_candidate_sequences() > 0)
      sequence.max_sequences = batching.oldest().max_candidate_sequences();
    for (const int32_t size : batching.oldest().preferred_batch_size())
      config.preferred_batch_rows.push_back(size);
    config.max_queue_delay_us = Clamped(batching.oldest().max_queue_delay_microseconds());
  } else {
    config.max_queue_delay_us = Clamped(batching.direct().max_queue_delay_microseconds());
  }
  for (int i = 0; i < batching.control_input_size(); ++i) {
    const auto& input = batching.control_input(i);
    const std::string field = "sequence_batching.control_input[" + std::to_string(i) + "]";
    if (input.name().empty()) return Bad(field + ".name", "is missing");
    for (const auto& control : input.control())
      sequence.controls.push_back(TRY(ReadControl(input.name(), control, field + ".control")));
  }
  for (int i = 0; i < batching.state_size(); ++i) {
    const auto& state = batching.state(i);
    const std::string field = "sequence_batching.state[" + std::to_string(i) + "]";
    if (state.input_name().empty() || state.output_name().empty())
      return Bad(field, "expected input_name and output_name");
    inference::SequenceState read;
    read.input = state.input_name();
    read.output = state.output_name();
    read.type = TRY(TypeOf(state.data_type(), field));
    read.shape = TRY(ShapeOf(state.dims(), false, field + ".dims"));
    if (rows) read.shape.insert(read.shape.begin(), 1);
    sequence.states.push_back(std::move(read));
  }
  return Status::Ok();
}

Status ReadEnsemble(const pb::ModelEnsembling& ensembling, ModelConfig& config) {
  if (ensembling.step_size() == 0) return Bad("ensemble_scheduling.step", "expected one or more");
  for (int i = 0; i < ensembling.step_size(); ++i) {
    const auto& step = ensembling.step(i);
    const std::string field = "ensemble_scheduling.step[" + std::to_string(i) + "]";
    if (step.model_name().empty()) return Bad(field + ".model_name", "is missing");
    inference::EnsembleStep read;
    read.model = step.model_name();
    if (step.model_version() > 0) read.version = step.model_version();
    read.inputs.insert(step.input_map().begin(), step.input_map().end());
    read.outputs.insert(step.output_map().begin(), step.output_map().end());
    config.ensemble.push_back(std::move(read));
  }
  return Status::Ok();
}

Status ReadInstances(const pb::ModelConfig& message, ModelConfig& config) {
  for (int i = 0; i < message.instance_group_size(); ++i) {
    const pb::ModelInstanceGroup& group = message.instance_group(i);
    const std::string field = "instance_group[" + std::to_string(i) + "]";
    if (group.count() < 0) return Bad(field + ".count", "expected 1 or more");
    const int64_t devices = std::max(1, group.gpus_size());
    config.instances += std::max(1, group.count()) * devices;
    if (group.kind() == pb::ModelInstanceGroup::KIND_GPU) {
      config.parameters["device"] =
          "cuda:" + std::to_string(group.gpus_size() > 0 ? group.gpus(0) : 0);
    }
  }
  return Status::Ok();
}

Status ReadVersions(const pb::ModelConfig& message, VersionPolicy& policy) {
  if (!message.has_version_policy()) return Status::Ok();
  const pb::ModelVersionPolicy& said = message.version_policy();
  if (said.has_all()) policy.kind = VersionPolicy::Kind::kAll;
  if (said.has_latest()) policy.latest = std::max<int64_t>(1, said.latest().num_versions());
  if (!said.has_specific()) return Status::Ok();
  policy.kind = VersionPolicy::Kind::kSpecific;
  if (said.specific().versions_size() > kMaxVersions || said.specific().versions_size() == 0) {
    return Bad("version_policy.specific.versions",
               "expected 1 to " + std::to_string(kMaxVersions) + " numbers");
  }
  for (const int64_t version : said.specific().versions()) {
    if (version < 1) return Bad("version_policy.specific.versions", "expected 1 or more");
    policy.specific.push_back(version);
  }
  return Status::Ok();
}

Status ReadScheduling(const pb::ModelConfig& message, bool rows, ModelConfig& config) {
  if (message.has_dynamic_batching()) return ReadBatching(message.dynamic_batching(), config);
  if (message.has_sequence_batching())
    return ReadSequences(message.sequence_batching(), rows, config);
  if (message.has_ensemble_scheduling()) return ReadEnsemble(message.ensemble_scheduling(), config);
  return Status::Ok();
}

Status ReadRuntime(const pb::ModelConfig& message, ModelConfig& config) {
  const std::string& named = message.backend().empty() ? message.platform() : message.backend();
  const bool ensemble = named == "ensemble";
  if (ensemble != message.has_ensemble_scheduling()) {
    return Bad(ensemble ? "ensemble_scheduling" : "platform", ensemble
                                                                  ? "an ensemble needs its steps"
                                                                  : "\"ensemble\" is expected with "
                                                                    "ensemble_scheduling");
  }
  config.runtime = RuntimeOfBackend(named);
  return Status::Ok();
}

Result<TritonConfig> Read(const pb::ModelConfig& message, std::vector<std::string> ignored) {
  TritonConfig read;
  read.ignored = std::move(ignored);
  read.name = message.name();
  ModelConfig& config = read.model;
  TRY(ReadRuntime(message, config));
  if (message.max_batch_size() < 0) return Bad("max_batch_size", "expected 0 or more");
  if (message.has_max_batch_size()) config.max_batch_rows = message.max_batch_size();
  const bool rows = message.max_batch_size() > 0;
  TRY(ReadTensors(message.input(), rows, "input", config.inputs, config.reshapes));
  TRY(ReadTensors(message.output(), rows, "output", config.outputs, config.reshapes));
  for (const pb::ModelOutput& output : message.output()) {
    if (!output.label_filename().empty()) read.label_files[output.name()] = output.label_filename();
  }
  TRY(ReadScheduling(message, rows, config));
  TRY(ReadInstances(message, config));
  TRY(ReadVersions(message, read.versions));
  read.model_file = message.default_model_filename();
  config.decoupled = message.model_transaction_policy().decoupled();
  config.response_cache = message.response_cache().enable();
  for (const auto& [name, value] : message.parameters()) {
    if (name == "pinned") {
      config.pinned = value.string_value() == "true";
    } else {
      config.parameters[name] = value.string_value();
    }
  }
  return read;
}

}  // namespace

int TritonTypeOf(DataType type) {
  return static_cast<int>(std::ranges::find(kTypes, type) - std::begin(kTypes)) + 1;
}

std::optional<DataType> TypeOfTriton(int number) {
  if (number < 1 || number > static_cast<int>(std::size(kTypes))) return std::nullopt;
  return kTypes[number - 1];
}

std::string RuntimeOfBackend(std::string_view backend) {
  for (const auto& [triton, ours] : kBackends) {
    if (backend == triton) return std::string(ours);
  }
  return std::string(backend);
}

Result<TritonConfig> ParseTritonConfigText(std::string_view text) {
  pb::ModelConfig message;
  std::vector<std::string> ignored;
  TRY(MessageFromText(text, message, ignored));
  auto read = Read(message, std::move(ignored));
  if (read.ok()) return read;
  const Status& why = read.status();
  return Bad("config.pbtxt", why.field() + ": " + why.message());
}

Result<TritonConfig> ParseTritonConfigJson(std::string_view json) {
  pb::ModelConfig message;
  std::vector<std::string> ignored;
  TRY(MessageFromJson(json, message, ignored));
  auto read = Read(message, std::move(ignored));
  if (read.ok()) return read;
  const Status& why = read.status();
  return Bad("config." + why.field(), why.message());
}

}  // namespace slipway::repository
