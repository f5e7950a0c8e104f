// SPDX-License-Identifier: Apache-2.0
// ModelConfig -> Triton's message, completed by what the loaded model says of itself.
#include <algorithm>
#include <string>

#include "repository/config_message.h"
#include "repository/model_config.pb.h"
#include "repository/triton_config.h"
#include "repository/triton_types.h"

namespace slipway::repository {
namespace {

namespace pb = ::inference;
using inference::ModelConfig;
using inference::Shape;

// Rows may be stacked: dims then leaves them out.
bool Stacks(const ConfigAnswer& answer) {
  const auto free_rows = [](const inference::TensorSpec& spec) {
    return !spec.shape.empty() && spec.shape[0] == -1;
  };
  return answer.config.max_batch_rows.value_or(1) > 0 && answer.description.batchable &&
         std::ranges::all_of(answer.description.inputs, free_rows) &&
         std::ranges::all_of(answer.description.outputs, free_rows);
}

std::string BackendOf(const ConfigAnswer& answer) {
  if (!answer.config.ensemble.empty()) return "";
  const std::string& platform = answer.description.platform;
  if (answer.config.runtime == "onnx" || platform.starts_with("onnxruntime")) return "onnxruntime";
  return answer.config.runtime.empty() ? platform : answer.config.runtime;
}

template <typename Message>
void WriteTensor(const inference::TensorSpec& spec, bool rows, const ModelConfig& config,
                 Message& message) {
  message.set_name(spec.name);
  message.set_data_type(static_cast<pb::DataType>(TritonTypeOf(spec.type)));
  const auto skip = rows ? 1 : 0;
  for (auto at = spec.shape.begin() + skip; at < spec.shape.end(); ++at) message.add_dims(*at);
  if (const auto reshape = config.reshapes.find(spec.name); reshape != config.reshapes.end()) {
    const Shape& shape = reshape->second;
    auto& inner = *message.mutable_reshape();
    for (auto at = shape.begin() + skip; at < shape.end(); ++at) inner.add_shape(*at);
  }
}

void WriteControl(const inference::SequenceControl& control, pb::ModelSequenceBatching& message) {
  using Control = pb::ModelSequenceBatching::Control;
  auto& input = *message.add_control_input();
  input.set_name(control.input);
  Control& written = *input.add_control();
  if (control.kind == "id") {
    written.set_kind(Control::CONTROL_SEQUENCE_CORRID);
    written.set_data_type(static_cast<pb::DataType>(TritonTypeOf(control.type)));
    return;
  }
  written.set_kind(control.kind == "start"   ? Control::CONTROL_SEQUENCE_START
                   : control.kind == "ready" ? Control::CONTROL_SEQUENCE_READY
                                             : Control::CONTROL_SEQUENCE_END);
  for (const double value : {control.off, control.on}) {
    if (control.type == inference::DataType::kFp32) {
      written.add_fp32_false_true(static_cast<float>(value));
    } else if (control.type == inference::DataType::kBool) {
      written.add_bool_false_true(value != 0);
    } else {
      written.add_int32_false_true(static_cast<int32_t>(value));
    }
  }
}

void WriteSequences(const ModelConfig& config, bool rows, pb::ModelSequenceBatching& message) {
  const inference::SequenceConfig& sequence = *config.sequence;
  message.set_max_sequence_idle_microseconds(static_cast<uint64_t>(sequence.max_idle_us));
  auto& oldest = *message.mutable_oldest();
  oldest.set_max_candidate_sequences(static_cast<int32_t>(sequence.max_sequences));
  oldest.set_max_queue_delay_microseconds(static_cast<uint64_t>(config.max_queue_delay_us));
  for (const int64_t size : config.preferred_batch_rows)
    oldest.add_preferred_batch_size(static_cast<int32_t>(size));
  for (const auto& control : sequence.controls) WriteControl(control, message);
  for (const auto& state : sequence.states) {
    auto& written = *message.add_state();
    written.set_input_name(state.input);
    written.set_output_name(state.output);
    written.set_data_type(static_cast<pb::DataType>(TritonTypeOf(state.type)));
    for (auto at = state.shape.begin() + (rows ? 1 : 0); at < state.shape.end(); ++at)
      written.add_dims(*at);
  }
}

void WriteBatching(const ModelConfig& config, pb::ModelDynamicBatching& message) {
  for (const int64_t size : config.preferred_batch_rows)
    message.add_preferred_batch_size(static_cast<int32_t>(size));
  message.set_max_queue_delay_microseconds(static_cast<uint64_t>(config.max_queue_delay_us));
  message.set_priority_levels(static_cast<uint64_t>(config.priority_levels));
  message.set_default_priority_level(static_cast<uint64_t>(config.default_priority));
  if (config.default_timeout_us == 0 && !config.max_queue_rows) return;
  auto& policy = *message.mutable_default_queue_policy();
  policy.set_default_timeout_microseconds(static_cast<uint64_t>(config.default_timeout_us));
  policy.set_allow_timeout_override(true);
  policy.set_max_queue_size(static_cast<uint32_t>(config.max_queue_rows.value_or(0)));
}

void WriteEnsemble(const ModelConfig& config, pb::ModelEnsembling& message) {
  for (const inference::EnsembleStep& step : config.ensemble) {
    auto& written = *message.add_step();
    written.set_model_name(step.model);
    written.set_model_version(step.version.value_or(-1));
    written.mutable_input_map()->insert(step.inputs.begin(), step.inputs.end());
    written.mutable_output_map()->insert(step.outputs.begin(), step.outputs.end());
  }
}

void WriteVersions(const VersionPolicy& policy, pb::ModelVersionPolicy& message) {
  if (policy.kind == VersionPolicy::Kind::kAll) {
    message.mutable_all();
  } else if (policy.kind == VersionPolicy::Kind::kSpecific) {
    for (const int64_t version : policy.specific) message.mutable_specific()->add_versions(version);
  } else {
    message.mutable_latest()->set_num_versions(static_cast<uint32_t>(policy.latest));
  }
}

pb::ModelConfig Write(const ConfigAnswer& answer) {
  const ModelConfig& config = answer.config;
  pb::ModelConfig message;
  message.set_name(answer.name);
  message.set_platform(config.ensemble.empty() ? answer.description.platform : "ensemble");
  message.set_backend(BackendOf(answer));
  WriteVersions(answer.versions, *message.mutable_version_policy());
  const bool rows = Stacks(answer);
  message.set_max_batch_size(
      rows ? static_cast<int32_t>(config.max_batch_rows.value_or(answer.max_batch_rows)) : 0);
  for (const auto& spec : answer.description.inputs)
    WriteTensor(spec, rows, config, *message.add_input());
  for (const auto& spec : answer.description.outputs)
    WriteTensor(spec, rows, config, *message.add_output());
  if (!config.ensemble.empty()) {
    WriteEnsemble(config, *message.mutable_ensemble_scheduling());
  } else if (config.sequence) {
    WriteSequences(config, rows, *message.mutable_sequence_batching());
  } else if (rows) {
    WriteBatching(config, *message.mutable_dynamic_batching());
  }
  const auto device = config.parameters.find("device");
  if (config.instances > 0 || device != config.parameters.end()) {
    auto& group = *message.add_instance_group();
    group.set_name(answer.name + "_0");
    group.set_count(static_cast<int32_t>(std::max<int64_t>(1, config.instances)));
    const bool gpu = device != config.parameters.end() && device->second != "cpu";
    group.set_kind(gpu ? pb::ModelInstanceGroup::KIND_GPU : pb::ModelInstanceGroup::KIND_CPU);
  }
  for (const auto& [name, value] : config.parameters)
    (*message.mutable_parameters())[name].set_string_value(value);
  message.mutable_model_transaction_policy()->set_decoupled(config.decoupled);
  message.mutable_response_cache()->set_enable(config.response_cache);
  return message;
}

}  // namespace

base::Json TritonConfigJson(const ConfigAnswer& answer) { return MessageToJson(Write(answer)); }

std::string TritonConfigBytes(const ConfigAnswer& answer) {
  return Write(answer).SerializeAsString();
}

}  // namespace slipway::repository
