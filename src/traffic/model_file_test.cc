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
  EXPECT_EQ(FindModelFile(folder_.string()).value(), (folder_ / "export/flights.onnx").string());
}

TEST_F(VersionFolder, MlmodelMayNameAFolderThatHoldsModelOnnx) {
  Write("MLmodel", "flavors: {onnx: {data: model_data}}");
  Write("model_data/model.onnx");
  EXPECT_EQ(FindModelFile(folder_.string()).value(), (folder_ / "model_data/model.onnx").string());
}

TEST_F(VersionFolder, WithoutAnOnnxFlavorTheOnlyOnnxFileIsMeant) {
  Write("MLmodel", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n");
  Write("onnx/model.onnx");
  EXPECT_EQ(FindModelFile(folder_.string()).value(), (folder_ / "onnx/model.onnx").string());
}

TEST_F(VersionFolder, NoFileOrTwoAreRefused) {
  EXPECT_EQ(FindModelFile(folder_.string()).status().reason(), "no_model_file");
  Write("a.onnx");
  Write("b.onnx");
  EXPECT_EQ(FindModelFile(folder_.string()).status().reason(), "no_model_file");
}

TEST_F(VersionFolder, MlmodelCannotPointOutOfTheFolder) {
  for (const char* data : {"../secret.onnx", "/etc/passwd", "a/../../secret.onnx"}) {
    Write("MLmodel", std::string("flavors: {onnx: {data: ") + data + "}}");
    EXPECT_EQ(FindModelFile(folder_.string()).status().reason(), "bad_model") << data;
  }
}

TEST_F(VersionFolder, AnUnreadableMlmodelIsRefused) {
  Write("MLmodel", "flavors: {onnx: ");
  Write("a.onnx");
  EXPECT_EQ(FindModelFile(folder_.string()).status().reason(), "bad_model");
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
