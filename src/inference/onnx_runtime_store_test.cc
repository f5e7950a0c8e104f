// SPDX-License-Identifier: Apache-2.0
// The real library on the tiny models of tests/data/models.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using base::Code;

class Onnx : public testing::Test {
 protected:
  void SetUp() override {
    auto made = MakeOnnxRuntime({});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    runtime_ = std::move(*made);
  }

  std::unique_ptr<Session> Load(const std::string& name) {
    auto session = runtime_->Load({name, "onnx", TestModel(name)});
    EXPECT_TRUE(session.ok()) << name << ": " << session.status().ToString();
    return session.ok() ? std::move(*session) : nullptr;
  }

  base::Status RunError(Session& session, const Request& request) {
    auto response = session.Run(request);
    EXPECT_FALSE(response.ok());
    return response.status();
  }

  std::unique_ptr<Runtime> runtime_;
};

TEST_F(Onnx, SaysWhichLibraryItIs) {
  EXPECT_EQ(runtime_->name(), "onnx");
  EXPECT_TRUE(runtime_->Version().starts_with("1.")) << runtime_->Version();
}

TEST(OnnxLibrary, MissingLibraryIsNamedWithItsSetting) {
  auto made = MakeOnnxRuntime({.library = "/nowhere/libonnxruntime.so"});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(made.status().reason(), "runtime_missing");
  EXPECT_NE(made.status().message().find("/nowhere/libonnxruntime.so"), std::string::npos);
  EXPECT_NE(made.status().message().find("onnx.library"), std::string::npos);
}

TEST(OnnxLibrary, AnotherLibraryIsRefused) {
  auto made = MakeOnnxRuntime({.library = "libm.so.6"});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().reason(), "runtime_missing");
  EXPECT_NE(made.status().message().find("OrtGetApiBase"), std::string::npos);
}

TEST(OnnxLibrary, EverySlotThatWeCallIsFilled) {
  auto library = onnx::OrtLibrary::Open("");
  ASSERT_TRUE(library.ok()) << library.status().ToString();
  const onnx::OrtFunctions& api = (*library)->api();
#define SLIPWAY_EXPECT(slot, name, result, arguments) EXPECT_NE(api.name, nullptr) << #name;
  SLIPWAY_ORT_FUNCTIONS(SLIPWAY_EXPECT)
#undef SLIPWAY_EXPECT
}

// A slot number that is off by one calls another function; each is seen doing what its name says.
TEST(OnnxLibrary, SlotsDoWhatTheirNamesSay) {
  auto opened = onnx::OrtLibrary::Open("");
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const onnx::OrtLibrary& library = **opened;
  const onnx::OrtFunctions& api = library.api();
  onnx::OrtSession* session = nullptr;
  onnx::OrtSessionOptions* options = nullptr;
  ASSERT_TRUE(library.Take(api.CreateSessionOptions(&options), "test").ok());
  onnx::OrtStatus* missing = api.CreateSession(library.env(), "/nowhere/m.onnx", options, &session);
  ASSERT_NE(missing, nullptr);
  EXPECT_EQ(api.GetErrorCode(missing), 3);  // ORT_NO_SUCHFILE
  EXPECT_NE(std::string(api.GetErrorMessage(missing)).find("/nowhere/m.onnx"), std::string::npos);
  api.ReleaseStatus(missing);
  api.ReleaseSessionOptions(options);

  onnx::OrtValue* value = nullptr;
  const int64_t shape[] = {2, 1};
  ASSERT_TRUE(
      library.Take(api.CreateTensorAsOrtValue(library.allocator(), shape, 2, 8, &value), "test")
          .ok());
  char* buffer = nullptr;
  ASSERT_TRUE(
      library.Take(api.GetResizedStringTensorElementBuffer(value, 1, 3, &buffer), "test").ok());
  strcpy(buffer, "a\0b");
  size_t size = 0;
  ASSERT_TRUE(library.Take(api.GetStringTensorDataLength(value, &size), "test").ok());
  EXPECT_EQ(size, 3U);
  int kind = 0, type = 0;
  ASSERT_TRUE(library.Take(api.GetValueType(value, &kind), "test").ok());
  EXPECT_EQ(kind, onnx::kOrtTypeTensor);
  const int64_t* dimensions = nullptr;
  size_t rank = 0;
  ASSERT_TRUE(
      library
          .Take(api.GetTensorElementTypeAndShapeDataReference(value, &type, &dimensions, &rank),
                "test")
          .ok());
  EXPECT_EQ(type, 8);
  ASSERT_EQ(rank, 2U);
  EXPECT_EQ(dimensions[0], 2);
  api.ReleaseValue(value);
}

TEST_F(Onnx, EveryElementTypePassesThroughUnchanged) {
  auto session = Load("identity");
  Request request = IdentityRequest();
  auto response = session->Run(request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  ASSERT_EQ(response->outputs.size(), request.inputs.size());
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const Tensor& in = request.inputs[i].tensor;
    const Tensor& out = response->outputs[i].tensor;
    EXPECT_EQ(response->outputs[i].name, request.inputs[i].name + "_out");
    EXPECT_EQ(out.type(), in.type());
    EXPECT_EQ(out.shape(), in.shape());
    EXPECT_EQ(out.strings(), in.strings());
    EXPECT_TRUE(std::ranges::equal(out.bytes(), in.bytes())) << request.inputs[i].name;
  }
}

TEST_F(Onnx, DescribesEveryTypeAndTheFreeRows) {
  auto session = Load("identity");
  const ModelDescription& description = session->description();
  ASSERT_EQ(description.inputs.size(), 14U);
  for (size_t i = 0; i < 14; ++i) {
    EXPECT_EQ(description.inputs[i].type, static_cast<DataType>(i));
    EXPECT_EQ(description.inputs[i].shape, (Shape{-1, 2}));
  }
  EXPECT_TRUE(description.batchable);
  EXPECT_EQ(description.platform, "onnxruntime_onnx");
}

TEST_F(Onnx, RunsEmptyTensors) {
  auto session = Load("linear");
  auto response = session->Run({{{"x", Tensor(DataType::kFp32, {0, 3})}}, {}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->outputs[0].tensor.shape(), (Shape{0, 2}));
}

TEST_F(Onnx, InputsMayComeInAnyOrderAndUnaligned) {
  auto session = Load("identity");
  Request request = IdentityRequest();
  auto bytes = std::make_shared<std::vector<std::byte>>(33);
  const Tensor wide = Tensor::Of<double>({2, 2}, {1.5, -2, 3, 4});
  std::memcpy(bytes->data() + 1, wide.bytes().data(), 32);
  for (NamedTensor& input : request.inputs) {
    if (input.name == "fp64")
      input.tensor = Tensor::Borrow(DataType::kFp64, {2, 2}, std::span(*bytes).subspan(1), bytes);
  }
  std::ranges::reverse(request.inputs);
  request.outputs = {"fp64_out", "string_out"};
  auto response = session->Run(request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  ASSERT_EQ(response->outputs.size(), 2U);
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 1.5);
  EXPECT_EQ(response->outputs[1].tensor.strings()[1], std::string("a\0b", 3));
}

TEST_F(Onnx, AnAnswerIsNotChangedByTheNextRun) {
  auto session = Load("identity");
  Request first = IdentityRequest();
  for (NamedTensor& input : first.inputs) input.tensor = input.tensor.Slice(0, 1);
  Request second = IdentityRequest();
  for (NamedTensor& input : second.inputs) input.tensor = input.tensor.Slice(1, 2);
  auto before = session->Run(first);
  auto after = session->Run(second);
  ASSERT_TRUE(before.ok() && after.ok()) << before.status().ToString();
  for (size_t i = 0; i < first.inputs.size(); ++i) {
    const Tensor& kept = before->outputs[i].tensor;
    const Tensor& next = after->outputs[i].tensor;
    EXPECT_TRUE(std::ranges::equal(kept.bytes(), first.inputs[i].tensor.bytes()));
    EXPECT_TRUE(std::ranges::equal(next.bytes(), second.inputs[i].tensor.bytes()));
    EXPECT_EQ(kept.strings(), first.inputs[i].tensor.strings());
    EXPECT_EQ(next.strings(), second.inputs[i].tensor.strings());
  }
}

TEST_F(Onnx, OutputsOutliveTheSession) {
  auto session = Load("linear");
  auto response = session->Run({{{"x", Tensor::Of<float>({1, 3}, {1, 1, 1})}}, {}});
  session.reset();
  runtime_.reset();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 6.5);
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(1), 59.5);
}

TEST_F(Onnx, FixedRowsAreNotBatchable) {
  EXPECT_FALSE(Load("fixed_batch")->description().batchable);
}

TEST_F(Onnx, ZipMapBecomesATableWithItsLabels) {
  for (const char* name : {"classifier_int", "classifier_string"}) {
    auto session = Load(name);
    ASSERT_EQ(session->description().outputs.size(), 2U);
    EXPECT_EQ(session->description().outputs[1].shape, (Shape{-1, -1}));
    EXPECT_TRUE(session->description().batchable);
    auto response = session->Run({{{"x", Tensor::Of<float>({2, 2}, {4, 0, 0, 8})}}, {}});
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    const NamedTensor& table = response->outputs[1];
    EXPECT_EQ(table.tensor.type(), DataType::kFp32);
    ASSERT_EQ(table.tensor.shape(), (Shape{2, 3}));
    for (int64_t row = 0; row < 2; ++row) {
      const double sum = table.tensor.NumberAt(3 * row) + table.tensor.NumberAt(3 * row + 1) +
                         table.tensor.NumberAt(3 * row + 2);
      EXPECT_NEAR(sum, 1, 1e-5);
    }
    EXPECT_GT(table.tensor.NumberAt(1), 0.9);
    EXPECT_GT(table.tensor.NumberAt(5), 0.9);
    ASSERT_NE(table.labels, nullptr);
    EXPECT_EQ(table.labels->element_count(), 3);
  }
  auto strings = Load("classifier_string")->Run({{{"x", Tensor::Of<float>({1, 2}, {0, 8})}}, {}});
  EXPECT_EQ(strings->outputs[0].tensor.strings()[0], "cedar");
  EXPECT_EQ(strings->outputs[1].labels->strings(),
            (std::vector<std::string>{"ash", "birch", "cedar"}));
  auto ints = Load("classifier_int")->Run({{{"x", Tensor::Of<float>({1, 2}, {0, 8})}}, {}});
  EXPECT_EQ(ints->outputs[0].tensor.As<int64_t>()[0], 8);
  EXPECT_EQ(ints->outputs[1].labels->As<int64_t>()[2], 8);
}

TEST_F(Onnx, ASequenceOfEqualTensorsIsStacked) {
  auto session = Load("sequence");
  auto response = session->Run({{{"x", Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6})}}, {}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  ASSERT_EQ(response->outputs[0].tensor.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 1);
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(11), 12);
}

TEST_F(Onnx, WhatDoesNotFitIsRefusedWithItsField) {
  auto session = Load("linear");
  const Tensor good = Tensor::Of<float>({1, 3}, {1, 2, 3});
  struct Case {
    Request request;
    const char* field;
    const char* reason;
  };
  const Case cases[] = {
      {{{{"z", good}}, {}}, "inputs[0].name", "unknown_input"},
      {{{}, {}}, "inputs", "missing_input"},
      {{{{"x", good}, {"x", good}}, {}}, "inputs[1].name", "duplicate_input"},
      {{{{"x", Tensor::Of<double>({1, 3}, {1, 2, 3})}}, {}},
       "inputs[0].datatype",
       "wrong_datatype"},
      {{{{"x", Tensor::Of<float>({3}, {1, 2, 3})}}, {}}, "inputs[0].shape", "wrong_shape"},
      {{{{"x", Tensor::Of<float>({1, 2}, {1, 2})}}, {}}, "inputs[0].shape", "wrong_shape"},
      {{{{"x", good}}, {"nothing"}}, "outputs[0]", "unknown_output"},
  };
  for (const Case& one : cases) {
    const base::Status status = RunError(*session, one.request);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << one.reason;
    EXPECT_EQ(status.field(), one.field);
    EXPECT_EQ(status.reason(), one.reason);
  }
}

TEST_F(Onnx, AnIndexPastTheTableFailsThatRunOnly) {
  auto session = Load("lookup");
  EXPECT_EQ(RunError(*session, {{{"index", Tensor::Of<int64_t>({1}, {4})}}, {}}).reason(),
            "run_failed");
  auto response = session->Run({{{"index", Tensor::Of<int64_t>({1}, {3})}}, {}});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 30);
}

TEST_F(Onnx, WhatIsNoModelIsRefused) {
  const std::string weights =
      TestModel("external").substr(0, TestModel("external").size() - 4) + "weights";
  for (const std::string& path : {TestModel("broken"), TestModel("absent"), weights}) {
    auto session = runtime_->Load({path, "onnx", path});
    ASSERT_FALSE(session.ok()) << path;
    EXPECT_EQ(session.status().code(), Code::kInvalidArgument) << session.status().ToString();
    EXPECT_EQ(session.status().reason(), "bad_model");
  }
}

TEST_F(Onnx, ExternalDataBelowTheModelsFolderOnly) {
  auto session = Load("external");
  auto response = session->Run({{{"x", Tensor::Of<float>({1, 3}, {1, 1, 1})}}, {}});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 6.5);
  for (const char* name : {"external_escape", "external_memory"}) {
    auto refused = runtime_->Load({name, "onnx", TestModel(name)});
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.status().reason(), "external_data_escapes") << refused.status().ToString();
  }
}

}  // namespace
}  // namespace slipway::inference
