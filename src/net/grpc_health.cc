// SPDX-License-Identifier: Apache-2.0
// Health over gRPC. The library's own service brings polling threads that would cost every other
// call a third more.
#include "net/grpc_health.h"

#include <algorithm>

#include "net/health.pb.h"

namespace slipway::net {

namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

}  // namespace

// One Watch: told once how things are, and again when the server stops.
class GrpcHealth::Watcher final : public GrpcStreamHandler,
                                  public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(GrpcHealth& health, std::shared_ptr<GrpcStream> stream)
      : health_(health), stream_(std::move(stream)) {
    stream_->Read();
  }
  void OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) override {
    const Serving serving = health_.Of(static_cast<HealthCheckRequest&>(*message).service());
    Tell(serving == Serving::kYes  ? HealthCheckResponse::SERVING
         : serving == Serving::kNo ? HealthCheckResponse::NOT_SERVING
                                   : HealthCheckResponse::SERVICE_UNKNOWN);
    if (!health_.Enter(shared_from_this())) Stop();
  }
  // The one message was all; the stream stays open.
  void OnEnd() override {}

  void Stop() {
    Tell(HealthCheckResponse::NOT_SERVING);
    stream_->Finish(base::Unavailable("stopping", "the server is stopping"));
  }

 private:
  void Tell(HealthCheckResponse::ServingStatus status) {
    HealthCheckResponse response;
    response.set_status(status);
    stream_->Write(response);
  }

  GrpcHealth& health_;
  std::shared_ptr<GrpcStream> stream_;
};

void GrpcHealth::SetServices(const std::vector<std::string>& services) {
  std::lock_guard lock(mutex_);
  services_ = {services.begin(), services.end()};
  services_.insert("");
}

void GrpcHealth::StopServing() {
  std::vector<std::weak_ptr<Watcher>> watchers;
  {
    std::lock_guard lock(mutex_);
    serving_ = false;
    watchers.swap(watchers_);
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->Stop();
  }
}

GrpcHealth::Serving GrpcHealth::Of(const std::string& service) {
  std::lock_guard lock(mutex_);
  if (!services_.contains(service)) return Serving::kUnknownService;
  return serving_ ? Serving::kYes : Serving::kNo;
}

bool GrpcHealth::Enter(const std::shared_ptr<Watcher>& watcher) {
  std::lock_guard lock(mutex_);
  if (!serving_) return false;
  std::erase_if(watchers_, [](const auto& one) { return one.expired(); });
  watchers_.push_back(watcher);
  return true;
}

GrpcUnaryMethod GrpcHealth::Check() {
  return {
      "/grpc.health.v1.Health/Check", [] { return std::make_shared<HealthCheckRequest>(); },
      [] { return std::make_shared<HealthCheckResponse>(); },
      [this](GrpcUnaryCall& call) {
        const auto& service = static_cast<HealthCheckRequest&>(call.request()).service();
        const Serving serving = Of(service);
        if (serving == Serving::kUnknownService)
          return call.Finish(base::NotFound("unknown_service", "no service \"" + service + "\""));
        static_cast<HealthCheckResponse&>(call.response())
            .set_status(serving == Serving::kYes ? HealthCheckResponse::SERVING
                                                 : HealthCheckResponse::NOT_SERVING);
        call.Finish(base::Status::Ok());
      }};
}

GrpcStreamMethod GrpcHealth::Watch() {
  return {"/grpc.health.v1.Health/Watch", [] { return std::make_shared<HealthCheckRequest>(); },
          [this](std::shared_ptr<GrpcStream> stream) {
            return std::make_shared<Watcher>(*this, std::move(stream));
          }};
}

}  // namespace slipway::net
