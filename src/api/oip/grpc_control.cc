// SPDX-License-Identifier: Apache-2.0
// What gRPC callers ask besides predictions: the front's JSON, as messages.
#include <google/protobuf/util/json_util.h>

#include <utility>

#include "api/oip/grpc_calls.h"
#include "api/oip/inference.pb.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;

// The front says what the messages say, by the same names.
Status FromJson(const Json& json, google::protobuf::Message& out) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json.Dump(), &out, options);
  return parsed.ok() ? Status::Ok() : base::Internal("bad_message", std::string(parsed.message()));
}

// `answer`: (Front&, call) -> Status, having filled the response. It must not block.
template <typename Request, typename Response, typename Answer>
void Add(net::GrpcServer& server, const std::shared_ptr<Front>& front, const std::string& name,
         Answer answer) {
  using Call = net::GrpcUnary<Request, Response>;
  server.AddUnary<Request, Response>(
      std::string(kServicePath) + name,
      [front, answer](const Call& call) { call.Finish(ToGrpc(answer(*front, call))); });
}

Status Allow(const Front& front, const net::GrpcCall& call) {
  return front.regions.Allow(AddressOf(call.peer()));
}

void AddStatistics(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  using namespace ::inference;  // NOLINT(google-build-using-namespace): this function's messages
  Add<ModelStatisticsRequest, ModelStatisticsResponse>(
      server, front, "ModelStatistics", [](Front& of, const auto& call) -> Status {
        std::optional<int64_t> version;
        if (!call.request().version().empty())
          version = TRY(ParseVersion(call.request().version()));
        return FromJson(TRY(of.Statistics(call.request().name(), version)), call.response());
      });
}

Status TellTrace(Front& front, const net::GrpcUnary<::inference::TraceSettingRequest,
                                                    ::inference::TraceSettingResponse>& call) {
  Json changes = Json::MakeObject();
  for (const auto& [name, values] : call.request().settings()) {
    Json all = Json::MakeArray();
    for (const std::string& value : values.value()) all.Append(value);
    changes.Set(name, std::move(all));
  }
  const std::string& model = call.request().model_name();
  const Json settings = changes.AsObject().empty() ? TRY(front.TraceSettings(model))
                                                   : TRY(front.SetTraceSettings(model, changes));
  for (const auto& [name, value] : settings.AsObject()) {
    auto& out = (*call.response().mutable_settings())[name];
    if (value.is_string()) out.add_value(value.AsString());
    if (!value.is_array()) continue;
    for (const Json& one : value.AsArray()) out.add_value(one.AsString());
  }
  return Status::Ok();
}

Status TellLog(
    Front& front,
    const net::GrpcUnary<::inference::LogSettingsRequest, ::inference::LogSettingsResponse>& call) {
  using Value = ::inference::LogSettingsRequest::SettingValue;
  Json changes = Json::MakeObject();
  for (const auto& [name, value] : call.request().settings()) {
    switch (value.parameter_choice_case()) {
      case Value::kBoolParam:
        changes.Set(name, value.bool_param());
        break;
      case Value::kUint32Param:
        changes.Set(name, static_cast<int64_t>(value.uint32_param()));
        break;
      case Value::kStringParam:
        changes.Set(name, value.string_param());
        break;
      case Value::PARAMETER_CHOICE_NOT_SET:
        return InvalidArgument(name, "has no value");
    }
  }
  const Json settings = TRY(front.SetLogSettings(changes));
  for (const auto& [name, value] : settings.AsObject()) {
    auto& out = (*call.response().mutable_settings())[name];
    if (value.is_bool()) out.set_bool_param(value.AsBool());
    if (value.is_int()) out.set_uint32_param(static_cast<uint32_t>(value.AsInt()));
    if (value.is_string()) out.set_string_param(value.AsString());
  }
  return Status::Ok();
}

void AddSystemRegions(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  using namespace ::inference;  // NOLINT(google-build-using-namespace): this function's messages
  Add<SystemSharedMemoryStatusRequest, SystemSharedMemoryStatusResponse>(
      server, front, "SystemSharedMemoryStatus", [](Front& of, const auto& call) -> Status {
        for (const auto& region : TRY(of.regions.List(call.request().name()))) {
          auto& out = (*call.response().mutable_regions())[region->name];
          out.set_name(region->name);
          out.set_key(region->key);
          out.set_offset(region->offset);
          out.set_byte_size(region->bytes);
        }
        return Status::Ok();
      });
  Add<SystemSharedMemoryRegisterRequest, SystemSharedMemoryRegisterResponse>(
      server, front, "SystemSharedMemoryRegister", [](Front& of, const auto& call) -> Status {
        TRY(Allow(of, call.call()));
        const auto& request = call.request();
        return of.regions.Register(request.name(), request.key(), request.offset(),
                                   request.byte_size());
      });
  Add<SystemSharedMemoryUnregisterRequest, SystemSharedMemoryUnregisterResponse>(
      server, front, "SystemSharedMemoryUnregister", [](Front& of, const auto& call) -> Status {
        TRY(Allow(of, call.call()));
        if (call.request().name().empty()) {
          of.regions.UnregisterAll();
        } else {
          of.regions.Unregister(call.request().name());
        }
        return Status::Ok();
      });
}

void AddCudaRegions(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  using namespace ::inference;  // NOLINT(google-build-using-namespace): this function's messages
  Add<CudaSharedMemoryStatusRequest, CudaSharedMemoryStatusResponse>(
      server, front, "CudaSharedMemoryStatus", [](Front&, const auto& call) {
        if (call.request().name().empty()) return Status::Ok();
        return base::NotFound("no_such_region",
                              "there is no shared memory region '" + call.request().name() + "'");
      });
  Add<CudaSharedMemoryRegisterRequest, CudaSharedMemoryRegisterResponse>(
      server, front, "CudaSharedMemoryRegister", [](Front&, const auto&) { return NoCuda(); });
  Add<CudaSharedMemoryUnregisterRequest, CudaSharedMemoryUnregisterResponse>(
      server, front, "CudaSharedMemoryUnregister",
      [](Front&, const auto&) { return Status::Ok(); });
}

}  // namespace

void RegisterGrpcControl(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  AddStatistics(server, front);
  Add<::inference::TraceSettingRequest, ::inference::TraceSettingResponse>(
      server, front, "TraceSetting", TellTrace);
  Add<::inference::LogSettingsRequest, ::inference::LogSettingsResponse>(server, front,
                                                                         "LogSettings", TellLog);
  AddSystemRegions(server, front);
  AddCudaRegions(server, front);
}

}  // namespace slipway::api::oip
