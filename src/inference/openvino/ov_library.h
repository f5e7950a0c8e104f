// SPDX-License-Identifier: Apache-2.0
// OvLibrary: the opened libopenvino_c and its core, which all models share. Immutable after Open,
// so safe from any thread. The library stays mapped until the process ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/openvino/ov_abi.h"

namespace slipway::inference::openvino {

class OvLibrary {
 public:
  // `path` empty: each of DefaultPaths in turn. kFailedPrecondition (reason "runtime_missing" /
  // "runtime_too_old").
  static base::Result<std::shared_ptr<const OvLibrary>> Open(const std::string& path);
  static std::vector<std::string> DefaultPaths();
  ~OvLibrary();
  OvLibrary(const OvLibrary&) = delete;
  OvLibrary& operator=(const OvLibrary&) = delete;

  [[nodiscard]] const OvFunctions& api() const { return api_; }
  [[nodiscard]] const OvCore* core() const { return core_; }
  [[nodiscard]] const std::string& version() const { return version_; }  // "2026.4.1-..."
  [[nodiscard]] const std::string& path() const { return path_; }

  // Ok for 0, else `code` and `reason` with the library's message on one line.
  base::Status Take(int status, const char* reason, base::Code code = base::Code::kInternal) const;

 private:
  OvLibrary() = default;
  base::Status FindFunctions(void* handle);
  base::Status CheckTypes() const;
  base::Status Start();

  OvFunctions api_;
  OvCore* core_ = nullptr;
  std::string version_;
  std::string path_;
};

}  // namespace slipway::inference::openvino
