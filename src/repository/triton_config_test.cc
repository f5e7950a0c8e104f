// SPDX-License-Identifier: Apache-2.0
#include "repository/triton_config.h"

#include <gtest/gtest.h>

#include <string>

namespace slipway::repository {
namespace {

using inference::DataType;
using inference::Shape;

TritonConfig Text(const std::string& text) {
  auto read = ParseTritonConfigText(text);
  EXPECT_TRUE(read.ok()) << read.status().ToString();
  return read.ok() ? *read : TritonConfig{};
}

constexpr const char* kWhole = R"(
  name: "fraud"
  backend: "onnxruntime"
  max_batch_size: 16
  input [
    { name: "x" data_type: TYPE_FP32 dims: [ 3 ] },
    { name: "image" data_type: TYPE_UINT8 dims: [ -1, 4 ] reshape { shape: [ -1, 2, 2 ] } }
  ]
  output { name: "y" data_type: TYPE_INT64 dims: 2 label_filename: "labels.txt" }
  instance_group [ { count: 2 kind: KIND_GPU gpus: [ 1 ] } ]
  dynamic_batching {
    preferred_batch_size: [ 4, 8 ]
    max_queue_delay_microseconds: 500
    priority_levels: 3
    default_priority_level: 2
    preserve_ordering: true
    default_queue_policy { default_timeout_microseconds: 9000 max_queue_size: 7 }
  }
  optimization { cuda { graphs: true } }
  version_policy { specific { versions: [ 2, 5 ] } }
  parameters { key: "depth" value { string_value: "4" } }
  response_cache { enable: true }
  default_model_filename: "net.onnx"
)";

TEST(TritonConfigText, EveryFieldHasItsPlace) {
  const TritonConfig read = Text(kWhole);
  EXPECT_EQ(read.name, "fraud");
  EXPECT_EQ(read.model.runtime, "onnx");
  EXPECT_EQ(read.model.max_batch_rows, 16);
  ASSERT_EQ(read.model.inputs.size(), 2u);
  EXPECT_EQ(read.model.inputs[0].shape, (Shape{-1, 3}));
  EXPECT_EQ(read.model.inputs[0].type, DataType::kFp32);
  EXPECT_EQ(read.model.inputs[1].shape, (Shape{-1, -1, 4}));
  EXPECT_EQ(read.model.reshapes.at("image"), (Shape{-1, -1, 2, 2}));
  EXPECT_EQ(read.model.outputs.at(0).shape, (Shape{-1, 2}));
  EXPECT_EQ(read.label_files.at("y"), "labels.txt");
  EXPECT_EQ(read.model.instances, 2);
  EXPECT_EQ(read.model.parameters.at("device"), "cuda:1");
  EXPECT_EQ(read.model.parameters.at("depth"), "4");
  EXPECT_EQ(read.model.preferred_batch_rows, (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(read.model.max_queue_delay_us, 500);
  EXPECT_EQ(read.model.priority_levels, 3);
  EXPECT_EQ(read.model.default_priority, 2);
  EXPECT_EQ(read.model.default_timeout_us, 9000);
  EXPECT_EQ(read.model.max_queue_rows, 7);
  EXPECT_TRUE(read.model.response_cache);
  EXPECT_EQ(read.versions.kind, VersionPolicy::Kind::kSpecific);
  EXPECT_EQ(read.versions.specific, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(read.model_file, "net.onnx");
  EXPECT_EQ(read.ignored, (std::vector<std::string>{"preserve_ordering", "optimization"}));
}

TEST(TritonConfigText, WithoutRowsTheDimsAreTheWholeShape) {
  const TritonConfig read = Text("input { name: \"x\" data_type: TYPE_STRING dims: [ -1, 3 ] }");
  EXPECT_EQ(read.model.inputs.at(0).shape, (Shape{-1, 3}));
  EXPECT_EQ(read.model.inputs[0].type, DataType::kString);
  EXPECT_FALSE(read.model.max_batch_rows.has_value());
  EXPECT_EQ(Text("max_batch_size: 0").model.max_batch_rows, 0);
}

TEST(TritonConfigText, AnErrorNamesThePlaceAndTheField) {
  const struct {
    const char* text;
    const char* field;
    const char* message;
  } kCases[] = {
      {"name: \"a\"\nmax_bach_size: 4", "config.pbtxt:2:", "max_bach_size"},
      {"name: ", "config.pbtxt:1:", ""},
      {"max_batch_size: -1", "config.pbtxt", "max_batch_size"},
      {"input { name: \"x\" dims: 1 }", "config.pbtxt", "input[0].data_type"},
      {"input { name: \"x\" data_type: TYPE_FP32 dims: 0 }", "config.pbtxt", "input[0].dims"},
      {"input { name: \"x\" data_type: TYPE_FP32 dims: [4] reshape { shape: [3] } }",
       "config.pbtxt", "input[0].reshape.shape"},
      {"input { name: \"x\" data_type: TYPE_FP32 dims: 1 }\n"
       "input { name: \"x\" data_type: TYPE_FP32 dims: 1 }",
       "config.pbtxt", "input[1].name"},
      {"platform: \"ensemble\"", "config.pbtxt", "ensemble_scheduling"},
      {"dynamic_batching { priority_levels: 2 }", "config.pbtxt", "default_priority_level"},
      {"dynamic_batching { default_queue_policy { timeout_action: DELAY } }", "config.pbtxt",
       "timeout_action"},
      {"batch_input { kind: BATCH_ELEMENT_COUNT }", "config.pbtxt:1:", "batch_input"},
      {"version_policy { specific { } }", "config.pbtxt", "version_policy.specific.versions"},
  };
  for (const auto& one : kCases) {
    const auto read = ParseTritonConfigText(one.text);
    ASSERT_FALSE(read.ok()) << one.text;
    EXPECT_EQ(read.status().reason(), "bad_config") << one.text;
    EXPECT_TRUE(read.status().field().starts_with(one.field)) << read.status().ToString();
    EXPECT_NE(read.status().message().find(one.message), std::string::npos)
        << read.status().ToString();
  }
}

TEST(TritonConfigText, SequencesKeepTheirControlsAndStates) {
  const TritonConfig read = Text(R"(
    max_batch_size: 4
    sequence_batching {
      max_sequence_idle_microseconds: 5000
      control_input [
        { name: "START" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] },
        { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT64 } ] }
      ]
      state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: 2 }
      oldest { max_candidate_sequences: 9 max_queue_delay_microseconds: 70 }
    })");
  ASSERT_TRUE(read.model.sequence.has_value());
  const inference::SequenceConfig& sequence = *read.model.sequence;
  EXPECT_EQ(sequence.max_idle_us, 5000);
  EXPECT_EQ(sequence.max_sequences, 9);
  ASSERT_EQ(sequence.controls.size(), 2u);
  EXPECT_EQ(sequence.controls[0].kind, "start");
  EXPECT_EQ(sequence.controls[0].type, DataType::kFp32);
  EXPECT_EQ(sequence.controls[0].on, 1);
  EXPECT_EQ(sequence.controls[1].kind, "id");
  EXPECT_EQ(sequence.controls[1].type, DataType::kInt64);
  EXPECT_EQ(sequence.states.at(0).shape, (Shape{1, 2}));
}

TEST(TritonConfigJson, OfALoadIsReadAsTritonWritesIt) {
  const auto read = ParseTritonConfigJson(R"({
    "name": "both", "platform": "ensemble", "max_batch_size": 8,
    "input": [{"name": "raw", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "score", "data_type": "TYPE_FP32", "dims": ["1"]}],
    "optimization": {"priority": "PRIORITY_MAX"},
    "ensemble_scheduling": {"step": [
      {"model_name": "scale", "model_version": -1, "input_map": {"x": "raw"},
       "output_map": {"y": "scaled"}},
      {"model_name": "score", "model_version": 2, "input_map": {"x": "scaled"},
       "output_map": {"y": "score"}}]}})");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->model.runtime, "ensemble");
  ASSERT_EQ(read->model.ensemble.size(), 2u);
  EXPECT_FALSE(read->model.ensemble[0].version.has_value());
  EXPECT_EQ(read->model.ensemble[0].inputs.at("x"), "raw");
  EXPECT_EQ(read->model.ensemble[1].version, 2);
  EXPECT_EQ(read->ignored, std::vector<std::string>{"optimization"});
}

TEST(TritonConfigJson, AnErrorNamesTheField) {
  EXPECT_EQ(ParseTritonConfigJson("[]").status().field(), "config");
  EXPECT_EQ(ParseTritonConfigJson("{").status().field(), "config");
  const auto misspelt = ParseTritonConfigJson(R"({"max_bach_size": 4})");
  EXPECT_NE(misspelt.status().message().find("max_bach_size"), std::string::npos);
  EXPECT_EQ(ParseTritonConfigJson(R"({"max_batch_size": -3})").status().field(),
            "config.max_batch_size");
  EXPECT_EQ(ParseTritonConfigJson(std::string(kMaxConfigBytes + 1, ' ')).status().reason(),
            "bad_config");
}

// What is answered about a model, read again, is the same model.
TEST(TritonConfigAnswer, SaysWhatWasSaid) {
  const TritonConfig read = Text(kWhole);
  inference::ModelDescription description;
  description.inputs = read.model.inputs;
  description.outputs = read.model.outputs;
  description.batchable = true;
  description.platform = "onnxruntime_onnx";
  const ConfigAnswer answer{"fraud", read.model, description, 128, read.versions};
  const base::Json json = TritonConfigJson(answer);
  EXPECT_EQ(json.Find("max_batch_size")->AsInt(), 16);
  EXPECT_EQ(json.Find("backend")->AsString(), "onnxruntime");
  EXPECT_EQ(json.Find("input")->AsArray()[0].Find("dims")->Dump(), "[3]");
  EXPECT_EQ(json.Find("input")->AsArray()[0].Find("data_type")->AsString(), "TYPE_FP32");
  EXPECT_EQ(json.Find("ensemble_scheduling"), nullptr);
  const auto again = ParseTritonConfigJson(json.Dump());
  ASSERT_TRUE(again.ok()) << again.status().ToString() << json.Dump(2);
  EXPECT_EQ(again->model.inputs[1].shape, read.model.inputs[1].shape);
  EXPECT_EQ(again->model.reshapes, read.model.reshapes);
  EXPECT_EQ(again->model.preferred_batch_rows, read.model.preferred_batch_rows);
  EXPECT_EQ(again->model.default_timeout_us, read.model.default_timeout_us);
  EXPECT_EQ(again->versions.specific, read.versions.specific);
  EXPECT_FALSE(TritonConfigBytes(answer).empty());
}

TEST(TritonConfigAnswer, AModelThatSaysNothingIsCompletedByItself) {
  inference::ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, 3}}};
  description.outputs = {{"y", DataType::kInt64, {-1}}};
  description.batchable = true;
  description.platform = "onnxruntime_onnx";
  const inference::ModelConfig plain;
  const base::Json json = TritonConfigJson({"m", plain, description, 64});
  EXPECT_EQ(json.Find("max_batch_size")->AsInt(), 64);
  EXPECT_EQ(json.Find("output")->AsArray()[0].Find("dims")->Dump(), "[]");
  EXPECT_EQ(json.Find("version_policy")->Dump(), R"({"latest":{"num_versions":1}})");
  description.batchable = false;
  const base::Json whole = TritonConfigJson({"m", plain, description, 64});
  EXPECT_EQ(whole.Find("max_batch_size")->AsInt(), 0);
  EXPECT_EQ(whole.Find("input")->AsArray()[0].Find("dims")->Dump(), "[-1,3]");
}

}  // namespace
}  // namespace slipway::repository
