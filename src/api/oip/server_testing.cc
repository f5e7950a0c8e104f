// SPDX-License-Identifier: Apache-2.0
// Help for tests.
#include "api/oip/server_testing.h"

#include <utility>

namespace slipway::api::oip {

using inference::DataType;

namespace {

std::shared_ptr<serving::FakeModel> ManyModel() {
  inference::ModelConfig config;
  config.decoupled = true;
  auto model = std::make_shared<serving::FakeModel>(
      serving::TimesModel(1)->description(),
      [](const inference::Request& request) -> base::Result<inference::Response> {
        inference::Response response{{{"y", request.inputs[0].tensor}}};
        response.parameters["note"] = std::string("said");
        return response;
      },
      config);
  model->answers = 3;
  return model;
}

}  // namespace

OipServer::OipServer() {
  times = serving::TimesModel(2);
  serving.routes.Set("m", 1, {{"stable", 3, 1, times}});
  many = ManyModel();
  serving.routes.Set("many", 1, {{"stable", 1, 1, many}});
  serving.routes.Set("talk", 1,
                     {{"stable", 1, 1,
                       serving::EchoModel({{"text_input", DataType::kString, {-1, 1}}},
                                          {{"text_output", DataType::kString, {-1, 1}}})}});
  serving.routes.SetUnloaded("m", 2, serving::TimesModel(20));
  serving.routes.Set("echo", 1,
                     {{"stable", 1, 1,
                       serving::EchoModel({{"f", DataType::kFp32, {-1, 2}},
                                           {"s", DataType::kString, {-1}},
                                           {"h", DataType::kFp16, {-1}},
                                           {"b", DataType::kBool, {-1}},
                                           {"l", DataType::kInt64, {-1}}},
                                          {{"out_f", DataType::kFp32, {-1, 2}},
                                           {"out_s", DataType::kString, {-1}},
                                           {"out_h", DataType::kFp16, {-1}},
                                           {"out_b", DataType::kBool, {-1}},
                                           {"out_l", DataType::kInt64, {-1}}})}});
  const Ready is_ready = [this] { return ready.load(); };
  net::HttpServerSettings http_settings;
  http_settings.listen = "127.0.0.1:0";
  http_ = std::make_unique<net::HttpServer>(http_settings, router_, pool_, metrics_);
  net::GrpcServerSettings grpc_settings;
  grpc_settings.listen = "127.0.0.1:0";
  grpc_ = std::make_unique<net::GrpcServer>(grpc_settings);
  Register(router_, *grpc_, {serving.predictor, nullptr, 128, {}, is_ready, traces.path()});
  for (const base::Status& status : {http_->Start(), grpc_->Start()})
    CHECK(status.ok(), status.message());
}

OipServer::~OipServer() {
  http_->Stop();
  grpc_->Stop();
}

net::HttpResponse OipServer::Send(const std::string& method, const std::string& path,
                                  std::string body, std::vector<net::Header> headers) {
  net::HttpCall call;
  call.method = method;
  call.url = "http://127.0.0.1:" + std::to_string(http_->port()) + path;
  call.headers = std::move(headers);
  call.body = std::move(body);
  auto response = client_.Send(call);
  CHECK(response.ok(), response.status().message());
  return std::move(response).TakeValue();
}

std::string OipServer::grpc_target() const { return "127.0.0.1:" + std::to_string(grpc_->port()); }

}  // namespace slipway::api::oip
