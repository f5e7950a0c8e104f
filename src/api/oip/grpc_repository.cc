// SPDX-License-Identifier: Apache-2.0
// What gRPC callers ask of the repository: what there is, and to load and unload it.
#include <utility>

#include "api/oip/grpc_calls.h"
#include "api/oip/inference.pb.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using ::inference::ModelRepositoryParameter;

template <typename Request, typename Response>
events::Actor ActorOf(const net::GrpcUnary<Request, Response>& call) {
  events::Actor actor;
  actor.source = "grpc " + call.call().peer();
  return actor;
}

Status CheckRepository(const std::string& name) {
  if (name.empty()) return Status::Ok();
  return InvalidArgument("repository_name", "there is one repository, which has no name");
}

Status TellIndex(const Front& front,
                 const net::GrpcUnary<::inference::RepositoryIndexRequest,
                                      ::inference::RepositoryIndexResponse>& call) {
  TRY(CheckRepository(call.request().repository_name()));
  for (const repository::IndexEntry& entry : front.repository->Index(call.request().ready())) {
    auto& out = *call.response().add_models();
    out.set_name(entry.name);
    if (entry.version > 0) out.set_version(std::to_string(entry.version));
    out.set_state(std::string(StateName(entry.state)));
    out.set_reason(entry.reason);
  }
  return Status::Ok();
}

Status Load(Front& front, const net::GrpcUnary<::inference::RepositoryModelLoadRequest,
                                               ::inference::RepositoryModelLoadResponse>& call) {
  auto& request = call.request();
  TRY(CheckRepository(request.repository_name()));
  repository::LoadRequest load;
  load.name = request.model_name();
  load.actor = ActorOf(call);
  for (auto& [name, value] : *request.mutable_parameters()) {
    const std::string field = "parameters." + name;
    if (name == "config") {
      if (value.parameter_choice_case() != ModelRepositoryParameter::kStringParam)
        return InvalidArgument(field, "expected string_param");
      load.config = value.string_param();
    } else if (name.starts_with("file:")) {
      if (value.parameter_choice_case() != ModelRepositoryParameter::kBytesParam)
        return InvalidArgument(field, "expected bytes_param");
      load.files.insert_or_assign(name, std::move(*value.mutable_bytes_param()));
    } else {
      return InvalidArgument(field, "no such parameter; known are 'config' and 'file:<path>'");
    }
  }
  return front.repository->Load(load);
}

Status Unload(Front& front,
              const net::GrpcUnary<::inference::RepositoryModelUnloadRequest,
                                   ::inference::RepositoryModelUnloadResponse>& call) {
  TRY(CheckRepository(call.request().repository_name()));
  bool dependents = false;
  for (const auto& [name, value] : call.request().parameters()) {
    const std::string field = "parameters." + name;
    if (name != "unload_dependents")
      return InvalidArgument(field, "no such parameter; known is 'unload_dependents'");
    if (value.parameter_choice_case() != ModelRepositoryParameter::kBoolParam)
      return InvalidArgument(field, "expected bool_param");
    dependents = value.bool_param();
  }
  return front.repository->Unload(call.request().model_name(), dependents, ActorOf(call));
}

// `change` blocks, so it has a thread of its own.
template <typename Request, typename Response, typename Change>
void AddChange(net::GrpcServer& server, const std::shared_ptr<Front>& front,
               const std::string& name, Change change) {
  using Call = net::GrpcUnary<Request, Response>;
  server.AddUnary<Request, Response>(
      std::string(kServicePath) + name, [front, change](const Call& call) {
        const Status queued = front->Later(
            [front = front.get(), change, call] { call.Finish(ToGrpc(change(*front, call))); });
        if (!queued.ok()) call.Finish(ToGrpc(queued));
      });
}

}  // namespace

void RegisterGrpcRepository(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  using namespace ::inference;  // NOLINT(google-build-using-namespace): this function's messages
  using IndexCall = net::GrpcUnary<RepositoryIndexRequest, RepositoryIndexResponse>;
  server.AddUnary<RepositoryIndexRequest, RepositoryIndexResponse>(
      std::string(kServicePath) + "RepositoryIndex",
      [front](const IndexCall& call) { call.Finish(ToGrpc(TellIndex(*front, call))); });
  AddChange<RepositoryModelLoadRequest, RepositoryModelLoadResponse>(server, front,
                                                                     "RepositoryModelLoad", Load);
  AddChange<RepositoryModelUnloadRequest, RepositoryModelUnloadResponse>(
      server, front, "RepositoryModelUnload", Unload);
}

}  // namespace slipway::api::oip
