// SPDX-License-Identifier: Apache-2.0
// Temporary folders for tests of any room.
#pragma once

#include <string>

namespace slipway::storage {

// A folder that is removed, with all in it, at the end.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace slipway::storage
