// SPDX-License-Identifier: Apache-2.0
// Loading a version that OpenVINO runs: the first one finds the library and opens it.
#include "inference/openvino/ov_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/library_paths.h"
#include "base/status.h"
#include "inference/openvino/ov_abi.h"
#include "inference/openvino/ov_values.h"
#include "inference/tensor.h"
#include "slipway_build_config.h"

namespace slipway::inference::openvino {
namespace {

constexpr const char* kMissing = "runtime_missing";

base::Status Missing(const std::string& tried) {
  return base::FailedPrecondition(
      kMissing, "OpenVINO 2026 or later is needed for this model (libopenvino_c.so); tried: " +
                    tried + ". Give its path with the setting openvino.library");
}

base::Status TooOld(const std::string& path, const std::string& why) {
  return base::FailedPrecondition("runtime_too_old",
                                  path + " is not OpenVINO 2026 or later: " + why +
                                      ". The setting openvino.library names another");
}

}  // namespace

std::vector<std::string> OvLibrary::DefaultPaths() {
  return base::LibraryPaths("libopenvino_c.so", SLIPWAY_DEFAULT_OPENVINO);
}

base::Result<std::shared_ptr<const OvLibrary>> OvLibrary::Open(const std::string& path) {
  std::shared_ptr<OvLibrary> library(new OvLibrary());
  const auto opened =
      base::OpenLibrary(path.empty() ? DefaultPaths() : std::vector<std::string>{path});
  if (!opened.ok()) return Missing(opened.status().message());
  library->path_ = opened->path;
  TRY(library->FindFunctions(opened->handle));
  TRY(library->CheckTypes());
  TRY(library->Start());
  return std::shared_ptr<const OvLibrary>(std::move(library));
}

base::Status OvLibrary::FindFunctions(void* handle) {
  const char* absent = nullptr;
#define SLIPWAY_OV_LOAD(name, result, arguments)                           \
  api_.name = reinterpret_cast<result(*) arguments>(dlsym(handle, #name)); \
  if (api_.name == nullptr && absent == nullptr) absent = #name;
  SLIPWAY_OV_FUNCTIONS(SLIPWAY_OV_LOAD)
#undef SLIPWAY_OV_LOAD
  return absent == nullptr ? base::Status::Ok() : TooOld(path_, std::string("no ") + absent);
}

// The numbers of the element types have moved between releases: each is seen to be what we think.
base::Status OvLibrary::CheckTypes() const {
  for (size_t i = 0; i < static_cast<size_t>(DataType::kString); ++i) {
    const auto type = static_cast<DataType>(i);
    int64_t one = 1;
    OvTensor* tensor = nullptr;
    size_t size = 0;
    const bool made = api_.ov_tensor_create(ToOvType(type), {1, &one}, &tensor) == 0 &&
                      api_.ov_tensor_get_byte_size(tensor, &size) == 0;
    if (tensor != nullptr) api_.ov_tensor_free(tensor);
    if (!made || size != SizeOf(type))
      return TooOld(path_, "its type for " + std::string(DataTypeName(type)) + " differs");
  }
  return base::Status::Ok();
}

base::Status OvLibrary::Start() {
  OvVersion version{};
  TRY(Take(api_.ov_get_openvino_version(&version), kMissing, base::Code::kFailedPrecondition));
  version_ = version.build;
  api_.ov_version_free(&version);
  return Take(api_.ov_core_create(&core_), kMissing, base::Code::kFailedPrecondition);
}

OvLibrary::~OvLibrary() {
  if (core_ != nullptr) api_.ov_core_free(core_);
}

base::Status OvLibrary::Take(int status, const char* reason, base::Code code) const {
  if (status == 0) return base::Status::Ok();
  std::string message;
  if (const char* text = api_.ov_get_last_err_msg()) {
    message = text;
    api_.ov_free(text);
  }
  if (message.empty()) message = api_.ov_get_error_info(status);
  std::ranges::replace(message, '\n', ' ');
  while (message.ends_with(' ')) message.pop_back();
  return {code, reason, message};
}

}  // namespace slipway::inference::openvino
