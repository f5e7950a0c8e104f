// SPDX-License-Identifier: Apache-2.0
// A prediction: what its request says beside the tensors, over either transport.
#include <utility>

#include "api/oip/infer.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::ParameterValue;

Status Wrong(std::string_view name, std::string_view expected) {
  return InvalidArgument("parameters." + std::string(name), "expected " + std::string(expected));
}

Status TakeText(std::string_view name, ParameterValue& value, std::string& out) {
  auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return Wrong(name, "a string");
  out = std::move(*text);
  return Status::Ok();
}

Status TakeCount(std::string_view name, const ParameterValue& value, std::string_view expected,
                 int64_t& out) {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr || *number < 0) return Wrong(name, expected);
  out = *number;
  return Status::Ok();
}

Status TakeFlag(std::string_view name, const ParameterValue& value, bool& out) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) return Wrong(name, "true or false");
  out = *flag;
  return Status::Ok();
}

inference::SequencePlace& PlaceOf(InferCall& out) {
  auto& place = out.call.request.sequence;
  return place ? *place : place.emplace();
}

// 0 and "" are clients' ways to say that there is no sequence.
Status TakeSequence(const ParameterValue& value, InferCall& out) {
  std::string id;
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (*number < 0) return Wrong("sequence_id", "a number from 0, or a string");
    if (*number > 0) id = std::to_string(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    id = *text;
  } else {
    return Wrong("sequence_id", "a number from 0, or a string");
  }
  if (id.size() > serving::kMaxKeyBytes) {
    return Wrong("sequence_id", "at most " + std::to_string(serving::kMaxKeyBytes) + " bytes");
  }
  PlaceOf(out).id = std::move(id);
  return Status::Ok();
}

Status TakeCustom(std::string_view name, ParameterValue value, InferCall& out) {
  if (name.starts_with("triton_") || name == "headers") {
    return InvalidArgument("parameters." + std::string(name),
                           "is a name that the protocol keeps for itself");
  }
  if (name.size() > kMaxNameBytes) {
    return InvalidArgument("parameters", "holds a name that is longer than " +
                                             std::to_string(kMaxNameBytes) + " bytes");
  }
  auto& parameters = out.call.request.parameters;
  if (parameters.size() >= kMaxParameters) {
    return InvalidArgument("parameters",
                           "more than " + std::to_string(kMaxParameters) + " for the model");
  }
  parameters.insert_or_assign(std::string(name), std::move(value));
  return Status::Ok();
}

}  // namespace

Status SetParameter(std::string_view name, ParameterValue value, InferCall& out) {
  if (name == kKeyName) return TakeText(name, value, out.call.key);
  if (name == "timeout")
    return TakeCount(name, value, "microseconds, 0 or more", out.call.timeout_us);
  if (name == "priority") return TakeCount(name, value, "a level, 0 or more", out.call.priority);
  if (name == "sequence_id") return TakeSequence(value, out);
  if (name == "sequence_start") return TakeFlag(name, value, PlaceOf(out).start);
  if (name == "sequence_end") return TakeFlag(name, value, PlaceOf(out).end);
  if (name == "triton_enable_empty_final_response")
    return TakeFlag(name, value, out.wishes.empty_final);
  return TakeCustom(name, std::move(value), out);
}

Status CheckParameters(InferCall& out) {
  auto& sequence = out.call.request.sequence;
  if (!sequence || !sequence->id.empty()) return Status::Ok();
  if (sequence->start || sequence->end) {
    return InvalidArgument("parameters.sequence_id",
                           "missing: sequence_start and sequence_end need one");
  }
  sequence.reset();
  return Status::Ok();
}

bool IsOwnParameter(std::string_view name) {
  return name == "prediction_id" || name == "arm" || name == "model_version";
}

}  // namespace slipway::api::oip
