// SPDX-License-Identifier: Apache-2.0
// The gRPC protocol over a real socket.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>

#include "api/oip/infer.h"
#include "api/oip/inference.grpc.pb.h"
#include "api/oip/server_testing.h"
#include "inference/testing.h"

namespace slipway::api::oip {
namespace {

using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;

class OipGrpc : public ::testing::Test {
 protected:
  OipGrpc()
      : stub_(::inference::GRPCInferenceService::NewStub(
            grpc::CreateChannel(server_.grpc_target(), grpc::InsecureChannelCredentials()))) {}

  grpc::Status Infer(const ModelInferRequest& request, ModelInferResponse& response) {
    grpc::ClientContext context;
    return stub_->ModelInfer(&context, request, &response);
  }

  static ModelInferRequest OneNumber(float value) {
    ModelInferRequest request;
    request.set_model_name("m");
    auto& input = *request.add_inputs();
    input.set_name("x");
    input.set_datatype("FP32");
    input.add_shape(1);
    input.add_shape(1);
    input.mutable_contents()->add_fp32_contents(value);
    return request;
  }

  using Change = std::function<void(ModelInferRequest&)>;
  // Each change makes a good request wrong; the refusal begins with the field's name.
  void ExpectRefused(const std::vector<std::pair<const char*, Change>>& table) {
    for (const auto& [field, change] : table) {
      ModelInferRequest request = OneNumber(1);
      change(request);
      ModelInferResponse response;
      const grpc::Status status = Infer(request, response);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
          << field << status.error_message();
      EXPECT_THAT(status.error_message(), StartsWith(field));
    }
  }

  OipServer server_;
  std::unique_ptr<::inference::GRPCInferenceService::Stub> stub_;
};

TEST_F(OipGrpc, TellsAboutServerAndModels) {
  {
    grpc::ClientContext context;
    ::inference::ServerLiveResponse response;
    ASSERT_TRUE(stub_->ServerLive(&context, {}, &response).ok());
    EXPECT_TRUE(response.live());
  }
  for (const bool ready : {true, false}) {
    server_.ready = ready;
    grpc::ClientContext context;
    ::inference::ServerReadyResponse response;
    ASSERT_TRUE(stub_->ServerReady(&context, {}, &response).ok());
    EXPECT_EQ(response.ready(), ready);
  }
  {
    grpc::ClientContext context;
    ::inference::ServerMetadataResponse response;
    ASSERT_TRUE(stub_->ServerMetadata(&context, {}, &response).ok());
    EXPECT_EQ(response.name(), "slipway");
  }
  {
    grpc::ClientContext context;
    ::inference::ModelMetadataRequest request;
    request.set_name("m");
    ::inference::ModelMetadataResponse response;
    ASSERT_TRUE(stub_->ModelMetadata(&context, request, &response).ok());
    EXPECT_THAT(response.versions(), ElementsAre("3"));
    EXPECT_EQ(response.inputs(0).datatype(), "FP32");
    EXPECT_THAT(response.inputs(0).shape(), ElementsAre(-1, 1));
  }
  {
    grpc::ClientContext context;
    ::inference::ModelMetadataRequest request;
    request.set_name("z");
    ::inference::ModelMetadataResponse response;
    EXPECT_EQ(stub_->ModelMetadata(&context, request, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  const std::tuple<std::string, std::string, bool> models[] = {
      {"m", "", true}, {"m", "2", true}, {"m", "9", false}, {"z", "", false}};
  for (const auto& [name, version, ready] : models) {
    grpc::ClientContext context;
    ::inference::ModelReadyRequest request;
    request.set_name(name);
    request.set_version(version);
    ::inference::ModelReadyResponse response;
    ASSERT_TRUE(stub_->ModelReady(&context, request, &response).ok());
    EXPECT_EQ(response.ready(), ready) << name << " " << version;
  }
}

TEST_F(OipGrpc, AnswersTypedContentsWithTyped) {
  ModelInferRequest request = OneNumber(1.5F);
  request.set_id("abc");
  (*request.mutable_parameters())["slipway-key"].set_string_param("user 1");
  ModelInferResponse response;
  const grpc::Status status = Infer(request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.id(), "abc");
  EXPECT_EQ(response.model_name(), "m");
  EXPECT_EQ(response.model_version(), "3");
  EXPECT_THAT(response.outputs(0).contents().fp32_contents(), ElementsAre(3));
  EXPECT_EQ(response.raw_output_contents_size(), 0);
  const auto records = server_.serving.recorder.Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].id, response.parameters().at("prediction_id").string_param());
  EXPECT_EQ(records[0].key, "user 1");
  EXPECT_EQ(records[0].protocol, "oip_grpc");
}

TEST_F(OipGrpc, AnswersRawContentsWithRawWhateverTheSize) {
  for (const int64_t rows : {1, 5000}) {
    ModelInferRequest request = OneNumber(0);
    request.mutable_inputs(0)->clear_contents();
    request.mutable_inputs(0)->set_shape(0, rows);
    AppendRaw(
        *request.add_raw_input_contents(),
        inference::Tensor::Of<float>({rows}, std::vector<float>(static_cast<size_t>(rows), 2)));
    ModelInferResponse response;
    const grpc::Status status = Infer(request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    std::string wanted;
    AppendRaw(wanted, inference::Tensor::Of<float>(
                          {rows}, std::vector<float>(static_cast<size_t>(rows), 4)));
    EXPECT_EQ(response.raw_output_contents(0), wanted);
    EXPECT_FALSE(response.outputs(0).has_contents());
  }
}

TEST_F(OipGrpc, CarriesEveryTypeBothWays) {
  const inference::Request identity = inference::IdentityRequest();
  std::vector<inference::TensorSpec> inputs;
  std::vector<inference::TensorSpec> outputs;
  ModelInferRequest raw;
  raw.set_model_name("identity");
  for (const auto& [name, tensor, labels] : identity.inputs) {
    inputs.push_back({name, tensor.type(), tensor.shape()});
    outputs.push_back({"out_" + name, tensor.type(), tensor.shape()});
    auto& input = *raw.add_inputs();
    input.set_name(name);
    input.set_datatype(std::string(DataTypeName(tensor.type())));
    input.mutable_shape()->Add(tensor.shape().begin(), tensor.shape().end());
    AppendRaw(*raw.add_raw_input_contents(), tensor);
  }
  server_.serving.routes.Set("identity", 1,
                             {{"stable", 1, 1, serving::EchoModel(inputs, outputs)}});
  ModelInferResponse response;
  const grpc::Status status = Infer(raw, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.raw_output_contents_size(), raw.raw_input_contents_size());
  for (int i = 0; i < raw.raw_input_contents_size(); ++i) {
    EXPECT_EQ(response.raw_output_contents(i), raw.raw_input_contents(i)) << raw.inputs(i).name();
    EXPECT_EQ(response.outputs(i).datatype(), raw.inputs(i).datatype());
  }
}

TEST_F(OipGrpc, RefusesWrongTensorsNamingTheField) {
  ExpectRefused({
      {"inputs: ", [](auto& r) { r.clear_inputs(); }},
      {"inputs[0].name: ", [](auto& r) { r.mutable_inputs(0)->clear_name(); }},
      {"inputs[0].name: ", [](auto& r) { r.mutable_inputs(0)->set_name("z"); }},
      {"inputs[0].datatype: ", [](auto& r) { r.mutable_inputs(0)->clear_datatype(); }},
      {"inputs[0].datatype: ", [](auto& r) { r.mutable_inputs(0)->set_datatype("FLOAT"); }},
      {"inputs[0].shape[1]: ", [](auto& r) { r.mutable_inputs(0)->set_shape(1, -1); }},
      {"inputs[0].shape: ",
       [](auto& r) {
         for (int i = 0; i < 20; ++i) r.mutable_inputs(0)->add_shape(1);
       }},
      {"inputs[0].shape: ",
       [](auto& r) {
         for (int i = 0; i < 5; ++i) r.mutable_inputs(0)->add_shape(int64_t{1} << 40);
       }},
      {"inputs[0].contents.fp32_contents: ",
       [](auto& r) { r.mutable_inputs(0)->clear_contents(); }},
      {"inputs[0].contents.fp32_contents: ",
       [](auto& r) { r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(2); }},
      {"inputs[0].contents.fp32_contents: ",
       [](auto& r) { r.mutable_inputs(0)->set_shape(0, 1000000000000); }},
      {"inputs[0].contents.int_contents: ",
       [](auto& r) {
         r.mutable_inputs(0)->set_datatype("INT8");
         r.mutable_inputs(0)->mutable_contents()->add_int_contents(128);
       }},
      {"inputs[0].contents: ", [](auto& r) { r.mutable_inputs(0)->set_datatype("BF16"); }},
      {"inputs[0].contents: ", [](auto& r) { r.add_raw_input_contents("abcd"); }},
  });
}

TEST_F(OipGrpc, RefusesWrongRawContentsAndParametersNamingTheField) {
  ExpectRefused({
      {"raw_input_contents: ",
       [](auto& r) {
         r.add_raw_input_contents("abcd");
         r.add_raw_input_contents("abcd");
       }},
      {"raw_input_contents[0]: ",
       [](auto& r) {
         r.mutable_inputs(0)->clear_contents();
         r.add_raw_input_contents("abc");
       }},
      {"raw_input_contents[0]: ",
       [](auto& r) {
         r.mutable_inputs(0)->clear_contents();
         r.mutable_inputs(0)->set_datatype("BYTES");
         r.add_raw_input_contents("\xff\xff\xff\xff");
       }},
      {"inputs[0].parameters.shared_memory_region: ",
       [](auto& r) {
         auto& parameters = *r.mutable_inputs(0)->mutable_parameters();
         parameters["shared_memory_region"].set_string_param("r");
         parameters["shared_memory_byte_size"].set_int64_param(4);
       }},
      {"outputs[0].name: ", [](auto& r) { r.add_outputs(); }},
      {"outputs[0]: ", [](auto& r) { r.add_outputs()->set_name("z"); }},
      {"parameters.slipway-key: ",
       [](auto& r) { (*r.mutable_parameters())["slipway-key"].set_int64_param(1); }},
      {"parameters.priority: ",
       [](auto& r) { (*r.mutable_parameters())["priority"].set_string_param("high"); }},
      {"parameters.sequence_id: ",
       [](auto& r) { (*r.mutable_parameters())["sequence_end"].set_bool_param(true); }},
      {"outputs[0].parameters.classification: ",
       [](auto& r) {
         auto& output = *r.add_outputs();
         output.set_name("y");
         (*output.mutable_parameters())["classification"].set_int64_param(0);
       }},
      {"parameters.timeout: ",
       [](auto& r) { (*r.mutable_parameters())["timeout"].set_int64_param(-1); }},
  });
}

TEST_F(OipGrpc, KnowsNeitherOtherModelsNorWordsForVersions) {
  ModelInferRequest unknown = OneNumber(1);
  unknown.set_model_name("z");
  ModelInferResponse response;
  EXPECT_EQ(Infer(unknown, response).error_code(), grpc::StatusCode::NOT_FOUND);
  ModelInferRequest version = OneNumber(1);
  version.set_model_version("latest");
  EXPECT_EQ(Infer(version, response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OipGrpc, AnswersAStreamMessageByMessage) {
  grpc::ClientContext context;
  auto stream = stub_->ModelStreamInfer(&context);
  for (int i = 1; i <= 3; ++i) {
    ModelInferRequest request = OneNumber(static_cast<float>(i));
    request.set_id(std::to_string(i));
    if (i == 2) request.mutable_inputs(0)->set_name("z");
    ASSERT_TRUE(stream->Write(request));
    ::inference::ModelStreamInferResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.infer_response().id(), std::to_string(i));
    if (i == 2) {
      EXPECT_THAT(response.error_message(), StartsWith("inputs[0].name: "));
    } else {
      EXPECT_EQ(response.error_message(), "");
      EXPECT_THAT(response.infer_response().outputs(0).contents().fp32_contents(),
                  ElementsAre(2 * i));
    }
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

ModelInferRequest ManyNumbers(float value, bool empty_final = false) {
  ModelInferRequest request;
  request.set_model_name("many");
  request.set_id("7");
  auto& input = *request.add_inputs();
  input.set_name("x");
  input.set_datatype("FP32");
  input.add_shape(1);
  input.add_shape(1);
  input.mutable_contents()->add_fp32_contents(value);
  if (empty_final)
    (*request.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  return request;
}

TEST_F(OipGrpc, StreamsEveryAnswerOfADecoupledModel) {
  grpc::ClientContext context;
  auto stream = stub_->ModelStreamInfer(&context);
  for (const bool empty_final : {false, true}) {
    ASSERT_TRUE(stream->Write(ManyNumbers(5, empty_final)));
    for (int i = 1; i <= 3; ++i) {
      ::inference::ModelStreamInferResponse response;
      ASSERT_TRUE(stream->Read(&response));
      EXPECT_EQ(response.error_message(), "");
      const auto& answer = response.infer_response();
      EXPECT_EQ(answer.id(), "7");
      EXPECT_THAT(answer.outputs(0).contents().fp32_contents(), ElementsAre(5));
      EXPECT_EQ(answer.parameters().at("triton_final_response").bool_param(), i == 3);
      EXPECT_EQ(answer.parameters().at("note").string_param(), "said");
    }
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(OipGrpc, RefusesADecoupledModelOutsideAStream) {
  ModelInferResponse response;
  EXPECT_EQ(Infer(ManyNumbers(1), response).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(OipGrpc, GoesOnReadingWhileRequestsOfAStreamAreUnderWay) {
  server_.times->Hold();
  grpc::ClientContext context;
  auto stream = stub_->ModelStreamInfer(&context);
  ASSERT_TRUE(stream->Write(OneNumber(1)));
  ASSERT_TRUE(stream->Write(ManyNumbers(5)));
  ::inference::ModelStreamInferResponse response;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.infer_response().model_name(), "many");
  }
  stream->WritesDone();
  server_.times->Release();
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.infer_response().model_name(), "m");
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(OipGrpc, TellsStatisticsAndSettings) {
  server_.times->statistics.inference_count = 11;
  server_.times->statistics.success = {5, 700};
  server_.times->statistics.batches = {{4, {}, {1, 20}, {}}};
  {
    grpc::ClientContext context;
    ::inference::ModelStatisticsRequest request;
    request.set_name("m");
    request.set_version("3");
    ::inference::ModelStatisticsResponse response;
    ASSERT_TRUE(stub_->ModelStatistics(&context, request, &response).ok());
    ASSERT_EQ(response.model_stats_size(), 1);
    const auto& of = response.model_stats(0);
    EXPECT_EQ(of.version(), "3");
    EXPECT_EQ(of.inference_count(), 11);
    EXPECT_EQ(of.inference_stats().success().ns(), 700);
    EXPECT_EQ(of.batch_stats(0).batch_size(), 4);
    EXPECT_EQ(of.batch_stats(0).compute_infer().ns(), 20);
  }
  {
    grpc::ClientContext context;
    ::inference::LogSettingsRequest request;
    ::inference::LogSettingsResponse response;
    ASSERT_TRUE(stub_->LogSettings(&context, request, &response).ok());
    EXPECT_TRUE(response.settings().at("log_errors").bool_param());
    EXPECT_EQ(response.settings().at("log_file").string_param(), "");
  }
  {
    grpc::ClientContext context;
    ::inference::TraceSettingRequest request;
    (*request.mutable_settings())["trace_rate"].add_value("7");
    ::inference::TraceSettingResponse response;
    ASSERT_TRUE(stub_->TraceSetting(&context, request, &response).ok());
    EXPECT_EQ(response.settings().at("trace_rate").value(0), "7");
    EXPECT_EQ(response.settings().at("trace_level").value(0), "OFF");
  }
  {
    grpc::ClientContext context;
    ::inference::CudaSharedMemoryRegisterResponse response;
    EXPECT_EQ(stub_->CudaSharedMemoryRegister(&context, {}, &response).error_code(),
              grpc::StatusCode::FAILED_PRECONDITION);
  }
}

TEST_F(OipGrpc, EndsAStreamThatItsCallerLeaves) {
  {
    grpc::ClientContext context;
    auto stream = stub_->ModelStreamInfer(&context);
    ASSERT_TRUE(stream->Write(OneNumber(1)));
    ::inference::ModelStreamInferResponse response;
    ASSERT_TRUE(stream->Read(&response));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ModelInferResponse response;
  EXPECT_TRUE(Infer(OneNumber(1), response).ok());
}

}  // namespace
}  // namespace slipway::api::oip
