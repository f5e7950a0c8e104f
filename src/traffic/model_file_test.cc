// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "inference/runtime.h"
#include "inference/tensor.h"
#include "traffic/version_loader.h"

namespace slipway::traffic {
namespace {

class VersionFolder : public testing::Test {
 protected:
  VersionFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "version.XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~VersionFolder() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text = "x") {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  std::filesystem::path folder_;
};

constexpr const char* kMlmodel =
    "flavors:\n  onnx:\n    data: export/flights.onnx\n  sklearn:\n    pickled_model: model.pkl\n";

TEST_F(VersionFolder, MlmodelNamesTheFile) {
  Write("MLmodel", kMlmodel);
  Write("export/flights.onnx");
  Write("other.onnx");
  EXPECT_EQ(ChooseModelFile(folder_.string()).value().path,
            (folder_ / "export/flights.onnx").string());
}

TEST_F(VersionFolder, MlmodelMayNameAFolderThatHoldsModelOnnx) {
  Write("MLmodel", "flavors: {onnx: {data: model_data}}");
  Write("model_data/model.onnx");
  EXPECT_EQ(ChooseModelFile(folder_.string()).value().path,
            (folder_ / "model_data/model.onnx").string());
}

TEST_F(VersionFolder, WithoutAnOnnxFlavorTheOnlyOnnxFileIsMeant) {
  Write("MLmodel", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n");
  Write("onnx/model.onnx");
  EXPECT_EQ(ChooseModelFile(folder_.string()).value().path, (folder_ / "onnx/model.onnx").string());
}

TEST_F(VersionFolder, NoFileOrTwoAreRefused) {
  EXPECT_EQ(ChooseModelFile(folder_.string()).status().reason(), "no_model_file");
  Write("a.onnx");
  Write("b.onnx");
  EXPECT_EQ(ChooseModelFile(folder_.string()).status().reason(), "no_model_file");
}

TEST_F(VersionFolder, MlmodelCannotPointOutOfTheFolder) {
  for (const char* data : {"../secret.onnx", "/etc/passwd", "a/../../secret.onnx"}) {
    Write("MLmodel", std::string("flavors: {onnx: {data: ") + data + "}}");
    EXPECT_EQ(ChooseModelFile(folder_.string()).status().reason(), "bad_model") << data;
  }
}

TEST_F(VersionFolder, AnUnreadableMlmodelIsRefused) {
  Write("MLmodel", "flavors: {onnx: ");
  Write("a.onnx");
  EXPECT_EQ(ChooseModelFile(folder_.string()).status().reason(), "bad_model");
}

TEST_F(VersionFolder, TheTableChoosesTheRuntime) {
  const struct {
    const char* file;
    const char* runtime;
    const char* path;  // relative to the version's folder; "": the folder itself
  } kCases[] = {
      {"ensemble.yaml", "ensemble", "ensemble.yaml"},
      {"export/net.onnx", "onnx", "export/net.onnx"},
      {"saved_model.pb", "openvino", ""},
      {"tf/saved_model.pb", "openvino", "tf"},
      {"model.xml", "openvino", "model.xml"},
      {"model.py", "python", ""},
      {"model-settings.json", "python", ""},
      {"model.pt", "python", "model.pt"},
      {"model.json", "trees", "model.json"},
      {"trees.ubj", "trees", "trees.ubj"},
      {"model.txt", "trees", "model.txt"},
  };
  for (const auto& one : kCases) {
    Write(one.file);
    const auto found = ChooseModelFile(folder_.string());
    ASSERT_TRUE(found.ok()) << one.file << found.status().ToString();
    EXPECT_EQ(found->runtime, one.runtime) << one.file;
    EXPECT_EQ(std::filesystem::path(found->path),
              std::string(one.path).empty() ? folder_ : folder_ / one.path)
        << one.file;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
}

TEST_F(VersionFolder, APythonFlavorRunsTheWholeFolderInPython) {
  Write("MLmodel", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n");
  Write("code/model.py");
  const auto found = ChooseModelFile(folder_.string());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->runtime, "python");
  EXPECT_EQ(found->path, folder_.string());
}

TEST_F(VersionFolder, AFileMayBeGivenByItself) {
  Write("fraud.json");
  Write("notes.md");
  EXPECT_EQ(ChooseModelFile((folder_ / "fraud.json").string())->runtime, "trees");
  EXPECT_EQ(ChooseModelFile((folder_ / "notes.md").string()).status().reason(), "no_model_file");
}

TEST(ZeroRow, HasOneRowOfEveryInput) {
  inference::ModelDescription description;
  description.inputs = {{"x", inference::DataType::kFp32, {-1, 3}},
                        {"carrier", inference::DataType::kString, {-1, 1}}};
  const inference::Request request = ZeroRow(description);
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].tensor.shape(), (inference::Shape{1, 3}));
  EXPECT_EQ(request.inputs[0].tensor.NumberAt(2), 0);
  EXPECT_EQ(request.inputs[1].tensor.strings(), std::vector<std::string>{""});
}

}  // namespace
}  // namespace slipway::traffic
